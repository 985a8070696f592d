using System.Runtime.ExceptionServices;
using Dia.Configuration;
using Dia.Text;

namespace Dia.Speech;

/// <summary>
/// One text to be spoken in one run of the model, maybe in a voice, and what it came to. A <see cref="SpeechEngine"/> calls the methods from the
/// thread that runs it, for each utterance in the order: <see cref="OnRow"/> and <see cref="OnSamples"/> as they come, then once
/// <see cref="OnCompleted"/> or <see cref="OnFailed"/>.
/// </summary>
public class Utterance
{
    private readonly double? _frameRate;

    /// <summary>Takes ids as they are; nothing is known of how long they take to say.</summary>
    /// <param name="textIds">The text's ids, as <see cref="DiaTokenizer"/> gives them; with a prompt, its transcript first.</param>
    /// <param name="config">How to generate, the model's token ids and delays included.</param>
    /// <exception cref="ArgumentNullException">One of them is null.</exception>
    public Utterance(int[] textIds, GenerationConfig config)
    {
        ArgumentNullException.ThrowIfNull(textIds);
        ArgumentNullException.ThrowIfNull(config);
        (TextIds, Config, Piece) = (textIds, config, new ScriptPiece(0, 0, "", textIds));
    }

    /// <summary>Puts a text behind what is said in a voice. It is judged by how long such a text takes to say.</summary>
    /// <param name="model">The model's configuration.</param>
    /// <param name="piece">The text. Where it is too long for the model its end is left out.</param>
    /// <param name="voice">The voice to go on from; null: none.</param>
    /// <param name="config">How to generate, the model's token ids and delays included.</param>
    /// <param name="frameRate">Frames of a second of sound; null: not known, so nothing is said of its length.</param>
    public Utterance(DiaConfig model, ScriptPiece piece, Voice? voice, GenerationConfig config, double? frameRate)
        : this(Join(model, piece, voice), config) => (Piece, Voice, Prompt, _frameRate) = (piece, voice, voice?.Codes, frameRate);

    /// <summary>All ids that the model is given.</summary>
    public int[] TextIds { get; }

    /// <summary>How to generate. It draws as item 0, whatever runs beside it.</summary>
    public GenerationConfig Config { get; }

    /// <summary>What is said.</summary>
    public ScriptPiece Piece { get; }

    /// <summary>The voice that it goes on from; null: none.</summary>
    public Voice? Voice { get; }

    /// <summary>Codes of the voice [frames, channels], not delayed; null: none.</summary>
    public int[,]? Prompt { get; init; }

    /// <summary>Whether they stay at the start of the sound and of the codes.</summary>
    public bool KeepPrompt { get; init; }

    /// <summary>Whether sound is wanted, where the engine has a codec.</summary>
    public bool WantsAudio { get; init; } = true;

    /// <summary>Takes the samples, which are valid during the call only; null: nobody does.</summary>
    public Action<ReadOnlySpan<float>>? Write { get; init; }

    /// <summary>How fast its script is spoken, which it is judged by.</summary>
    public SpeakingPace Pace { get; init; } = new();

    /// <summary>What it came to; null before that.</summary>
    public SpeechResult? Result { get; private set; }

    /// <summary>Why it may not be what its text asks for; null: nothing says so.</summary>
    public SpeechDoubt? Doubt { get; private set; }

    /// <summary>Frames of the voice.</summary>
    public int VoiceFrames => Prompt?.GetLength(0) ?? 0;

    /// <summary>Rows to generate at most.</summary>
    public long RowsLeft => Config.RowLimit(1 + VoiceFrames) - 1 - VoiceFrames;

    /// <summary>Seconds of speech that there is room for.</summary>
    public double RoomSeconds => (RowsLeft - Config.DelayPattern.Max() - 1) / _frameRate ?? double.PositiveInfinity;

    /// <summary>Whether its text takes longer to say than there is room; not known, so false, of one that begins with a voice's transcript.</summary>
    public bool IsCrowded => !HasTranscript && RoomSeconds < Piece.Seconds;

    /// <summary>How long it took, a voice that is kept left out; null: not known.</summary>
    public double? Seconds => Frames / _frameRate;

    /// <summary>How long all of its text's characters took: a transcript that is part of the text was spoken in the voice's own frames.</summary>
    internal double? PacedSeconds => (Frames + (HasTranscript ? VoiceFrames : 0)) / _frameRate;

    private int Frames => (Result?.Frames ?? 0) - (KeepPrompt ? VoiceFrames : 0);

    private bool HasTranscript => Voice is { Transcript.Length: 0 };

    /// <summary>A row was generated.</summary>
    /// <param name="rows">Rows generated so far.</param>
    protected internal virtual void OnRow(int rows)
    {
    }

    /// <summary>Sound is there: the next samples, in order.</summary>
    /// <param name="samples">At the codec's rate; valid during the call only.</param>
    protected internal virtual void OnSamples(ReadOnlySpan<float> samples) => Write?.Invoke(samples);

    /// <summary>The utterance is complete, and all of its sound was handed over.</summary>
    protected internal virtual void OnCompleted(SpeechResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        Result = result;
        Doubt = SpeechDoubt.Of(result.Stop, Frames, PacedSeconds, result.Peak, Piece.Characters, Pace);
    }

    /// <summary>
    /// It failed (its own methods' exceptions count), the others go on. Unless overridden this throws the failure, which ends the run.
    /// </summary>
    protected internal virtual void OnFailed(Exception failure) => ExceptionDispatchInfo.Throw(failure);

    private static int[] Join(DiaConfig model, ScriptPiece piece, Voice? voice)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(piece);
        int[] ids = voice is null ? piece.Ids : [.. voice.TranscriptIds, .. piece.Ids];
        return ids.Length <= model.EncoderConfig.MaxPositionEmbeddings ? ids : ids[..model.EncoderConfig.MaxPositionEmbeddings];
    }
}
