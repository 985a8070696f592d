using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>What is said while a text is spoken, and after it.</summary>
/// <param name="run">The run.</param>
/// <param name="speaker">Speaks it.</param>
/// <param name="options">How.</param>
/// <param name="pieces">Of how many pieces the text is.</param>
/// <param name="asScript">Whether it is split, stretched or spoken again; otherwise there is one utterance.</param>
/// <param name="rowsLeft">Rows to generate at most, of one piece.</param>
/// <param name="wantsAudio">Whether sound is made.</param>
internal sealed class SpeechReport(Invocation run, Speaker speaker, SpeechOptions options, int pieces, bool asScript, long rowsLeft, bool wantsAudio)
    : ISpeechObserver
{
    private readonly ProgressClock _clock = new(run.Reporter);
    private readonly Doubts _doubts = new(run.Line);

    /// <inheritdoc/>
    public void RowAdded(int piece, int rows)
    {
        if (!_clock.IsDue(out double now))
            return;
        double left = (rowsLeft - rows) * now / rows;
        double? seconds = rows / speaker.FrameRate;
        run.Reporter.Progress(
            asScript ? Format.Text($"{Name(piece)}, {seconds:0.0} s of audio, {seconds / now:0.00} times real time")
            : wantsAudio ? Format.Text($"{seconds:0.0} s of audio, {seconds / now:0.00} times real time, at most {left:0} s left")
            : Format.Text($"{rows} rows, {rows / now:0.0} a second, at most {left:0} s left"));
    }

    /// <inheritdoc/>
    public void SpokenAgain(int piece, Utterance attempt, ulong seed) =>
        run.Reporter.Note(Format.Text($"{Name(piece)} {attempt.Doubt!.Message}: it is spoken again with seed {seed}."));

    /// <inheritdoc/>
    public void PieceSpoken(int piece, Utterance utterance)
    {
        if (utterance.Doubt is { } doubt)
            run.Reporter.Suspicion(_doubts.Describe(asScript ? Name(piece) : "the speech", utterance, doubt.CanBeBetter ? options.Retries + 1 : 1, pieces > 1));
        if (asScript)
            run.Reporter.Detail(
                Format.Text(
                $"{Name(piece)}: {utterance.Seconds:0.00} s, {utterance.Piece.Characters} characters{(utterance.Voice is null ? "" : $", after {utterance.VoiceFrames} frames of a voice")}: {utterance.Piece.Text}"));
    }

    /// <summary>Says what was made, and how fast.</summary>
    /// <param name="spoken">What the text came to.</param>
    /// <param name="seconds">Seconds of sound; null: codes only.</param>
    public void Summarize(SpokenScript spoken, double? seconds)
    {
        int steps = spoken.GeneratedRows;
        string memory = $"memory {Format.Bytes(Environment.WorkingSet)}", end = spoken.CutPieces == 0 ? "ended by itself" : pieces == 1
            ? "ended by the length limit" : Format.Text($"{spoken.CutPieces} ended by the length limit");
        double wall = asScript ? _clock.Seconds : run.Clock.Elapsed.TotalSeconds;
        if (asScript)
        {
            run.Reporter.Detail(
                Format.Text(
                $"{steps} steps in {wall:0.00} s, {steps / wall:0.0} a second; {(spoken.FirstAudio is { } first ? Format.Text($"first audio after {first.TotalSeconds:0.00} s; ") : "")}{memory}"));
            end = $"{(pieces == 1 ? "" : $"{pieces} pieces; ")}{end}{(spoken.DoubtfulPieces == 0 ? "" : $"; {spoken.DoubtfulPieces} with warnings")}";
        }
        else
        {
            SpeechResult result = spoken.Pieces[0].Result!;
            double generated = result.Elapsed.TotalSeconds;
            if (result.FirstAudio is { } first)
                run.Reporter.Detail(
                    Format.Text(
                    $"first audio after {first.TotalSeconds:0.000} s ({result.FirstAudioRows} steps), {wall - generated + first.TotalSeconds:0.00} s after the program's start"));
            run.Reporter.Detail(Format.Text($"{steps} steps in {generated:0.00} s, {steps / generated:0.0} a second; {memory}"));
        }

        run.Reporter.Detail(Format.Times(speaker.Times));
        string made = seconds is double s
            ? Format.Text($"{s:0.00} s of audio ({spoken.Frames} frames) in {wall:0.0} s, {s / wall:0.00} times real time")
            : Format.Text($"{spoken.Frames} frames of codes in {wall:0.0} s");
        run.Reporter.Summary(Format.Text($"{made}; {end}; {(spoken.Pieces[0].Config.DoSample ? "" : "greedy, ")}seed {options.Seed}"));
    }

    private string Name(int piece) => pieces == 1 ? "the text" : Format.Text($"piece {piece + 1} of {pieces}");
}
