namespace Dia.Graph;

/// <summary>
/// A range of rows on the timeline of a codec value: frames, samples or what lies between. It may reach past either end of
/// the timeline; rows there are zero, which is a convolution's padding. Used by the planner and by the codec.
/// </summary>
/// <param name="Start">First row; may be negative.</param>
/// <param name="Count">Number of rows.</param>
public readonly record struct RowRange(long Start, long Count)
{
    /// <summary>One past the last row.</summary>
    public long End => Start + Count;

    /// <summary>The smallest range that holds both.</summary>
    public RowRange Union(RowRange other)
    {
        long start = Math.Min(Start, other.Start);
        return new RowRange(start, Math.Max(End, other.End) - start);
    }

    /// <summary>The part inside a timeline of <paramref name="total"/> rows.</summary>
    public RowRange Clip(long total)
    {
        long start = Math.Min(Math.Max(Start, 0), total);
        return new RowRange(start, Math.Max(Math.Min(End, total) - start, 0));
    }
}
