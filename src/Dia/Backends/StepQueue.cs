namespace Dia.Backends;

/// <summary>Steps that are the same one after the other, started ahead of the host, which takes what is done.</summary>
internal abstract class StepQueue : IDisposable
{
    /// <summary>Steps that are under way at most: enough to hide the host's work, few enough that little is lost when a sequence ends.</summary>
    public const int Ahead = 4;

    /// <summary>Starts steps until so many are under way.</summary>
    /// <param name="count">1 to <see cref="Ahead"/>.</param>
    /// <exception cref="DiaException">The device has failed (Device).</exception>
    public abstract void Fill(int count);

    /// <summary>Waits for the oldest step that is not known to be done.</summary>
    /// <exception cref="InvalidOperationException">None is under way.</exception>
    /// <exception cref="DiaException">The device has failed (Device).</exception>
    public abstract void WaitForOldest();

    /// <summary>Waits for what is under way; the next step may be another.</summary>
    /// <exception cref="DiaException">The device has failed (Device).</exception>
    public abstract void Drain();

    /// <inheritdoc/>
    public abstract void Dispose();
}
