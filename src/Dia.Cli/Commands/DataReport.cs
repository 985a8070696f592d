using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>Says what is in the data of a training, and what is wrong with it.</summary>
/// <param name="run">The options and where to say it.</param>
/// <param name="manifest">What was to be read.</param>
internal sealed class DataReport(Invocation run, DataManifest manifest)
{
    private readonly ProgressClock _clock = new(run.Reporter);

    /// <summary>Shows how many recordings were read.</summary>
    public void Read(int done) => Progress("read", done, manifest.Entries.Count);

    /// <summary>Shows how many recordings were encoded.</summary>
    public void Encoded(int done, int count) => Progress("encoded", done, count);

    /// <summary>Prints what there is.</summary>
    public void Print(TrainingData data, double heldOut)
    {
        run.Reporter.ClearProgress();
        var table = new TextTable(false, true);
        int held = data.CountHeldOut(heldOut);
        table.Add("recordings", Format.Text($"{data.Count + data.Bad.Count}"));
        table.Add("to learn from", Format.Text($"{data.Count - held}"));
        table.Add("held out", Format.Text($"{held}"));
        table.Add("bad", Format.Text($"{data.Bad.Count}"));
        table.Add("strange", Format.Text($"{data.Remarks.Count}"));
        table.Add("without a speaker's tag", Format.Text($"{manifest.Untagged}"));
        table.Add("minutes", Format.Text($"{data.Seconds / 60:0.0}"));
        Program.Print(table.ToString());
    }

    /// <summary>Says what is strange and what is bad, of which --skip-bad makes warnings.</summary>
    /// <exception cref="DiaException">Input: some of it is bad.</exception>
    public void Tell(TrainingData data)
    {
        run.Reporter.ClearProgress();
        if (manifest.Untagged > 0)
            run.Reporter.Note(Format.Text($"{manifest.Untagged} transcripts start with no speaker tag: [S1] was put in front."));
        foreach (DataProblem remark in data.Remarks)
            run.Reporter.Suspicion(remark.ToString());
        if (data.Bad.Count == 0)
            return;
        if (!run.Line.Has(TrainOptions.SkipBad))
            throw new DiaException(DiaErrorKind.Input,
                $"{data.Bad.Count} of {data.Count + data.Bad.Count} recordings cannot be learned from. Mend them, or leave them out with {TrainOptions.SkipBad.Name}:\n{string.Join('\n', data.Bad)}");
        foreach (DataProblem bad in data.Bad)
            run.Reporter.Warning($"left out: {bad}");
        if (data.Count == 0)
            throw new DiaException(DiaErrorKind.Input, "no recording is left to learn from.");
    }

    private void Progress(string what, int done, int count)
    {
        if (_clock.IsDue(out _))
            run.Reporter.Progress(Format.Text($"{what} {done} of {count} recordings"));
    }
}
