using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Lines;

/// <summary>
/// Gives the answers, each when its turn has come: a JSON line each, or the audio of all lines as one sound, and counts them.
/// </summary>
/// <param name="run">The options.</param>
/// <param name="window">Lines that may be taken and not answered.</param>
/// <param name="output">Standard output; null where nothing goes there.</param>
/// <param name="samplingRate">The codec's rate; 0 where there is none.</param>
/// <param name="journal">Is told which outputs are complete; null: there is none.</param>
internal sealed class LineAnswers(Invocation run, int window, OutputFile? output, int samplingRate, LineJournal? journal) : IDisposable
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly bool _json = run.Line.Has(DiaOptions.JsonLines);
    // The loudness of each line is set by then.
    private readonly SoundForm _form = SoundForm.Read(run.Line, null) with { Lufs = null };
    private readonly AnswerOrder _order = new(!run.Line.Has(DiaOptions.Unordered), window);
    private SoundWriter? _audio;
    private Player? _player;
    private double _seconds;
    private long _lines, _kept;

    /// <summary>Lines that failed.</summary>
    public long FailedLines { get; private set; }

    /// <summary>Lines that may not be what their text asked for.</summary>
    public long DoubtfulLines { get; private set; }

    /// <summary>Whether the journal cannot be written: that ends the run.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Whether another line may be taken.</summary>
    public bool HasRoom => _order.HasRoom;

    /// <summary>Takes a line: its place in the order of answers.</summary>
    public long Take() => _order.Take();

    /// <summary>Begins the audio on standard output, and begins to play, where that is asked for.</summary>
    /// <exception cref="DiaException">Output: there is nothing to play with.</exception>
    public void Start(LineTargets targets)
    {
        _audio = targets.StandardOutput is null ? null : new SoundWriter(output!.Stream, _form, samplingRate,
            _form.Tags(null, run.Line.GetValue(DiaOptions.Seed)?.Value), run.Reporter.Note);
        _player = targets.Plays ? new Player(samplingRate, run.Interruption.Token) : null;
    }

    /// <summary>Some of a line's audio is there: it is heard at once where it is streamed and it is the line's turn.</summary>
    public void Stream(LineJob job)
    {
        if ((_audio is not null || _player is not null) && _order.IsNext(job.Place))
            WriteKept(job);
    }

    /// <summary>A line is done; its files are written but not complete.</summary>
    public void Done(LineJob job, SpokenScript spoken) => _order.Give(job.Place, () =>
    {
        JournalEntry? entry;
        try
        {
            job.Files.Commit();
            entry = journal is null ? null : JournalEntry.Of(job.Line, job.Request!, job.Seed, job.Files.Names, job.Warnings.Count);
        }
        catch (DiaException e)
        {
            Fail(job.Line, job.Id, e);
            return;
        }

        Keep(entry);

        double? seconds = job.Files.MakesAudio ? job.Files.Samples / (double)samplingRate : null;
        _seconds += seconds ?? 0;
        if (_json)
            output!.Stream.Write(LineAnswer.Done(job, spoken, seconds, job.Files.KeepsAudio ? Sound(job.Files) : null));
        else if (job.Files.KeepsAudio)
            WriteKept(job);
        Count(job.Line, job.Warnings.Select(w => w.Message));
    });

    /// <summary>A line's output is there already.</summary>
    /// <param name="place">Its place in the order.</param>
    /// <param name="entry">What the journal says of it.</param>
    /// <param name="id">Its id as JSON text, or null.</param>
    /// <param name="named">The output that it names, or null.</param>
    /// <param name="codes">The codes' file; null: there is none.</param>
    public void Kept(long place, JournalEntry entry, string? id, string? named, string? codes) => _order.Give(place, () =>
    {
        _kept++;
        string? warning = entry.Warnings == 0 ? null
            : Format.Text($"it was spoken in an earlier run, with {entry.Warnings} warning{(entry.Warnings == 1 ? "" : "s")}.");
        if (_json)
            output!.Stream.Write(LineAnswer.Kept(entry, id, named, codes, warning));
        Count(entry.Line, warning is null ? [] : [warning]);
    });

    /// <summary>A line failed.</summary>
    /// <param name="place">Its place in the order.</param>
    /// <param name="line">Its number.</param>
    /// <param name="id">Its id as JSON text, or null.</param>
    /// <param name="error">Why.</param>
    public void Failed(long place, long line, string? id, DiaException error) => _order.Give(place, () => Fail(line, id, error));

    /// <summary>A line would be spoken: it is answered where there is something to say of it.</summary>
    /// <param name="job">The line.</param>
    /// <param name="warning">What is to be said; null: nothing.</param>
    public void Checked(LineJob job, string? warning) => _order.Give(job.Place, () =>
    {
        if (warning is not null && _json)
            output!.Stream.Write(LineAnswer.Checked(job.Line, job.Id, warning));
        Count(job.Line, warning is null ? [] : [warning]);
    });

    /// <summary>Says what was done.</summary>
    /// <param name="seed">The seed of lines without their own; null: they were only checked.</param>
    public void Summarize(ulong? seed)
    {
        string lines = Format.Text($"{_lines} line{(_lines == 1 ? "" : "s")}"), doubtful = DoubtfulLines == 0
            ? "" : Format.Text($", {DoubtfulLines} with warnings"),
            kept = _kept == 0 ? "" : Format.Text($", {_kept} there already");
        if (seed is null)
        {
            run.Reporter.Summary(Format.Text($"{lines}, {FailedLines} would fail{doubtful}{kept}; nothing was spoken"));
            return;
        }

        double wall = _clock.Elapsed.TotalSeconds;
        string audio = _seconds > 0
            ? Format.Text($": {_seconds:0.00} s of audio in {wall:0.0} s, {_seconds / wall:0.00} times real time") : Format.Text($" in {wall:0.0} s");
        run.Reporter.Summary(Format.Text($"{lines}, {FailedLines} failed{doubtful}{kept}{audio}; seed {seed}"));
    }

    /// <summary>The sound of all lines is complete.</summary>
    /// <exception cref="DiaException">Output: it was not played.</exception>
    public void Finish()
    {
        _audio?.Finish();
        _player?.Finish();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _audio?.Dispose();
        _player?.Dispose();
    }

    private void Fail(long line, string? id, DiaException error)
    {
        FailedLines++;
        run.Reporter.ClearProgress();
        if (_json)
            output!.Stream.Write(LineAnswer.Failed(line, id, error.Kind, error.Message));
        else
            Reporter.Error(Format.Text($"line {line}: {LineAnswer.Clip(error.Message)}"));
        Count(line, []);
    }

    private void Keep(JournalEntry? entry)
    {
        try
        {
            if (entry is not null)
                journal!.Add(entry);
        }
        catch (DiaException)
        {
            IsBroken = true;
            throw;
        }
    }

    /// <summary>A line is answered; warnings that are not in an answer are said here.</summary>
    private void Count(long line, IEnumerable<string> warnings)
    {
        _lines++;
        DoubtfulLines += warnings.Any() ? 1 : 0;
        foreach (string warning in _json ? [] : warnings)
            run.Reporter.Suspicion(Format.Text($"line {line}: {warning}"));
        run.Reporter.Progress(
            Format.Text($"{_lines} lines, {FailedLines} failed, {_seconds:0.0} s of audio, {_seconds / _clock.Elapsed.TotalSeconds:0.00} times real time"));
    }

    private void WriteKept(LineJob job)
    {
        _audio?.Write(job.Files.Kept);
        _player?.Write(job.Files.Kept);
        job.Files.DropKept();
    }

    private byte[] Sound(LineFiles files)
    {
        var bytes = new MemoryStream();
        SoundForm form = _form.Format == AudioFormat.Raw ? _form with { Format = AudioFormat.Wav } : _form;
        var writer = new SoundWriter(bytes, form, samplingRate, files.Tags, run.Reporter.Note);
        writer.Write(files.Kept);
        writer.Finish();
        return bytes.ToArray();
    }
}
