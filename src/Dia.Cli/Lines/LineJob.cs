using System.Runtime.ExceptionServices;
using Dia.Cli.Commands;
using Dia.Configuration;
using Dia.Speech;

namespace Dia.Cli.Lines;

/// <summary>A line that is being spoken.</summary>
/// <param name="answers">Where its answer goes.</param>
/// <param name="place">Its place in the order of answers.</param>
/// <param name="line">Its number.</param>
/// <param name="id">Its id as JSON text, or null.</param>
/// <param name="output">The output that it names, or null.</param>
/// <param name="files">Where its results go.</param>
/// <param name="textIds">The text's ids.</param>
/// <param name="config">How to generate.</param>
internal sealed class LineJob(LineAnswers answers, long place, long line, string? id, string? output, LineFiles files, int[] textIds, GenerationConfig config)
    : SpeechJob(textIds, config)
{
    /// <summary>Its place in the order of answers.</summary>
    public long Place { get; } = place;

    /// <summary>Its number.</summary>
    public long Line { get; } = line;

    /// <summary>Its id as JSON text, or null.</summary>
    public string? Id { get; } = id;

    /// <summary>The output that it names, or null.</summary>
    public string? Output { get; } = output;

    /// <summary>Where its results go.</summary>
    public LineFiles Files { get; } = files;

    /// <summary>Words for what is not as it should be, by the line's options.</summary>
    public required Doubts Doubts { get; init; }

    /// <summary>What it says, without the transcript of a voice that is known.</summary>
    public required string Text { get; init; }

    /// <summary>What is to be said of less room than the text takes; null: there is enough.</summary>
    public string? Crowded { get; init; }

    /// <inheritdoc/>
    protected override void OnSamples(ReadOnlySpan<float> samples)
    {
        Files.Add(samples);
        answers.Stream(this);
    }

    /// <inheritdoc/>
    protected override void OnCompleted(SpeechResult result)
    {
        Files.Finish(result.Codes, result.Rows);
        answers.Done(this, result);
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
