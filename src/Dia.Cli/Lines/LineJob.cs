using System.Runtime.ExceptionServices;
using Dia.Cli.Output;

namespace Dia.Cli.Lines;

/// <summary>A line that is being spoken.</summary>
/// <param name="answers">Where its answer goes.</param>
/// <param name="files">Where its results go.</param>
/// <param name="config">The model's configuration.</param>
/// <param name="piece">What is said.</param>
/// <param name="voice">The voice; null: none.</param>
/// <param name="generation">How to generate.</param>
/// <param name="frameRate">Frames of a second of sound; null: not known.</param>
internal sealed class LineJob(
    LineAnswers answers, LineFiles files, DiaConfig config, ScriptPiece piece, Voice? voice, GenerationConfig generation, double? frameRate)
    : Utterance(config, piece, voice, generation, frameRate)
{
    /// <summary>Its place in the order of answers.</summary>
    public required long Place { get; init; }

    /// <summary>Its number.</summary>
    public required long Line { get; init; }

    /// <summary>Its id as JSON text, or null.</summary>
    public required string? Id { get; init; }

    /// <summary>The output that it names, or null.</summary>
    public required string? Output { get; init; }

    /// <summary>Where its results go.</summary>
    public LineFiles Files { get; } = files;

    /// <summary>Words for what is not as it should be, by the line's options.</summary>
    public required Doubts Doubts { get; init; }

    /// <inheritdoc/>
    protected override void OnSamples(ReadOnlySpan<float> samples)
    {
        Files.Add(samples);
        answers.Stream(this);
    }

    /// <inheritdoc/>
    protected override void OnCompleted(SpeechResult result)
    {
        base.OnCompleted(result);
        Files.Finish(result.Codes, result.Rows);
        answers.Done(this);
    }

    /// <inheritdoc/>
    protected override void OnFailed(Exception failure)
    {
        Files.Dispose();
        // Anything else concerns more than this line: standard output, the device and its memory, a bug.
        if (failure is DiaException { Kind: not DiaErrorKind.Device } error)
            answers.Failed(Place, Line, Id, error);
        else
            ExceptionDispatchInfo.Throw(failure);
    }
}
