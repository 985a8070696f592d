namespace Dia.Backends;

/// <summary>Times work on a device, and what the device can do at most: the denominators.</summary>
internal abstract class DeviceClock : IDisposable
{
    /// <summary>Seconds of measuring that are enough.</summary>
    protected const double Enough = 0.15;

    /// <summary>What <see cref="Bandwidth"/> is.</summary>
    public abstract string BandwidthName { get; }

    /// <summary>Bytes a second, measured once.</summary>
    public abstract double Bandwidth { get; }

    /// <summary>What <see cref="Operations"/> is.</summary>
    public abstract string OperationsName { get; }

    /// <summary>Floating-point operations a second (a multiply-add is two), measured once; 0: not known.</summary>
    public abstract double Operations { get; }

    /// <summary>Seconds that a run takes: the best of some, after one that does not count.</summary>
    public double Time(Action run)
    {
        double best = Seconds(run, 1), spent = best;
        if (spent > 4 * Enough)
            return best; // The run that brings everything into place is all there is time for.
        int runs = (int)Math.Clamp(Enough / 4 / Math.Max(best, 1e-7), 1, 1000);
        for (best = double.PositiveInfinity; spent < Enough || double.IsInfinity(best);)
        {
            double seconds = Seconds(run, runs);
            best = Math.Min(best, seconds / runs);
            spent += Math.Max(seconds, 1e-4);
        }

        return best;
    }

    /// <summary>The same for an operation of a decoding step, as it is there: behind others that moved so many bytes, and on a GPU in a graph.</summary>
    /// <param name="run">Starts the operation, for all layers.</param>
    /// <param name="others">Bytes that the rest of a step moves: as much is moved before each run, so that caches hold what they hold in a step.</param>
    /// <returns>Seconds, and the kernels that were launched; 0: not counted.</returns>
    public virtual (double Seconds, int Launches) TimeInStep(Action run, long others) => (Time(run), 0);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }

    /// <summary>Seconds that so many runs take together.</summary>
    protected abstract double Seconds(Action run, int runs);
}
