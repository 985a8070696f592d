namespace Dia.Backends;

/// <summary>Which pieces of a block of memory are taken: the lowest gap that is large enough serves the next.</summary>
/// <param name="bytes">The block's size.</param>
internal sealed class ArenaPieces(long bytes)
{
    /// <summary>What each piece is aligned to: what CUDA's own allocations are, so that kernels find in an arena what they find without.</summary>
    private const int Alignment = 256;

    private readonly List<(long Start, long End)> _taken = []; // ascending

    /// <summary>The block's size.</summary>
    public long Bytes => bytes;

    /// <summary>Bytes that are taken.</summary>
    public long Used { get; private set; }

    /// <summary>The most that ever were.</summary>
    public long MostUsed { get; private set; }

    /// <summary>What a piece of so many bytes takes of the block; 0 takes a little all the same, so that its address is its own.</summary>
    /// <exception cref="OverflowException">More than any memory has.</exception>
    public static long Size(long bytes) => checked((Math.Max(bytes, 1) + Alignment - 1) / Alignment * Alignment);

    /// <summary>Takes a piece.</summary>
    /// <param name="count">Its bytes.</param>
    /// <returns>Where it starts; −1: no gap is large enough.</returns>
    public long Take(long count)
    {
        long size = Size(count), start = 0;
        int at = 0;
        for (; at < _taken.Count && _taken[at].Start - start < size; at++)
            start = _taken[at].End;
        if (size > bytes - start)
            return -1;
        _taken.Insert(at, (start, start + size));
        Used += size;
        MostUsed = Math.Max(MostUsed, Used);
        return start;
    }

    /// <summary>Gives a piece back.</summary>
    /// <param name="start">What <see cref="Take"/> gave.</param>
    /// <exception cref="ArgumentException">No piece starts there.</exception>
    public void Return(long start)
    {
        int at = _taken.FindIndex(piece => piece.Start == start);
        if (at < 0)
            throw new ArgumentException("No piece of the arena starts there.", nameof(start));
        Used -= _taken[at].End - start;
        _taken.RemoveAt(at);
    }
}
