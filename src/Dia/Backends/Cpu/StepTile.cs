namespace Dia.Backends.Cpu;

/// <summary>The constant sizes and the inner kernel of <see cref="StepLinearJob{TFormat}"/> for many rows.</summary>
internal static unsafe class StepTile
{
    /// <summary>Outputs of a register tile: 6 outputs of 2 rows are 12 sums, which with 2 activations and 1 weight fit 16 registers.</summary>
    public const int Outputs = 6;

    /// <summary>
    /// Values of k that are converted at a time: 6 rows of them in float32 (6 KiB) stay in the first-level cache beside those of 16 rows of x.
    /// </summary>
    public const int KBlock = 256;

    /// <summary>Distance of converted rows: one cache line more than a block, so that they do not share cache sets.</summary>
    public const int Stride = KBlock + 16;

    /// <summary>sums[2, 6] += x[2, blocks]·w[6, blocks], in vectors of partial sums; a block is two vectors.</summary>
    /// <param name="rows">Where the six rows of w come from.</param>
    /// <param name="w">The rows in float32, <see cref="Stride"/> apart.</param>
    /// <param name="x0">A row of x.</param>
    /// <param name="x1">The next.</param>
    /// <param name="blocks">How many.</param>
    /// <param name="sums">The sums, those of x0 first.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void SixByTwo<TRows>(TRows rows, float* w, float* x0, float* x1, int blocks, float* sums)
        where TRows : struct, IWeightRows
    {
        int v = Vector<float>.Count;
        Vector<float> s00 = Vector.Load(sums), s01 = Vector.Load(sums + 6 * v);
        Vector<float> s10 = Vector.Load(sums + v), s11 = Vector.Load(sums + 7 * v);
        Vector<float> s20 = Vector.Load(sums + 2 * v), s21 = Vector.Load(sums + 8 * v);
        Vector<float> s30 = Vector.Load(sums + 3 * v), s31 = Vector.Load(sums + 9 * v);
        Vector<float> s40 = Vector.Load(sums + 4 * v), s41 = Vector.Load(sums + 10 * v);
        Vector<float> s50 = Vector.Load(sums + 5 * v), s51 = Vector.Load(sums + 11 * v);
        for (float* end = w + blocks * 2 * v; w < end; w += 2 * v, x0 += 2 * v, x1 += 2 * v)
        {
            Vector<float> a = Vector.Load(x0), b = Vector.Load(x1);
            VectorMath.AddProducts(rows.First(0, w), a, b, ref s00, ref s01);
            VectorMath.AddProducts(rows.First(1, w), a, b, ref s10, ref s11);
            VectorMath.AddProducts(rows.First(2, w), a, b, ref s20, ref s21);
            VectorMath.AddProducts(rows.First(3, w), a, b, ref s30, ref s31);
            VectorMath.AddProducts(rows.First(4, w), a, b, ref s40, ref s41);
            VectorMath.AddProducts(rows.First(5, w), a, b, ref s50, ref s51);
            a = Vector.Load(x0 + v);
            b = Vector.Load(x1 + v);
            VectorMath.AddProducts(rows.Second(0, w), a, b, ref s00, ref s01);
            VectorMath.AddProducts(rows.Second(1, w), a, b, ref s10, ref s11);
            VectorMath.AddProducts(rows.Second(2, w), a, b, ref s20, ref s21);
            VectorMath.AddProducts(rows.Second(3, w), a, b, ref s30, ref s31);
            VectorMath.AddProducts(rows.Second(4, w), a, b, ref s40, ref s41);
            VectorMath.AddProducts(rows.Second(5, w), a, b, ref s50, ref s51);
            rows.Advance();
        }
        VectorMath.StorePair(sums, s00, s10);
        VectorMath.StorePair(sums + 2 * v, s20, s30);
        VectorMath.StorePair(sums + 4 * v, s40, s50);
        VectorMath.StorePair(sums + 6 * v, s01, s11);
        VectorMath.StorePair(sums + 8 * v, s21, s31);
        VectorMath.StorePair(sums + 10 * v, s41, s51);
    }

    /// <summary>Converts blocks of stored values to float32 in the order of <see cref="IStoredFormat.First"/> and Second.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Convert<TFormat>(byte* from, float* to, int blocks)
        where TFormat : struct, IStoredFormat
    {
        int v = Vector<float>.Count;
        for (float* end = to + blocks * 2 * v; to < end; to += 2 * v, from += 2 * v * TFormat.Size)
        {
            TFormat.First(from).Store(to);
            TFormat.Second(from).Store(to + v);
        }
    }

    /// <summary>Asks for the bytes first .. end of each of six rows.</summary>
    public static void Prefetch(byte* row, long stride, int first, int end)
    {
        byte* row3 = row + 3 * stride;
        for (int i = first; i < end; i += 64)
        {
            VectorMath.Prefetch(row + i);
            VectorMath.Prefetch(row + i + stride);
            VectorMath.Prefetch(row + i + 2 * stride);
            VectorMath.Prefetch(row3 + i);
            VectorMath.Prefetch(row3 + i + stride);
            VectorMath.Prefetch(row3 + i + 2 * stride);
        }
    }
}

/// <summary>Six rows of weights, a block of two vectors at a time.</summary>
internal unsafe interface IWeightRows
{
    /// <summary>The first vector of a row's block.</summary>
    Vector<float> First(int row, float* w);

    /// <summary>Its second vector.</summary>
    Vector<float> Second(int row, float* w);

    /// <summary>Goes on to the next block.</summary>
    void Advance();
}

/// <summary>Rows that are in float32 already.</summary>
internal readonly unsafe struct ConvertedRows : IWeightRows
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector<float> First(int row, float* w) => Vector.Load(w + row * StepTile.Stride);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector<float> Second(int row, float* w) => Vector.Load(w + row * StepTile.Stride + Vector<float>.Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance()
    {
    }
}

/// <summary>
/// Stored rows, which are converted, and kept, beside the multiply-adds (<see cref="StepTile.Convert"/> in the same pass). For formats that are
/// <see cref="IStoredFormat.IsPlain"/>.
/// </summary>
/// <param name="from">The first row.</param>
/// <param name="stride">Bytes from a row to the next.</param>
internal unsafe struct StoredRows<TFormat>(byte* from, long stride) : IWeightRows
    where TFormat : struct, IStoredFormat
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly Vector<float> First(int row, float* w)
    {
        Vector<float> values = TFormat.First(from + row * stride);
        values.Store(w + row * StepTile.Stride);
        return values;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly Vector<float> Second(int row, float* w)
    {
        Vector<float> values = TFormat.Second(from + row * stride);
        values.Store(w + row * StepTile.Stride + Vector<float>.Count);
        return values;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance() => from += 2 * Vector<float>.Count * TFormat.Size;
}
