using System.Diagnostics;

namespace Dia.Cli.Output;

/// <summary>Shows how far a generation is.</summary>
/// <param name="reporter">Where to show it.</param>
/// <param name="rowLimit">Rows at most, the prompt's included.</param>
/// <param name="promptRows">Rows of the prompt.</param>
/// <param name="framesPerSecond">Rows that make a second of audio; null where there is no codec.</param>
internal sealed class GenerationProgress(Reporter reporter, int rowLimit, int promptRows, double? framesPerSecond)
{
    private const double RefreshSeconds = 0.1;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private double _shown;

    /// <summary>Tells how many rows there are.</summary>
    public void Rows(int rows)
    {
        double now = _clock.Elapsed.TotalSeconds;
        if (!reporter.ShowsProgress || now - _shown < RefreshSeconds)
            return;
        _shown = now;
        double left = (rowLimit - promptRows - rows) * now / rows;
        reporter.Progress(framesPerSecond is double rate
            ? Format.Text($"{rows / rate:0.0} s of audio, {rows / rate / now:0.00} times real time, at most {left:0} s left")
            : Format.Text($"{rows} rows, {rows / now:0.0} a second, at most {left:0} s left"));
    }
}
