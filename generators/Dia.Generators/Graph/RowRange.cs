namespace Dia.Codec;

/// <summary>
/// A range of rows on the timeline of a codec value: frames, samples or what lies between. It may reach past either end of
/// the timeline; rows there are zero, which is a convolution's padding. Used by the planner and by the emitted code.
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

    /// <summary>The input rows that a convolution reads for these output rows.</summary>
    public RowRange ConvolutionInput(int kernel, int stride, int dilation, int padding) =>
        new((Start * stride) - padding, ConvolutionInputCount(Count, kernel, stride, dilation));

    /// <summary>
    /// The rows that a transposed convolution of kernel 2·stride computes to cover these: input row j gives output rows
    /// j·stride − padding to (j+1)·stride − padding − 1, from input rows j − 1 and j.
    /// </summary>
    public RowRange TransposedGrid(int stride, int padding)
    {
        long first = FloorDivide(Start + padding, stride), last = FloorDivide(End - 1 + padding, stride);
        return new RowRange((first * stride) - padding, (last - first + 1) * stride);
    }

    /// <summary>The input rows that a transposed convolution reads for these rows, which must be a <see cref="TransposedGrid"/>.</summary>
    public RowRange TransposedInput(int stride, int padding) =>
        new(FloorDivide(Start + padding, stride) - 1, (Count / stride) + 1);

    /// <summary>How many input rows <paramref name="count"/> output rows of a convolution need.</summary>
    public static long ConvolutionInputCount(long count, int kernel, int stride, int dilation) =>
        ((count - 1) * stride) + ((kernel - 1) * (long)dilation) + 1;

    /// <summary>The most rows that a <see cref="TransposedGrid"/> over <paramref name="count"/> rows can have, wherever it starts.</summary>
    public static long TransposedGridCount(long count, int stride) => (((count + stride - 2) / stride) + 1) * stride;

    /// <summary>Length of a convolution's output timeline.</summary>
    public static long ConvolutionRows(long total, int kernel, int stride, int dilation, int padding) =>
        total + (2L * padding) < ((kernel - 1L) * dilation) + 1 ? 0 : ((total + (2L * padding) - ((kernel - 1L) * dilation) - 1) / stride) + 1;

    /// <summary>Length of a transposed convolution's output timeline (kernel 2·stride).</summary>
    public static long TransposedRows(long total, int stride, int padding) =>
        total == 0 ? 0 : ((total - 1) * stride) + (2L * stride) - (2L * padding);

    private static long FloorDivide(long a, long b) => a >= 0 ? a / b : -((-a + b - 1) / b);
}
