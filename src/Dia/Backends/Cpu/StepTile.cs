namespace Dia.Backends.Cpu;

/// <summary>The constant sizes and the inner kernels of <see cref="StepLinearJob{TFormat}"/> for many rows.</summary>
internal static unsafe class StepTile
{
    /// <summary>Outputs of a register tile: 6 of 2 rows are 12 sums, which with 2 activations and 1 weight fit 16 registers; 6 of 4 rows fit 32.</summary>
    public const int Outputs = 6;

    /// <summary>Values of all sums of a group of rows.</summary>
    public static int MostSums => Outputs * 4 * Vector<float>.Count;

    /// <summary>Bytes of a row of w that are multiplied at a time: 6 rows of them stay in the first-level cache while the rows of x go by.</summary>
    public const int KBlockBytes = 2048;

    /// <summary>Bytes from a copied row of w to the next: one cache line more, so that they do not share cache sets.</summary>
    public const int CopyStride = KBlockBytes + 64;

    /// <summary>
    /// Where rows of w are copied to, less than <see cref="KBlockBytes"/> behind a place: not to addresses with the lowest twelve bits of what is loaded, for
    /// which loads wait as if it had just been stored. (AMD's Zen 4, 16 rows: 0.80 of the multiply-add rate with them or half of 4096 more, else 0.83.)
    /// </summary>
    public static byte* CopyAside(byte* w, byte* place) => place + ((w - place + KBlockBytes / 2) & (KBlockBytes - 64));

    /// <summary>
    /// sums[rows, 6] = from[rows, 6] + x[rows, blocks]·w[6, blocks], in vectors of partial sums; a block is two vectors. Meanwhile memory brings what
    /// is asked for, or w is copied.
    /// </summary>
    /// <param name="rows">Rows of x: two, or four where there are 32 registers.</param>
    /// <param name="w">The first row of w.</param>
    /// <param name="stride">Bytes from a row of w to the next.</param>
    /// <param name="x">Of each row the first vector of a block, then of each the second, then the next block.</param>
    /// <param name="blocks">How many.</param>
    /// <param name="from">The sums before, those of the first row first: they themselves, or zeros.</param>
    /// <param name="sums">The sums.</param>
    /// <param name="there">The first row of what is asked for, or of the copy.</param>
    /// <param name="apart">Bytes from one of these rows to the next.</param>
    /// <param name="step">Bytes of each of them that a block goes on.</param>
    public static void Multiply<TFormat, TBeside>(
        int rows, byte* w, long stride, float* x, int blocks, float* from, float* sums, byte* there, long apart, long step)
        where TFormat : struct, IStoredFormat
        where TBeside : struct, IBesideProducts
    {
        // Both pointers are the same, which the compiler does not know: it would keep what it loaded once for the second half, and has no registers left.
        if (Vector<float>.Count == 16 && rows == 4)
            SixByFour<TFormat, TBeside>(w, w, stride, x, blocks, from, sums, there, apart, step);
        else
            SixByTwo<TFormat, TBeside>(w, w, stride, x, blocks, from, sums, there, apart, step);
    }

    // The kernels take and leave their sums in memory and call nothing: so that within, everything stays in registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void SixByTwo<TFormat, TBeside>(
        byte* w, byte* again, long stride, float* x, int blocks, float* from, float* sums, byte* there, long apart, long step)
        where TFormat : struct, IStoredFormat
        where TBeside : struct, IBesideProducts
    {
        int v = Vector<float>.Count;
        Vector<float> s00 = Vector.Load(from), s01 = Vector.Load(from + 6 * v);
        Vector<float> s10 = Vector.Load(from + v), s11 = Vector.Load(from + 7 * v);
        Vector<float> s20 = Vector.Load(from + 2 * v), s21 = Vector.Load(from + 8 * v);
        Vector<float> s30 = Vector.Load(from + 3 * v), s31 = Vector.Load(from + 9 * v);
        Vector<float> s40 = Vector.Load(from + 4 * v), s41 = Vector.Load(from + 10 * v);
        Vector<float> s50 = Vector.Load(from + 5 * v), s51 = Vector.Load(from + 11 * v);
        byte* w3 = w + 3 * stride, again3 = again + 3 * stride, there3 = there + 3 * apart;
        for (float* end = x + blocks * 4 * v; x < end; x += 4 * v, there += step)
        {
            Ask<TBeside>(there, apart);
            Vector<float> a = Vector.Load(x), b = Vector.Load(x + v);
            VectorMath.AddProducts(TFormat.First(w), a, b, ref s00, ref s01);
            Copy<TFormat, TBeside>(w, there);
            VectorMath.AddProducts(TFormat.First(w + stride), a, b, ref s10, ref s11);
            Copy<TFormat, TBeside>(w + stride, there + apart);
            VectorMath.AddProducts(TFormat.First(w + 2 * stride), a, b, ref s20, ref s21);
            Copy<TFormat, TBeside>(w + 2 * stride, there + 2 * apart);
            VectorMath.AddProducts(TFormat.First(w3), a, b, ref s30, ref s31);
            Copy<TFormat, TBeside>(w3, there3);
            VectorMath.AddProducts(TFormat.First(w3 + stride), a, b, ref s40, ref s41);
            Copy<TFormat, TBeside>(w3 + stride, there3 + apart);
            VectorMath.AddProducts(TFormat.First(w3 + 2 * stride), a, b, ref s50, ref s51);
            Copy<TFormat, TBeside>(w3 + 2 * stride, there3 + 2 * apart);
            a = Vector.Load(x + 2 * v);
            b = Vector.Load(x + 3 * v);
            VectorMath.AddProducts(TFormat.Second(again), a, b, ref s00, ref s01);
            VectorMath.AddProducts(TFormat.Second(again + stride), a, b, ref s10, ref s11);
            VectorMath.AddProducts(TFormat.Second(again + 2 * stride), a, b, ref s20, ref s21);
            VectorMath.AddProducts(TFormat.Second(again3), a, b, ref s30, ref s31);
            VectorMath.AddProducts(TFormat.Second(again3 + stride), a, b, ref s40, ref s41);
            VectorMath.AddProducts(TFormat.Second(again3 + 2 * stride), a, b, ref s50, ref s51);
            w += 2 * v * TFormat.Size;
            w3 += 2 * v * TFormat.Size;
            again += 2 * v * TFormat.Size;
            again3 += 2 * v * TFormat.Size;
            if (TBeside.Copies)
                there3 += step;
        }
        VectorMath.StorePair(sums, s00, s10);
        VectorMath.StorePair(sums + 2 * v, s20, s30);
        VectorMath.StorePair(sums + 4 * v, s40, s50);
        VectorMath.StorePair(sums + 6 * v, s01, s11);
        VectorMath.StorePair(sums + 8 * v, s21, s31);
        VectorMath.StorePair(sums + 10 * v, s41, s51);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void SixByFour<TFormat, TBeside>(
        byte* w, byte* again, long stride, float* x, int blocks, float* from, float* sums, byte* there, long apart, long step)
        where TFormat : struct, IStoredFormat
        where TBeside : struct, IBesideProducts
    {
        int v = Vector<float>.Count;
        Vector<float> s00 = Vector.Load(from), s10 = Vector.Load(from + v);
        Vector<float> s20 = Vector.Load(from + 2 * v), s30 = Vector.Load(from + 3 * v);
        Vector<float> s40 = Vector.Load(from + 4 * v), s50 = Vector.Load(from + 5 * v);
        Vector<float> s01 = Vector.Load(from + 6 * v), s11 = Vector.Load(from + 7 * v);
        Vector<float> s21 = Vector.Load(from + 8 * v), s31 = Vector.Load(from + 9 * v);
        Vector<float> s41 = Vector.Load(from + 10 * v), s51 = Vector.Load(from + 11 * v);
        Vector<float> s02 = Vector.Load(from + 12 * v), s12 = Vector.Load(from + 13 * v);
        Vector<float> s22 = Vector.Load(from + 14 * v), s32 = Vector.Load(from + 15 * v);
        Vector<float> s42 = Vector.Load(from + 16 * v), s52 = Vector.Load(from + 17 * v);
        Vector<float> s03 = Vector.Load(from + 18 * v), s13 = Vector.Load(from + 19 * v);
        Vector<float> s23 = Vector.Load(from + 20 * v), s33 = Vector.Load(from + 21 * v);
        Vector<float> s43 = Vector.Load(from + 22 * v), s53 = Vector.Load(from + 23 * v);
        byte* w3 = w + 3 * stride, again3 = again + 3 * stride;
        for (float* end = x + blocks * 8 * v; x < end; x += 8 * v, there += step)
        {
            Ask<TBeside>(there, apart);
            Vector<float> a = Vector.Load(x), b = Vector.Load(x + v), c = Vector.Load(x + 2 * v), d = Vector.Load(x + 3 * v);
            VectorMath.AddProducts(TFormat.First(w), a, b, c, d, ref s00, ref s01, ref s02, ref s03);
            VectorMath.AddProducts(TFormat.First(w + stride), a, b, c, d, ref s10, ref s11, ref s12, ref s13);
            VectorMath.AddProducts(TFormat.First(w + 2 * stride), a, b, c, d, ref s20, ref s21, ref s22, ref s23);
            VectorMath.AddProducts(TFormat.First(w3), a, b, c, d, ref s30, ref s31, ref s32, ref s33);
            VectorMath.AddProducts(TFormat.First(w3 + stride), a, b, c, d, ref s40, ref s41, ref s42, ref s43);
            VectorMath.AddProducts(TFormat.First(w3 + 2 * stride), a, b, c, d, ref s50, ref s51, ref s52, ref s53);
            a = Vector.Load(x + 4 * v);
            b = Vector.Load(x + 5 * v);
            c = Vector.Load(x + 6 * v);
            d = Vector.Load(x + 7 * v);
            VectorMath.AddProducts(TFormat.Second(again), a, b, c, d, ref s00, ref s01, ref s02, ref s03);
            VectorMath.AddProducts(TFormat.Second(again + stride), a, b, c, d, ref s10, ref s11, ref s12, ref s13);
            VectorMath.AddProducts(TFormat.Second(again + 2 * stride), a, b, c, d, ref s20, ref s21, ref s22, ref s23);
            VectorMath.AddProducts(TFormat.Second(again3), a, b, c, d, ref s30, ref s31, ref s32, ref s33);
            VectorMath.AddProducts(TFormat.Second(again3 + stride), a, b, c, d, ref s40, ref s41, ref s42, ref s43);
            VectorMath.AddProducts(TFormat.Second(again3 + 2 * stride), a, b, c, d, ref s50, ref s51, ref s52, ref s53);
            w += 2 * v * TFormat.Size;
            w3 += 2 * v * TFormat.Size;
            again += 2 * v * TFormat.Size;
            again3 += 2 * v * TFormat.Size;
        }
        VectorMath.StorePair(sums, s00, s10);
        VectorMath.StorePair(sums + 2 * v, s20, s30);
        VectorMath.StorePair(sums + 4 * v, s40, s50);
        VectorMath.StorePair(sums + 6 * v, s01, s11);
        VectorMath.StorePair(sums + 8 * v, s21, s31);
        VectorMath.StorePair(sums + 10 * v, s41, s51);
        VectorMath.StorePair(sums + 12 * v, s02, s12);
        VectorMath.StorePair(sums + 14 * v, s22, s32);
        VectorMath.StorePair(sums + 16 * v, s42, s52);
        VectorMath.StorePair(sums + 18 * v, s03, s13);
        VectorMath.StorePair(sums + 20 * v, s23, s33);
        VectorMath.StorePair(sums + 22 * v, s43, s53);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ask<TBeside>(byte* there, long apart)
        where TBeside : struct, IBesideProducts
    {
        if (TBeside.Asked > 0)
            VectorMath.Prefetch(there);
        if (TBeside.Asked > 1)
        {
            VectorMath.Prefetch(there + apart);
            VectorMath.Prefetch(there + 2 * apart);
        }
    }

    // A block of a row of w, which First has just read.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy<TFormat, TBeside>(byte* w, byte* to)
        where TFormat : struct, IStoredFormat
        where TBeside : struct, IBesideProducts
    {
        if (!TBeside.Copies)
            return;
        Vector.Load(w).Store(to);
        if (TFormat.Size == sizeof(float))
            Vector.Load(w + Vector<byte>.Count).Store(to + Vector<byte>.Count);
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
}

/// <summary>Rows of w, equally far apart.</summary>
/// <param name="first">The first.</param>
/// <param name="apart">Rows from one to the next.</param>
/// <param name="count">How many.</param>
internal readonly struct StepRows(int first, int apart, int count)
{
    public int First => first;

    public int Apart => apart;

    public int Count => count;

    /// <summary>The number of one of them.</summary>
    public int Row(int i) => first + i * apart;
}

/// <summary>What the groups of rows of x have in common that are multiplied with a block of rows of w.</summary>
internal unsafe struct StepBlock
{
    /// <summary>The values of x of all rows that lie together.</summary>
    public float* X;

    /// <summary>Values of each row before those of the block.</summary>
    public int Into;

    /// <summary>Blocks of two vectors of each row.</summary>
    public int Blocks;

    /// <summary>What all sums begin from; null: they go on.</summary>
    public float* From;

    /// <summary>The sums of all groups.</summary>
    public float* Sums;
}

/// <summary>What a kernel of <see cref="StepTile"/> does beside its products.</summary>
internal interface IBesideProducts
{
    /// <summary>Of the six rows of w that are asked for, how many a kernel asks for: their next block, a line of each with a block.</summary>
    static abstract int Asked { get; }

    /// <summary>True where the kernel copies its rows of w, <see cref="StepTile.CopyStride"/> bytes apart.</summary>
    static abstract bool Copies { get; }
}

/// <summary>Two groups of rows of x ask for three rows of w each.</summary>
internal readonly struct AskingForThree : IBesideProducts
{
    public static int Asked => 3;

    public static bool Copies => false;
}

/// <summary>Six groups ask for one row each.</summary>
internal readonly struct AskingForOne : IBesideProducts
{
    public static int Asked => 1;

    public static bool Copies => false;
}

/// <summary>The first group of many copies w: rows a power of two apart share cache sets, and would push out each other and x.</summary>
internal readonly struct Copying : IBesideProducts
{
    public static int Asked => 0;

    public static bool Copies => true;
}
