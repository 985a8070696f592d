namespace Dia.Backends;

/// <summary>
/// Which values are dropped: value i is where word i % 4 of the Philox block of the counter (i/4, pass, number, 2) under the seed lies below share·2³². It is
/// the same whenever it is asked for.
/// </summary>
/// <param name="Share">The share that is dropped, from 0, below 1.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Pass">Which pass it is.</param>
/// <param name="Number">What is dropped from.</param>
/// <param name="First">The index of the first value: a multiple of 4, below 2³⁴.</param>
public readonly record struct DropoutMask(float Share, ulong Seed, uint Pass, uint Number, long First)
{
    /// <summary>What the values that stay are multiplied by, so that their mean stays.</summary>
    public float Scale => 1 / (1 - Share);

    /// <summary>Whether the values of index first + 4·block to first + 4·block + 3 are dropped.</summary>
    internal (bool, bool, bool, bool) IsDropped(long block)
    {
        var (a, b, c, d) = Philox4x32.Block((uint)(First / 4 + block), Pass, Number, (uint)Drawn.Dropped, (uint)Seed, (uint)(Seed >> 32));
        double below = Share * 4294967296.0;
        return (a < below, b < below, c < below, d < below);
    }
}
