namespace Dia.Graph;

/// <summary>
/// Which rows of its input a convolution reads, said once for the planner and for the codec. What works row by row is one of kernel 1.
/// A transposed one has a kernel of 2·stride: input row j gives output rows j·stride − padding to (j+1)·stride − padding − 1, from rows j − 1 and j.
/// </summary>
/// <param name="Kernel">Taps.</param>
/// <param name="Stride">Input rows from an output row to the next; transposed: output rows of an input row.</param>
/// <param name="Dilation">Input rows from a tap to the next.</param>
/// <param name="Padding">Zero rows before the input's first; transposed: output rows cut off.</param>
/// <param name="Transposed">Whether it is transposed.</param>
public readonly record struct ConvolutionWindow(int Kernel, int Stride, int Dilation, int Padding, bool Transposed)
{
    /// <summary>Each row from one row.</summary>
    public static ConvolutionWindow RowByRow => new(1, 1, 1, 0, false);

    private long Reach => (Kernel - 1) * (long)Dilation;

    /// <summary>The output rows that are computed to cover these: a transposed convolution makes all of an input row.</summary>
    public RowRange Covered(RowRange rows)
    {
        if (!Transposed)
            return rows;
        long first = FloorDivide(rows.Start + Padding, Stride), last = FloorDivide(rows.End - 1 + Padding, Stride);
        return new RowRange(first * Stride - Padding, (last - first + 1) * Stride);
    }

    /// <summary>The input rows that are read for these output rows, which are <see cref="Covered"/>.</summary>
    public RowRange Read(RowRange rows) => Transposed
        ? new(FloorDivide(rows.Start + Padding, Stride) - 1, MostRead(rows.Count))
        : new(rows.Start * Stride - Padding, MostRead(rows.Count));

    /// <summary>The most rows that <see cref="Covered"/> has for so many, wherever they start.</summary>
    public long MostCovered(long count) => Transposed ? ((count + Stride - 2) / Stride + 1) * Stride : count;

    /// <summary>How many rows <see cref="Read"/> has for so many.</summary>
    public long MostRead(long count) => Transposed ? count / Stride + 1 : (count - 1) * Stride + Reach + 1;

    /// <summary>Rows of the output's whole timeline where the input's has so many.</summary>
    public long Rows(long total)
    {
        if (Transposed)
            return total == 0 ? 0 : (total + 1) * Stride - 2L * Padding;
        return total + 2L * Padding < Reach + 1 ? 0 : (total + 2L * Padding - Reach - 1) / Stride + 1;
    }

    private static long FloorDivide(long a, long b) => a >= 0 ? a / b : -((-a + b - 1) / b);
}
