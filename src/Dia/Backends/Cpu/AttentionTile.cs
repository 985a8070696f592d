using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// The inner kernels of attention: four queries, or one, with rows of keys or values as <typeparamref name="TFormat"/> has them. Each lane of a score is one
/// chain of multiply-adds in the order of dimensions, each output one in the order of keys, whatever kernel makes it. A call takes all keys, and all
/// dimensions, of a group: with 256 bits its beginning and end were an eighth of the time when it took two (AMD's Zen 4, rows in the caches).
/// </summary>
internal static unsafe class AttentionTile<TFormat>
    where TFormat : struct, ICacheFormat
{
    /// <summary>Queries of a tile.</summary>
    public const int Queries = 4;

    /// <summary>Keys that are multiplied with one query at a time.</summary>
    public const int OneQueryKeys = 8;

    // With 32 registers four queries and four keys are 16 sums, which never leave them.
    private static bool IsWide => Avx512F.IsSupported && Vector<float>.Count == 16;

    private static int Block => 2 * Vector<float>.Count;

    /// <summary>
    /// p[t, j] = q[t]·keys[j] for four queries, and four keys or two at a time. Where there are fewer, the last one is read again: p has room for its score.
    /// </summary>
    /// <param name="p">The scores [4, stride].</param>
    /// <param name="stride">Values from a query's scores to the next one's.</param>
    /// <param name="q">The queries [4, dims].</param>
    /// <param name="key">The first key.</param>
    /// <param name="row">Bytes from a key to the next.</param>
    /// <param name="dims">Dimensions, in whole pairs of vectors.</param>
    /// <param name="count">Keys.</param>
    /// <param name="later">What comes later, of which as many bytes are asked for as whole tiles read.</param>
    public static void Scores(float* p, long stride, float* q, byte* key, long row, int dims, int count, ref AskedRows later)
    {
        if (IsWide)
            FourKeys(p, stride, q, key, row, dims, count, ref later);
        else
            TwoKeys(p, stride, q, key, row, dims, count, ref later);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourKeys(float* p, long stride, float* q, byte* key, long row, nint dims, int count, ref AskedRows later)
    {
        AskedRows asked = later;
        int v = Vector<float>.Count;
        float* q1 = q + dims, q2 = q1 + dims, q3 = q2 + dims;
        for (; count > 0; count -= 4, p += 4, key += 4 * row)
        {
            Vector<float> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
            Vector<float> s20 = default, s21 = default, s22 = default, s23 = default, s30 = default, s31 = default, s32 = default, s33 = default;
            byte* key1 = key + (count > 1 ? row : 0), key2 = key1 + (count > 2 ? row : 0), key3 = key2 + (count > 3 ? row : 0);
            for (nint d = 0, at = 0; d < dims; d += Block, at += Block * TFormat.Size)
            {
                Ask(ref asked, 4);
                Vector<float> a = TFormat.First(key + at), b = TFormat.First(key1 + at), c = TFormat.First(key2 + at), e = TFormat.First(key3 + at);
                VectorMath.AddProducts(Vector.Load(q + d), a, b, c, e, ref s00, ref s01, ref s02, ref s03);
                VectorMath.AddProducts(Vector.Load(q1 + d), a, b, c, e, ref s10, ref s11, ref s12, ref s13);
                VectorMath.AddProducts(Vector.Load(q2 + d), a, b, c, e, ref s20, ref s21, ref s22, ref s23);
                VectorMath.AddProducts(Vector.Load(q3 + d), a, b, c, e, ref s30, ref s31, ref s32, ref s33);
                a = TFormat.Second(key + at);
                b = TFormat.Second(key1 + at);
                c = TFormat.Second(key2 + at);
                e = TFormat.Second(key3 + at);
                VectorMath.AddProducts(Vector.Load(q + d + v), a, b, c, e, ref s00, ref s01, ref s02, ref s03);
                VectorMath.AddProducts(Vector.Load(q1 + d + v), a, b, c, e, ref s10, ref s11, ref s12, ref s13);
                VectorMath.AddProducts(Vector.Load(q2 + d + v), a, b, c, e, ref s20, ref s21, ref s22, ref s23);
                VectorMath.AddProducts(Vector.Load(q3 + d + v), a, b, c, e, ref s30, ref s31, ref s32, ref s33);
            }
            // VectorMath.SumEight's order: halves of vectors, neighbouring lanes, pairs of them, halves of halves. Four lanes of the result are a query's.
            Vector512<float> lower = Neighbours(Neighbours(Halves(s00, s10), Halves(s01, s11)), Neighbours(Halves(s02, s12), Halves(s03, s13)));
            Vector512<float> upper = Neighbours(Neighbours(Halves(s20, s30), Halves(s21, s31)), Neighbours(Halves(s22, s32), Halves(s23, s33)));
            Vector512<float> sums = Avx512F.Shuffle4x128(lower, upper, 0b10_00_10_00) + Avx512F.Shuffle4x128(lower, upper, 0b11_01_11_01);
            sums.GetLower().GetLower().Store(p);
            sums.GetLower().GetUpper().Store(p + stride);
            sums.GetUpper().GetLower().Store(p + 2 * stride);
            sums.GetUpper().GetUpper().Store(p + 3 * stride);
        }
        later = asked;
    }

    // The lower half of a vector plus its upper, for two vectors.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Halves(Vector<float> a, Vector<float> b) =>
        Avx512F.Shuffle4x128(a.AsVector512(), b.AsVector512(), 0b01_00_01_00) + Avx512F.Shuffle4x128(a.AsVector512(), b.AsVector512(), 0b11_10_11_10);

    // Even lanes plus the odd ones behind them: of each four lanes of the result two are a's, two are b's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Neighbours(Vector512<float> a, Vector512<float> b) =>
        Avx512F.Shuffle(a, b, 0b10_00_10_00) + Avx512F.Shuffle(a, b, 0b11_01_11_01);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void TwoKeys(float* p, long stride, float* q, byte* key, long row, nint dims, int count, ref AskedRows later)
    {
        AskedRows asked = later;
        int v = Vector<float>.Count;
        float* q1 = q + dims, q2 = q1 + dims, q3 = q2 + dims;
        for (; count > 0; count -= 2, p += 2, key += 2 * row)
        {
            Vector<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
            byte* key1 = key + (count > 1 ? row : 0);
            for (nint d = 0, at = 0; d < dims; d += Block, at += Block * TFormat.Size)
            {
                Ask(ref asked, 2);
                Vector<float> a = TFormat.First(key + at), b = TFormat.First(key1 + at);
                VectorMath.AddProducts(Vector.Load(q + d), a, b, ref s00, ref s01);
                VectorMath.AddProducts(Vector.Load(q1 + d), a, b, ref s10, ref s11);
                VectorMath.AddProducts(Vector.Load(q2 + d), a, b, ref s20, ref s21);
                VectorMath.AddProducts(Vector.Load(q3 + d), a, b, ref s30, ref s31);
                a = TFormat.Second(key + at);
                b = TFormat.Second(key1 + at);
                VectorMath.AddProducts(Vector.Load(q + d + v), a, b, ref s00, ref s01);
                VectorMath.AddProducts(Vector.Load(q1 + d + v), a, b, ref s10, ref s11);
                VectorMath.AddProducts(Vector.Load(q2 + d + v), a, b, ref s20, ref s21);
                VectorMath.AddProducts(Vector.Load(q3 + d + v), a, b, ref s30, ref s31);
            }
            if (!Avx.IsSupported || Vector<float>.Count != 8)
            {
                (p[0], p[1], p[stride], p[stride + 1]) = (Vector.Sum(s00), Vector.Sum(s01), Vector.Sum(s10), Vector.Sum(s11));
                float* third = p + 2 * stride;
                (third[0], third[1], third[stride], third[stride + 1]) = (Vector.Sum(s20), Vector.Sum(s21), Vector.Sum(s30), Vector.Sum(s31));
                continue;
            }
            Vector256<float> lower = Neighbours(Neighbours(s00.AsVector256(), s01.AsVector256()), Neighbours(s10.AsVector256(), s11.AsVector256()));
            Vector256<float> upper = Neighbours(Neighbours(s20.AsVector256(), s21.AsVector256()), Neighbours(s30.AsVector256(), s31.AsVector256()));
            Vector256<float> sums = Avx.Permute2x128(lower, upper, 0x20) + Avx.Permute2x128(lower, upper, 0x31);
            Sse.StoreLow(p, sums.GetLower());
            Sse.StoreHigh(p + stride, sums.GetLower());
            Sse.StoreLow(p + 2 * stride, sums.GetUpper());
            Sse.StoreHigh(p + 3 * stride, sums.GetUpper());
        }
        later = asked;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Neighbours(Vector256<float> a, Vector256<float> b) =>
        Avx.Shuffle(a, b, 0b10_00_10_00) + Avx.Shuffle(a, b, 0b11_01_11_01);

    /// <summary>
    /// p[0..8] = q·keys[0..8] for one query; where there are fewer keys, the last one is read again. The next eight are asked for into the second-level cache:
    /// of all heads, these fill the first.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void EightScores(float* p, float* q, byte* key, long row, nint dims, int count)
    {
        byte* k1 = key + (count > 1 ? row : 0), k2 = k1 + (count > 2 ? row : 0), k3 = k2 + (count > 3 ? row : 0), k4 = k3 + (count > 4 ? row : 0);
        byte* k5 = k4 + (count > 5 ? row : 0), k6 = k5 + (count > 6 ? row : 0), k7 = k6 + (count > 7 ? row : 0);
        Vector<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        for (nint d = 0, at = 0; d < dims; d += Block, at += Block * TFormat.Size)
        {
            Vector<float> x0 = Vector.Load(q + d), x1 = Vector.Load(q + d + Vector<float>.Count);
            AddBoth(key + at, row, x0, x1, ref s0);
            AddBoth(k1 + at, row, x0, x1, ref s1);
            AddBoth(k2 + at, row, x0, x1, ref s2);
            AddBoth(k3 + at, row, x0, x1, ref s3);
            AddBoth(k4 + at, row, x0, x1, ref s4);
            AddBoth(k5 + at, row, x0, x1, ref s5);
            AddBoth(k6 + at, row, x0, x1, ref s6);
            AddBoth(k7 + at, row, x0, x1, ref s7);
        }
        Vector<float>* sums = stackalloc Vector<float>[OneQueryKeys];
        (sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]) = (s0, s1, s2, s3, s4, s5, s6, s7);
        VectorMath.SumEight(sums, p);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBoth(byte* key, long row, Vector<float> x0, Vector<float> x1, ref Vector<float> s)
    {
        VectorMath.PrefetchSecond(key + OneQueryKeys * row);
        s = Vector.FusedMultiplyAdd(TFormat.Second(key), x1, Vector.FusedMultiplyAdd(TFormat.First(key), x0, s));
    }

    /// <summary>y[t] += Σ_j p[t, j]·values[j] over count keys in order, for four queries.</summary>
    /// <param name="y">The outputs [4, dims].</param>
    /// <param name="p">The weights [4, stride].</param>
    /// <param name="stride">Values from a query's weights to the next one's.</param>
    /// <param name="values">The first row of values.</param>
    /// <param name="row">Bytes from a row to the next.</param>
    /// <param name="dims">Dimensions, in whole pairs of vectors.</param>
    /// <param name="count">Rows.</param>
    /// <param name="later">What comes later, of which as many bytes are asked for as whole tiles read.</param>
    public static void Accumulate(float* y, float* p, long stride, byte* values, long row, int dims, int count, ref AskedRows later)
    {
        int wide = IsWide ? dims / (2 * Block) * 2 * Block : 0;
        if (wide > 0)
            FourVectors(y, p, stride, values, row, dims, wide, count, ref later);
        if (wide < dims)
            TwoVectors(y + wide, p, stride, values + wide * TFormat.Size, row, dims, dims - wide, count, ref later);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourVectors(float* y, float* p, long stride, byte* values, long row, nint dims, nint width, nint count, ref AskedRows later)
    {
        AskedRows asked = later;
        int v = Vector<float>.Count;
        float* p1 = p + stride, p2 = p1 + stride, p3 = p2 + stride;
        for (float* end = y + width; y < end; y += 2 * Block, values += 2 * Block * TFormat.Size)
        {
            float* y1 = y + dims, y2 = y1 + dims, y3 = y2 + dims;
            byte* value = values;
            Vector<float> s00 = Vector.Load(y), s01 = Vector.Load(y + v), s02 = Vector.Load(y + 2 * v), s03 = Vector.Load(y + 3 * v);
            Vector<float> s10 = Vector.Load(y1), s11 = Vector.Load(y1 + v), s12 = Vector.Load(y1 + 2 * v), s13 = Vector.Load(y1 + 3 * v);
            Vector<float> s20 = Vector.Load(y2), s21 = Vector.Load(y2 + v), s22 = Vector.Load(y2 + 2 * v), s23 = Vector.Load(y2 + 3 * v);
            Vector<float> s30 = Vector.Load(y3), s31 = Vector.Load(y3 + v), s32 = Vector.Load(y3 + 2 * v), s33 = Vector.Load(y3 + 3 * v);
            for (nint j = 0; j < count; j++, value += row)
            {
                byte* more = value + Block * TFormat.Size;
                Ask(ref asked, 2);
                Vector<float> a = TFormat.First(value), b = TFormat.Second(value), c = TFormat.First(more), e = TFormat.Second(more);
                VectorMath.AddProducts(new Vector<float>(p[j]), a, b, c, e, ref s00, ref s01, ref s02, ref s03);
                VectorMath.AddProducts(new Vector<float>(p1[j]), a, b, c, e, ref s10, ref s11, ref s12, ref s13);
                VectorMath.AddProducts(new Vector<float>(p2[j]), a, b, c, e, ref s20, ref s21, ref s22, ref s23);
                VectorMath.AddProducts(new Vector<float>(p3[j]), a, b, c, e, ref s30, ref s31, ref s32, ref s33);
            }
            VectorMath.StorePair(y, s00, s01);
            VectorMath.StorePair(y + 2 * v, s02, s03);
            VectorMath.StorePair(y1, s10, s11);
            VectorMath.StorePair(y1 + 2 * v, s12, s13);
            VectorMath.StorePair(y2, s20, s21);
            VectorMath.StorePair(y2 + 2 * v, s22, s23);
            VectorMath.StorePair(y3, s30, s31);
            VectorMath.StorePair(y3 + 2 * v, s32, s33);
        }
        later = asked;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void TwoVectors(float* y, float* p, long stride, byte* values, long row, nint dims, nint width, nint count, ref AskedRows later)
    {
        AskedRows asked = later;
        int v = Vector<float>.Count;
        float* p1 = p + stride, p2 = p1 + stride, p3 = p2 + stride;
        for (float* end = y + width; y < end; y += Block, values += Block * TFormat.Size)
        {
            float* y1 = y + dims, y2 = y1 + dims, y3 = y2 + dims;
            byte* value = values;
            Vector<float> s00 = Vector.Load(y), s01 = Vector.Load(y + v), s10 = Vector.Load(y1), s11 = Vector.Load(y1 + v);
            Vector<float> s20 = Vector.Load(y2), s21 = Vector.Load(y2 + v), s30 = Vector.Load(y3), s31 = Vector.Load(y3 + v);
            nint j = 0;
            for (; j < count - 1; j += 2, value += 2 * row)
            {
                Ask(ref asked, 2);
                AddValues(value, p + j, p1 + j, p2 + j, p3 + j, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
                AddValues(value + row, p + j + 1, p1 + j + 1, p2 + j + 1, p3 + j + 1, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
            }
            if (j < count)
            {
                Ask(ref asked, 1);
                AddValues(value, p + j, p1 + j, p2 + j, p3 + j, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
            }
            VectorMath.StorePair(y, s00, s01);
            VectorMath.StorePair(y1, s10, s11);
            VectorMath.StorePair(y2, s20, s21);
            VectorMath.StorePair(y3, s30, s31);
        }
        later = asked;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddValues(byte* value, float* p, float* p1, float* p2, float* p3, ref Vector<float> s00, ref Vector<float> s01, ref Vector<float> s10,
        ref Vector<float> s11, ref Vector<float> s20, ref Vector<float> s21, ref Vector<float> s30, ref Vector<float> s31)
    {
        Vector<float> a = TFormat.First(value), b = TFormat.Second(value);
        VectorMath.AddProducts(new Vector<float>(*p), a, b, ref s00, ref s01);
        VectorMath.AddProducts(new Vector<float>(*p1), a, b, ref s10, ref s11);
        VectorMath.AddProducts(new Vector<float>(*p2), a, b, ref s20, ref s21);
        VectorMath.AddProducts(new Vector<float>(*p3), a, b, ref s30, ref s31);
    }

    /// <summary>y += Σ_j p[j]·values[j] over count keys in order, for one query. Later rows are asked for into the second-level cache, as for scores.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void AccumulateOne(float* y, float* p, byte* values, long row, nint dims, nint count)
    {
        for (nint d = 0; d < dims; d += Block, y += Block, values += Block * TFormat.Size)
        {
            Vector<float> s0 = Vector.Load(y), s1 = Vector.Load(y + Vector<float>.Count);
            byte* value = values;
            for (nint j = 0; j < count; j++, value += row)
            {
                VectorMath.PrefetchSecond(value + OneQueryKeys * row);
                VectorMath.AddProducts(new Vector<float>(p[j]), TFormat.First(value), TFormat.Second(value), ref s0, ref s1);
            }
            VectorMath.StorePair(y, s0, s1);
        }
    }

    // Asks for later blocks, as many as are read.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ask(ref AskedRows later, int blocks)
    {
        int bytes = blocks * Block * TFormat.Size;
        if (!TFormat.IsAskedFor)
            return;
        later.Next(Math.Min(bytes, AskedRows.Most));
        if (bytes > AskedRows.Most)
            later.Next(bytes - AskedRows.Most);
    }
}
