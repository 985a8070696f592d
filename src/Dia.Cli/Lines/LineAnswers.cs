using System.Diagnostics;
using Dia.Audio;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Lines;

/// <summary>
/// Gives the answers, each when its turn has come: a JSON line each, or the audio of all lines as one WAV, and counts them.
/// </summary>
/// <param name="run">The options.</param>
/// <param name="order">Whose turn it is.</param>
/// <param name="output">Standard output; null where nothing goes there.</param>
internal sealed class LineAnswers(Invocation run, AnswerOrder order, OutputFile? output) : IDisposable
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly bool _json = run.Line.Has(DiaOptions.JsonLines);
    private WavWriter? _audio;
    private double _seconds;
    private long _lines;

    /// <summary>Lines that failed.</summary>
    public long FailedLines { get; private set; }

    /// <summary>The rate of the audio, from the codec: set before the first line that has audio is done.</summary>
    public int SamplingRate { get; set; }

    /// <summary>Begins the audio on standard output.</summary>
    public void StartAudio() => _audio = new WavWriter(output!.Stream, SamplingRate, run.Line.Has(DiaOptions.Raw));

    /// <summary>A line is done; its files are written but not complete.</summary>
    /// <param name="job">The line.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="samples">The audio that goes to standard output; null: none.</param>
    public void Done(LineJob job, LineOutcome outcome, float[]? samples) => order.Give(job.Place, () =>
    {
        try
        {
            job.Files.Commit();
        }
        catch (DiaException e)
        {
            Fail(job.Line, job.Id, e);
            return;
        }

        _seconds += outcome.Seconds ?? 0;
        if (_json)
            output!.Stream.Write(LineAnswer.Done(job.Line, job.Id, job.Request.Output, job.Files.CodesName, outcome, samples is null ? null : Wav(samples)));
        else if (samples is not null)
            _audio!.Write(samples);
        Count();
    });

    /// <summary>A line failed.</summary>
    /// <param name="place">Its place in the order.</param>
    /// <param name="line">Its number.</param>
    /// <param name="id">Its id as JSON text, or null.</param>
    /// <param name="error">Why.</param>
    public void Failed(long place, long line, string? id, DiaException error) => order.Give(place, () => Fail(line, id, error));

    /// <summary>Says what was done.</summary>
    public void Summarize(ulong seed)
    {
        double wall = _clock.Elapsed.TotalSeconds;
        string audio = _seconds > 0 ? Format.Text($": {_seconds:0.00} s of audio in {wall:0.0} s, {_seconds / wall:0.00} times real time") : Format.Text($" in {wall:0.0} s");
        run.Reporter.Summary(Format.Text($"{_lines} line{(_lines == 1 ? "" : "s")}, {FailedLines} failed{audio}; seed {seed}"));
    }

    /// <inheritdoc/>
    public void Dispose() => _audio?.Dispose();

    private void Fail(long line, string? id, DiaException error)
    {
        FailedLines++;
        run.Reporter.ClearProgress();
        if (_json)
            output!.Stream.Write(LineAnswer.Failed(line, id, error.Kind, error.Message));
        else
            Reporter.Error(Format.Text($"line {line}: {LineAnswer.Clip(error.Message)}"));
        Count();
    }

    private void Count()
    {
        _lines++;
        run.Reporter.Progress(Format.Text($"{_lines} lines, {FailedLines} failed, {_seconds:0.0} s of audio, {_seconds / _clock.Elapsed.TotalSeconds:0.00} times real time"));
    }

    private byte[] Wav(float[] samples)
    {
        var bytes = new MemoryStream();
        using (var writer = new WavWriter(bytes, SamplingRate))
            writer.Write(samples);
        return bytes.ToArray();
    }
}
