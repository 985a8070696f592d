using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>Reads the data of a training, says what is in it, and what is wrong with it.</summary>
internal sealed class DataReport
{
    private readonly Invocation _run;
    private readonly DataManifest _manifest;
    private readonly ProgressClock _clock;

    /// <summary>Reads what a manifest names.</summary>
    /// <exception cref="OperationCanceledException">The run was stopped.</exception>
    public DataReport(Invocation run, DataManifest manifest, DiaConfig model, DacConfig codec, CodesCache? cache)
    {
        (_run, _manifest, _clock) = (run, manifest, new ProgressClock(run.Reporter));
        Data = TrainingData.Read(manifest, model, codec, cache, done => Progress("read", done, manifest.Entries.Count), run.Interruption.Token);
        run.Reporter.ClearProgress();
    }

    /// <summary>What was read.</summary>
    public TrainingData Data { get; }

    /// <summary>Encodes what no cache has, and says what was strange about that.</summary>
    /// <exception cref="DiaException">As <see cref="TrainingData.Encode"/>.</exception>
    public IReadOnlyList<TrainingExample> Encode(DacModel codec)
    {
        int missing = Data.Missing, remarks = Data.Remarks.Count;
        IReadOnlyList<TrainingExample> examples = Data.Encode(codec, done => Progress("encoded", done, missing), _run.Interruption.Token);
        _run.Reporter.ClearProgress();
        foreach (DataProblem remark in Data.Remarks.Skip(remarks))
            _run.Reporter.Warning(remark.ToString());
        return examples;
    }

    /// <summary>Prints what there is.</summary>
    /// <param name="share">The part that is held out.</param>
    /// <param name="other">Data that is held out in place of it; null: there is none.</param>
    public void Print(double share, DataReport? other)
    {
        var table = new TextTable(false, true);
        int held = other is null ? Data.CountHeldOut(share) : 0;
        TrainingData[] all = other is null ? [Data] : [Data, other.Data];
        table.Add("recordings", Format.Text($"{all.Sum(d => d.Count + d.Bad.Count)}"));
        table.Add("to learn from", Format.Text($"{Data.Count - held}"));
        table.Add("held out", Format.Text($"{other?.Data.Count ?? held}"));
        table.Add("bad", Format.Text($"{all.Sum(d => d.Bad.Count)}"));
        table.Add("strange", Format.Text($"{all.Sum(d => d.Remarks.Count)}"));
        table.Add("without a speaker's tag", Format.Text($"{_manifest.Untagged + (other?._manifest.Untagged ?? 0)}"));
        table.Add("minutes", Format.Text($"{all.Sum(d => d.Seconds) / 60:0.0}"));
        Program.Print(table.ToString());
    }

    /// <summary>Says what is strange and what is bad, of which --skip-bad makes warnings.</summary>
    /// <exception cref="DiaException">Input: some of it is bad.</exception>
    public void Tell()
    {
        if (_manifest.Untagged > 0)
            _run.Reporter.Note(Format.Text($"{_manifest.Untagged} transcripts start with no speaker tag: [S1] was put in front."));
        foreach (DataProblem remark in Data.Remarks)
            _run.Reporter.Suspicion(remark.ToString());
        if (Data.Bad.Count == 0)
            return;
        if (!_run.Line.Has(TrainOptions.SkipBad))
            throw new DiaException(DiaErrorKind.Input,
                $"{Data.Bad.Count} of {Data.Count + Data.Bad.Count} recordings cannot be learned from. Mend them, or leave them out with {TrainOptions.SkipBad.Name}:\n{string.Join('\n', Data.Bad)}");
        foreach (DataProblem bad in Data.Bad)
            _run.Reporter.Warning($"left out: {bad}");
        if (Data.Count == 0)
            throw new DiaException(DiaErrorKind.Input, "no recording is left to learn from.");
    }

    private void Progress(string what, int done, int count)
    {
        if (_clock.IsDue(out _))
            _run.Reporter.Progress(Format.Text($"{what} {done} of {count} recordings"));
    }
}
