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
/// <param name="Tile">Output rows that are made together, from row 0 of the timeline on: by minimal filtering, or 1.</param>
public readonly record struct ConvolutionWindow(int Kernel, int Stride, int Dilation, int Padding, bool Transposed, int Tile = 1)
{
    /// <summary>
    /// Taps and results of minimal filtering, F(4, 7): of the rows that lie a dilation apart, four neighbours are made of ten. So a tile has four times the
    /// dilation of rows.
    /// </summary>
    public const int FilterTaps = 7, FilterResults = 4;

    /// <summary>Each row from one row.</summary>
    public static ConvolutionWindow RowByRow => new(1, 1, 1, 0, false);

    private long Reach => (Kernel - 1) * (long)Dilation;

    /// <summary>The same where every output row is made by itself.</summary>
    public ConvolutionWindow RowByItself() => this with { Tile = 1 };

    // Output rows that are made together, and how far before the timeline's first row such a group begins.
    private int Group => Transposed ? Stride : Tile;

    private int Before => Transposed ? Padding : 0;

    /// <summary>The output rows that are computed to cover these: a transposed convolution makes all of an input row, minimal filtering whole tiles.</summary>
    public RowRange Covered(RowRange rows)
    {
        long first = FloorDivide(rows.Start + Before, Group), last = FloorDivide(rows.End - 1 + Before, Group);
        return new RowRange(first * Group - Before, (last - first + 1) * Group);
    }

    /// <summary>The input rows that are read for these output rows, which are <see cref="Covered"/>; for none, none from where those of the next begin.</summary>
    public RowRange Read(RowRange rows) => new(
        Transposed ? FloorDivide(rows.Start + Padding, Stride) - 1 : rows.Start * Stride - Padding,
        rows.Count == 0 ? 0 : MostRead(rows.Count));

    /// <summary>The most rows that <see cref="Covered"/> has for so many, wherever they start.</summary>
    public long MostCovered(long count) => ((count + Group - 2) / Group + 1) * Group;

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
