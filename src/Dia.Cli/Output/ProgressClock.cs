namespace Dia.Cli.Output;

/// <summary>Says when the progress line is to be shown again: a row is generated faster than anybody reads.</summary>
/// <param name="reporter">Where it is shown.</param>
internal sealed class ProgressClock(Reporter reporter)
{
    private const double RefreshSeconds = 0.1;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private double _shown;

    /// <summary>Seconds since the start.</summary>
    public double Seconds => _clock.Elapsed.TotalSeconds;

    /// <summary>Whether it is time; then it counts as shown.</summary>
    /// <param name="seconds">Seconds since the start.</param>
    public bool IsDue(out double seconds)
    {
        seconds = Seconds;
        bool due = reporter.ShowsProgress && seconds - _shown >= RefreshSeconds;
        _shown = due ? seconds : _shown;
        return due;
    }
}
