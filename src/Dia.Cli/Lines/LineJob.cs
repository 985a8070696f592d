using System.Runtime.ExceptionServices;
using Dia.Cli.Output;

namespace Dia.Cli.Lines;

/// <summary>A line that is being spoken: a script of one piece, or of several where it is too long for the model.</summary>
/// <param name="run">Where to say what is strange.</param>
/// <param name="answers">Where its answer goes.</param>
/// <param name="files">Where its results go.</param>
/// <param name="options">How it is spoken.</param>
internal sealed class LineJob(Invocation run, LineAnswers answers, LineFiles files, SpeechOptions options) : ISpeechObserver
{
    private readonly List<(SpeechDoubtKind Kind, string Message)> _warnings = [];
    private bool _failed;

    /// <summary>Its place in the order of answers.</summary>
    public required long Place { get; init; }

    /// <summary>Its number.</summary>
    public required long Line { get; init; }

    /// <summary>Its id as JSON text, or null.</summary>
    public required string? Id { get; init; }

    /// <summary>The output that it names, or null.</summary>
    public required string? Output { get; init; }

    /// <summary>What a journal knows its request by; null: there is no journal.</summary>
    public required byte[]? Request { get; init; }

    /// <summary>What is said.</summary>
    public required IReadOnlyList<ScriptPiece> Pieces { get; init; }

    /// <summary>The longest piece, as it is to be spoken.</summary>
    public required Utterance Longest { get; init; }

    /// <summary>Words for what is not as it should be, by the line's options.</summary>
    public required Doubts Doubts { get; init; }

    /// <summary>Speaks it; null: it is only checked.</summary>
    public ScriptRun? Script { get; private set; }

    /// <summary>Where its results go.</summary>
    public LineFiles Files { get; } = files;

    /// <summary>The seed it is drawn with.</summary>
    public ulong Seed => options.Seed!.Value;

    /// <summary>What may not be what its text asks for.</summary>
    public IReadOnlyList<(SpeechDoubtKind Kind, string Message)> Warnings => _warnings;

    /// <summary>Whether nothing of it is left to be spoken.</summary>
    public bool IsEnded => _failed || Script!.Spoken is not null;

    /// <summary>Begins to speak it.</summary>
    /// <exception cref="DiaException">Usage: its options do not go together.</exception>
    public void Begin(Speaker speaker) => Script = speaker.Begin(Pieces, options, Files.MakesAudio ? Write : null, this);

    /// <inheritdoc/>
    public void SpokenAgain(int piece, Utterance attempt, ulong seed) =>
        run.Reporter.Note(Format.Text($"line {Line}: {Name(piece)} {attempt.Doubt!.Message}: it is spoken again with seed {seed}."));

    /// <inheritdoc/>
    public void PieceSpoken(int piece, Utterance utterance)
    {
        if (utterance.Doubt is { } doubt)
            _warnings.Add((doubt.Kind, Doubts.Describe(Name(piece), utterance, doubt.CanBeBetter ? options.Retries + 1 : 1, Pieces.Count > 1)));
    }

    /// <inheritdoc/>
    public void Completed(SpokenScript spoken)
    {
        Files.Finish(spoken.Codes, spoken.Rows);
        answers.Done(this, spoken);
    }

    /// <inheritdoc/>
    public void Failed(Exception failure)
    {
        _failed = true;
        Files.Dispose();
        // Anything else concerns more than this line: standard output, the journal, the device and its memory, a bug.
        if (failure is DiaException { Kind: not DiaErrorKind.Device } error && !answers.IsBroken)
            answers.Failed(Place, Line, Id, error);
        else
            ExceptionDispatchInfo.Throw(failure);
    }

    private void Write(ReadOnlySpan<float> samples)
    {
        Files.Add(samples);
        answers.Stream(this);
    }

    private string Name(int piece) => Pieces.Count == 1 ? "the speech" : Format.Text($"piece {piece + 1} of {Pieces.Count}");
}
