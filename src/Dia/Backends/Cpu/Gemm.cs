namespace Dia.Backends.Cpu;

/// <summary>The constant sizes and the inner kernel of <see cref="GemmJob{TFormat}"/>.</summary>
internal static unsafe class Gemm
{
    /// <summary>Rows of a register tile: 6 rows of 2 vectors are 12 sums, which with 2 weights and 1 activation fit 16 registers.</summary>
    public const int TileRows = 6;

    /// <summary>Values of k per block: the float32 weights of a panel (16 KiB at 256 bits) stay in the first-level cache.</summary>
    public const int KBlock = 256;

    /// <summary>Distance of copied rows of a: one cache line more than a block, so that the rows of a tile do not share cache sets.</summary>
    public const int AStride = KBlock + 16;

    /// <summary>Values of a page, and of a cache line.</summary>
    public const int PageValues = 1024, LineValues = 16;

    /// <summary>Rows of a per block: with the sums of a group of panels they stay in the second-level cache. A prompt's 256 rows are one.</summary>
    public const int MaxRowBlock = 264;
    public const int MinRowBlock = 48;
    public const int MaxGroupPanels = 16;
    public const int MinGroupPanels = 4;

    /// <summary>Multiply-adds below which waking threads costs more than it saves (some microseconds).</summary>
    public const long InlineWork = 100_000;

    /// <summary>Columns of a panel.</summary>
    public static int PanelColumns => 2 * Vector<float>.Count;

    /// <summary>Distance of panels: a cache line more than a block, so that a row's values in them do not share cache sets.</summary>
    public static int PanelStride => KBlock * PanelColumns + 16;

    /// <summary>What a part of a product takes at most.</summary>
    public static int ScratchFloats => MaxRowBlock * AStride + MaxGroupPanels * (PanelStride + MaxRowBlock * PanelColumns);

    /// <summary>Panels of n columns.</summary>
    public static int Panels(int n) => (int)(((long)n + PanelColumns - 1) / PanelColumns);

    /// <summary>
    /// to[6, columns] = from[6, columns] + a[6, count]·b[count, columns] (+ to). Rows of a, from and to are so far apart; 0: from is one row.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Tile(float* a, long aStride, float* b, int count, float* from, long fromStride, float* to, long toStride, bool accumulate)
    {
        int v = Vector<float>.Count;
        Vector<float> c00 = Vector.Load(from), c01 = Vector.Load(from + v);
        Vector<float> c10 = Vector.Load(from + fromStride), c11 = Vector.Load(from + fromStride + v);
        from += 2 * fromStride;
        Vector<float> c20 = Vector.Load(from), c21 = Vector.Load(from + v);
        Vector<float> c30 = Vector.Load(from + fromStride), c31 = Vector.Load(from + fromStride + v);
        from += 2 * fromStride;
        Vector<float> c40 = Vector.Load(from), c41 = Vector.Load(from + v);
        Vector<float> c50 = Vector.Load(from + fromStride), c51 = Vector.Load(from + fromStride + v);
        float* a3 = a + 3 * aStride;
        for (float* end = a + (count & ~1); a < end;)
        {
            // The next tile of a, a line of each row: it comes from the second-level cache, in rows that the hardware does not foresee.
            float* next = a + TileRows * aStride, next3 = a3 + TileRows * aStride, line = a + LineValues < end ? a + LineValues : end;
            VectorMath.Prefetch(next);
            VectorMath.Prefetch(next + aStride);
            VectorMath.Prefetch(next + 2 * aStride);
            VectorMath.Prefetch(next3);
            VectorMath.Prefetch(next3 + aStride);
            VectorMath.Prefetch(next3 + 2 * aStride);
            for (; a < line; a += 2, a3 += 2, b += 4 * v)
            {
                Step(a, a3, aStride, b, ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51);
                Step(a + 1, a3 + 1, aStride, b + 2 * v,
                    ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51);
            }
        }
        if ((count & 1) != 0)
            Step(a, a3, aStride, b, ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51);
        StoreRow(to, c00, c01, accumulate);
        StoreRow(to + toStride, c10, c11, accumulate);
        to += 2 * toStride;
        StoreRow(to, c20, c21, accumulate);
        StoreRow(to + toStride, c30, c31, accumulate);
        to += 2 * toStride;
        StoreRow(to, c40, c41, accumulate);
        StoreRow(to + toStride, c50, c51, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* to, Vector<float> first, Vector<float> second, bool accumulate) => VectorMath.StorePair(to,
        accumulate ? Vector.Load(to) + first : first, accumulate ? Vector.Load(to + Vector<float>.Count) + second : second);

    // One value of each row of a, of which a3 is the fourth, with a row of b.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        float* a, float* a3, long aStride, float* b,
        ref Vector<float> c00, ref Vector<float> c01, ref Vector<float> c10, ref Vector<float> c11, ref Vector<float> c20, ref Vector<float> c21,
        ref Vector<float> c30, ref Vector<float> c31, ref Vector<float> c40, ref Vector<float> c41, ref Vector<float> c50, ref Vector<float> c51)
    {
        Vector<float> b0 = Vector.Load(b), b1 = Vector.Load(b + Vector<float>.Count);
        VectorMath.AddProducts(new Vector<float>(a[0]), b0, b1, ref c00, ref c01);
        VectorMath.AddProducts(new Vector<float>(a[aStride]), b0, b1, ref c10, ref c11);
        VectorMath.AddProducts(new Vector<float>(a[2 * aStride]), b0, b1, ref c20, ref c21);
        VectorMath.AddProducts(new Vector<float>(a3[0]), b0, b1, ref c30, ref c31);
        VectorMath.AddProducts(new Vector<float>(a3[aStride]), b0, b1, ref c40, ref c41);
        VectorMath.AddProducts(new Vector<float>(a3[2 * aStride]), b0, b1, ref c50, ref c51);
    }

    /// <summary>Copies count values and asks for those so far ahead. Short runs are common (one input channel), and cheaper here than a call.</summary>
    public static void Copy(float* to, float* from, int count, long ahead = 0)
    {
        int v = Vector<float>.Count, i = 0;
        for (; i <= count - v; i += v)
        {
            VectorMath.Prefetch(from + ahead + i);
            Vector.Load(from + i).Store(to + i);
        }
        for (; i < count; i++)
            to[i] = from[i];
    }
}
