using System.Runtime.ExceptionServices;
using Dia.Configuration;

namespace Dia.Speech;

/// <summary>
/// One utterance for a <see cref="SpeechEngine"/>: what to say and how, and what to do with the sound. The engine calls the methods from
/// the thread that runs it, for each job in the order: <see cref="OnRow"/> and <see cref="OnSamples"/> as they come, then once
/// <see cref="OnCompleted"/> or <see cref="OnFailed"/>.
/// </summary>
/// <param name="textIds">The text's ids, as <see cref="Text.DiaTokenizer"/> gives them; with a voice prompt, its transcript first.</param>
/// <param name="config">How to generate, the model's token ids and delays included.</param>
/// <exception cref="ArgumentNullException">One of them is null.</exception>
public class SpeechJob(int[] textIds, GenerationConfig config)
{
    /// <summary>The text's ids.</summary>
    public int[] TextIds { get; } = textIds ?? throw new ArgumentNullException(nameof(textIds));

    /// <summary>How to generate. It draws as item 0, whatever runs beside it.</summary>
    public GenerationConfig Config { get; } = config ?? throw new ArgumentNullException(nameof(config));

    /// <summary>Codes of a voice prompt [frames, channels], not delayed; null: none.</summary>
    public int[,]? Prompt { get; init; }

    /// <summary>Whether the prompt stays at the start of the sound and of the codes.</summary>
    public bool KeepPrompt { get; init; }

    /// <summary>Whether sound is wanted, where the engine has a codec.</summary>
    public bool WantsAudio { get; init; } = true;

    /// <summary>A row was generated.</summary>
    /// <param name="rows">Rows generated so far.</param>
    protected internal virtual void OnRow(int rows)
    {
    }

    /// <summary>Sound is there: the next samples, in order.</summary>
    /// <param name="samples">At the codec's rate; valid during the call only.</param>
    protected internal virtual void OnSamples(ReadOnlySpan<float> samples)
    {
    }

    /// <summary>The utterance is complete, and all of its sound was handed over.</summary>
    protected internal virtual void OnCompleted(SpeechResult result)
    {
    }

    /// <summary>
    /// The job failed (its own methods' exceptions count), the others go on. Unless overridden this throws the failure, which
    /// ends the run.
    /// </summary>
    protected internal virtual void OnFailed(Exception failure) => ExceptionDispatchInfo.Throw(failure);
}
