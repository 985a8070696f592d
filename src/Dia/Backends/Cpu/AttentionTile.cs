using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// The inner kernels of <see cref="AttentionJob"/>: four queries with a block of keys, or of values. Rows are whole vectors, one behind the other.
/// </summary>
internal static unsafe class AttentionTile
{
    /// <summary>Queries of a tile.</summary>
    public const int Queries = 4;

    /// <summary>Keys of a block: with a tile's queries they stay in the first-level cache.</summary>
    public const int Keys = 32;

    private const int KeysAtOnce = 8;

    // With 32 registers four queries and four keys are 16 sums, which never leave them.
    private static bool IsWide => Avx512F.IsSupported && Vector<float>.Count == 16;

    /// <summary>p[t, j] = q[t]·keys[j] for four queries and count keys, or up to seven more: the block has them, and p has room for them.</summary>
    public static void Scores(float* p, long stride, float* q, float* keys, int dims, int count)
    {
        for (int j = 0; j < count; j += KeysAtOnce)
        {
            for (int i = j; IsWide && i < j + KeysAtOnce; i += 4)
                FourKeys(p + i, stride, q, keys + i * dims, dims);
            for (int i = j; !IsWide && i < j + KeysAtOnce; i += 2)
                TwoKeys(p + i, stride, q, keys + i * dims, dims);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourKeys(float* p, long stride, float* q, float* key, nint dims)
    {
        Vector<float> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        Vector<float> s20 = default, s21 = default, s22 = default, s23 = default, s30 = default, s31 = default, s32 = default, s33 = default;
        float* q1 = q + dims, q2 = q1 + dims, q3 = q2 + dims, key1 = key + dims, key2 = key1 + dims, key3 = key2 + dims;
        for (nint d = 0; d < dims; d += Vector<float>.Count)
        {
            Vector<float> a = Vector.Load(key + d), b = Vector.Load(key1 + d), c = Vector.Load(key2 + d), e = Vector.Load(key3 + d), x = Vector.Load(q + d);
            VectorMath.AddProducts(x, a, b, ref s00, ref s01);
            VectorMath.AddProducts(x, c, e, ref s02, ref s03);
            x = Vector.Load(q1 + d);
            VectorMath.AddProducts(x, a, b, ref s10, ref s11);
            VectorMath.AddProducts(x, c, e, ref s12, ref s13);
            x = Vector.Load(q2 + d);
            VectorMath.AddProducts(x, a, b, ref s20, ref s21);
            VectorMath.AddProducts(x, c, e, ref s22, ref s23);
            x = Vector.Load(q3 + d);
            VectorMath.AddProducts(x, a, b, ref s30, ref s31);
            VectorMath.AddProducts(x, c, e, ref s32, ref s33);
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

    // The lower half of a vector plus its upper, for two vectors.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Halves(Vector<float> a, Vector<float> b) =>
        Avx512F.Shuffle4x128(a.AsVector512(), b.AsVector512(), 0b01_00_01_00) + Avx512F.Shuffle4x128(a.AsVector512(), b.AsVector512(), 0b11_10_11_10);

    // Even lanes plus the odd ones behind them: of each four lanes of the result two are a's, two are b's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Neighbours(Vector512<float> a, Vector512<float> b) =>
        Avx512F.Shuffle(a, b, 0b10_00_10_00) + Avx512F.Shuffle(a, b, 0b11_01_11_01);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void TwoKeys(float* p, long stride, float* q, float* key, nint dims)
    {
        Vector<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        float* q1 = q + dims, q2 = q1 + dims, q3 = q2 + dims, key1 = key + dims;
        for (nint d = 0; d < dims; d += Vector<float>.Count)
        {
            Vector<float> a = Vector.Load(key + d), b = Vector.Load(key1 + d);
            VectorMath.AddProducts(Vector.Load(q + d), a, b, ref s00, ref s01);
            VectorMath.AddProducts(Vector.Load(q1 + d), a, b, ref s10, ref s11);
            VectorMath.AddProducts(Vector.Load(q2 + d), a, b, ref s20, ref s21);
            VectorMath.AddProducts(Vector.Load(q3 + d), a, b, ref s30, ref s31);
        }
        if (!Avx.IsSupported || Vector<float>.Count != 8)
        {
            (p[0], p[1], p[stride], p[stride + 1]) = (Vector.Sum(s00), Vector.Sum(s01), Vector.Sum(s10), Vector.Sum(s11));
            p += 2 * stride;
            (p[0], p[1], p[stride], p[stride + 1]) = (Vector.Sum(s20), Vector.Sum(s21), Vector.Sum(s30), Vector.Sum(s31));
            return;
        }
        Vector256<float> lower = Neighbours(Neighbours(s00.AsVector256(), s01.AsVector256()), Neighbours(s10.AsVector256(), s11.AsVector256()));
        Vector256<float> upper = Neighbours(Neighbours(s20.AsVector256(), s21.AsVector256()), Neighbours(s30.AsVector256(), s31.AsVector256()));
        Vector256<float> sums = Avx.Permute2x128(lower, upper, 0x20) + Avx.Permute2x128(lower, upper, 0x31);
        sums.GetLower().GetLower().Store(p);
        sums.GetLower().GetUpper().Store(p + stride);
        sums.GetUpper().GetLower().Store(p + 2 * stride);
        sums.GetUpper().GetUpper().Store(p + 3 * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Neighbours(Vector256<float> a, Vector256<float> b) =>
        Avx.Shuffle(a, b, 0b10_00_10_00) + Avx.Shuffle(a, b, 0b11_01_11_01);

    /// <summary>y[t] += Σ_j p[t, j]·values[j] over count keys in order, for four queries.</summary>
    public static void Accumulate(float* y, float* p, long stride, float* values, int dims, int count)
    {
        int v = Vector<float>.Count, d = 0;
        for (; IsWide && d <= dims - 4 * v; d += 4 * v)
            FourVectors(y + d, p, stride, values + d, dims, count);
        for (; d <= dims - 2 * v; d += 2 * v)
            TwoVectors(y + d, p, stride, values + d, dims, count);
        for (; d < dims; d += v)
            OneVector(y + d, p, stride, values + d, dims, count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourVectors(float* y, float* p, long stride, float* values, nint dims, nint count)
    {
        int v = Vector<float>.Count;
        float* p1 = p + stride, p2 = p1 + stride, p3 = p2 + stride, y1 = y + dims, y2 = y1 + dims, y3 = y2 + dims;
        Vector<float> s00 = Vector.Load(y), s01 = Vector.Load(y + v), s02 = Vector.Load(y + 2 * v), s03 = Vector.Load(y + 3 * v);
        Vector<float> s10 = Vector.Load(y1), s11 = Vector.Load(y1 + v), s12 = Vector.Load(y1 + 2 * v), s13 = Vector.Load(y1 + 3 * v);
        Vector<float> s20 = Vector.Load(y2), s21 = Vector.Load(y2 + v), s22 = Vector.Load(y2 + 2 * v), s23 = Vector.Load(y2 + 3 * v);
        Vector<float> s30 = Vector.Load(y3), s31 = Vector.Load(y3 + v), s32 = Vector.Load(y3 + 2 * v), s33 = Vector.Load(y3 + 3 * v);
        for (nint j = 0; j < count; j++, values += dims)
        {
            Vector<float> a = Vector.Load(values), b = Vector.Load(values + v), c = Vector.Load(values + 2 * v), e = Vector.Load(values + 3 * v);
            Vector<float> x = new(p[j]);
            VectorMath.AddProducts(x, a, b, ref s00, ref s01);
            VectorMath.AddProducts(x, c, e, ref s02, ref s03);
            x = new(p1[j]);
            VectorMath.AddProducts(x, a, b, ref s10, ref s11);
            VectorMath.AddProducts(x, c, e, ref s12, ref s13);
            x = new(p2[j]);
            VectorMath.AddProducts(x, a, b, ref s20, ref s21);
            VectorMath.AddProducts(x, c, e, ref s22, ref s23);
            x = new(p3[j]);
            VectorMath.AddProducts(x, a, b, ref s30, ref s31);
            VectorMath.AddProducts(x, c, e, ref s32, ref s33);
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

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void TwoVectors(float* y, float* p, long stride, float* values, nint dims, nint count)
    {
        int v = Vector<float>.Count;
        float* p1 = p + stride, p2 = p1 + stride, p3 = p2 + stride, y1 = y + dims, y2 = y1 + dims, y3 = y2 + dims;
        Vector<float> s00 = Vector.Load(y), s01 = Vector.Load(y + v), s10 = Vector.Load(y1), s11 = Vector.Load(y1 + v);
        Vector<float> s20 = Vector.Load(y2), s21 = Vector.Load(y2 + v), s30 = Vector.Load(y3), s31 = Vector.Load(y3 + v);
        for (nint j = 0; j < count; j++, values += dims)
        {
            Vector<float> a = Vector.Load(values), b = Vector.Load(values + v);
            VectorMath.AddProducts(new Vector<float>(p[j]), a, b, ref s00, ref s01);
            VectorMath.AddProducts(new Vector<float>(p1[j]), a, b, ref s10, ref s11);
            VectorMath.AddProducts(new Vector<float>(p2[j]), a, b, ref s20, ref s21);
            VectorMath.AddProducts(new Vector<float>(p3[j]), a, b, ref s30, ref s31);
        }
        VectorMath.StorePair(y, s00, s01);
        VectorMath.StorePair(y1, s10, s11);
        VectorMath.StorePair(y2, s20, s21);
        VectorMath.StorePair(y3, s30, s31);
    }

    private static void OneVector(float* y, float* p, long stride, float* values, nint dims, nint count)
    {
        for (int t = 0; t < Queries; t++, y += dims, p += stride)
        {
            Vector<float> s = Vector.Load(y);
            for (nint j = 0; j < count; j++)
                s = Vector.FusedMultiplyAdd(Vector.Load(values + j * dims), new Vector<float>(p[j]), s);
            s.Store(y);
        }
    }
}
