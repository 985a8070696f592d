namespace Dia.Training;

/// <summary>
/// Which examples make which batch. In each epoch examples of about the same length come together, since what pads the shorter ones costs time and
/// teaches nothing; which ones, and in what order the batches come, is drawn anew. A batch depends on the seed and its number alone.
/// </summary>
/// <param name="lengths">The examples' lengths.</param>
/// <param name="size">Examples of a batch; the last of an epoch may have fewer.</param>
/// <param name="seed">The seed.</param>
internal sealed class BatchOrder(int[] lengths, int size, ulong seed)
{
    // Lengths count as up to this part longer or shorter than they are, so that neighbours change.
    private const double Spread = 0.1;

    private long _epoch = -1;
    private int[][] _batches = [];

    /// <summary>Batches of an epoch.</summary>
    public int Count => (lengths.Length + size - 1) / size;

    /// <summary>The examples of a batch, counted from the start of the first epoch.</summary>
    public int[] this[long number]
    {
        get
        {
            (long epoch, long at) = Math.DivRem(number, Count);
            if (epoch != _epoch)
                (_epoch, _batches) = (epoch, Draw(epoch));
            return _batches[at];
        }
    }

    private int[][] Draw(long epoch)
    {
        double[] drawn = [.. lengths.Select((length, i) => length * (1 + Spread * (2 * Philox4x32.Uniform(seed, epoch, i, Drawn.Length) - 1)))];
        int[][] batches = [.. Enumerable.Range(0, lengths.Length).OrderBy(i => drawn[i]).ThenBy(i => i).Chunk(size)];
        double[] places = [.. batches.Select((_, i) => Philox4x32.Uniform(seed, epoch, i, Drawn.Place))];
        Array.Sort(places, batches);
        return batches;
    }
}
