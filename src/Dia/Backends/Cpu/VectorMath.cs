using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// Functions of Vector&lt;float&gt;. A value's result does not depend on its lane; partial vectors are computed as whole ones padded
/// with zeros, so that the end of an array gets the same rounding as its middle.
/// </summary>
internal static unsafe class VectorMath
{
    /// <summary>The first <paramref name="count"/> values at p, then zeros; reads no further.</summary>
    public static Vector<float> LoadPart(float* p, int count)
    {
        if (Avx.IsSupported && Vector<float>.Count == 8)
            return Avx.MaskLoad(p, FirstLanes(count)).AsVector();
        Vector<float> v = default;
        Unsafe.CopyBlockUnaligned(&v, p, (uint)count * sizeof(float));
        return v;
    }

    /// <summary>Stores the first <paramref name="count"/> lanes; writes no further.</summary>
    public static void StorePart(float* p, Vector<float> v, int count)
    {
        if (Avx.IsSupported && Vector<float>.Count == 8)
            Avx.MaskStore(p, FirstLanes(count), v.AsVector256());
        else
            Unsafe.CopyBlockUnaligned(p, &v, (uint)count * sizeof(float));
    }

    private static Vector256<float> FirstLanes(int count) => Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle();

    /// <summary>s += x·a and t += x·b, each with one rounding: a step of a register tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddProducts(Vector<float> x, Vector<float> a, Vector<float> b, ref Vector<float> s, ref Vector<float> t)
    {
        s = Vector.FusedMultiplyAdd(x, a, s);
        t = Vector.FusedMultiplyAdd(x, b, t);
    }

    /// <summary>The same for four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddProducts(Vector<float> x, Vector<float> a, Vector<float> b, Vector<float> c, Vector<float> d, ref Vector<float> s0,
        ref Vector<float> s1, ref Vector<float> s2, ref Vector<float> s3)
    {
        AddProducts(x, a, b, ref s0, ref s1);
        AddProducts(x, c, d, ref s2, ref s3);
    }

    /// <summary>Asks for a cache line, into all caches. No access: any address will do.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(void* p)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(p);
    }

    /// <summary>The same, into the second-level cache: for more than the first holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void PrefetchSecond(void* p)
    {
        if (Sse.IsSupported)
            Sse.Prefetch1(p);
    }

    /// <summary>Stores two vectors one after the other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePair(float* p, Vector<float> first, Vector<float> second)
    {
        first.Store(p);
        second.Store(p + Vector<float>.Count);
    }

    /// <summary>The largest lane; a NaN may be passed over.</summary>
    public static float Largest(Vector<float> v)
    {
        if (Vector<float>.Count < 8)
            return Largest(v.AsVector128());
        Vector256<float> half = Vector<float>.Count == 16 ? Vector256.MaxNative(v.AsVector512().GetLower(), v.AsVector512().GetUpper()) : v.AsVector256();
        return Largest(Vector128.MaxNative(half.GetLower(), half.GetUpper()));
    }

    private static float Largest(Vector128<float> v)
    {
        v = Vector128.MaxNative(v, Vector128.Shuffle(v, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(v, Vector128.Shuffle(v, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    /// <summary>The sums over lanes of eight vectors, in one fixed order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SumEight(Vector<float>* vectors, float* sums)
    {
        if (!Avx.IsSupported || Vector<float>.Count < 8)
        {
            for (int i = 0; i < 8; i++)
                sums[i] = Vector.Sum(vectors[i]);
            return;
        }
        // Neighbouring lanes, then pairs of them, then the 128-bit halves: each step halves the number of vectors.
        Vector256<float> a = Avx.HorizontalAdd(Half(vectors), Half(vectors + 1)), b = Avx.HorizontalAdd(Half(vectors + 2), Half(vectors + 3));
        Vector256<float> c = Avx.HorizontalAdd(Half(vectors + 4), Half(vectors + 5)), d = Avx.HorizontalAdd(Half(vectors + 6), Half(vectors + 7));
        a = Avx.HorizontalAdd(a, b);
        c = Avx.HorizontalAdd(c, d);
        (Avx.Permute2x128(a, c, 0x20) + Avx.Permute2x128(a, c, 0x31)).Store(sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Half(Vector<float>* v) =>
        Vector<float>.Count == 16 ? Vector256.Load((float*)v) + Vector256.Load((float*)v + 8) : Vector256.Load((float*)v);

    /// <summary>
    /// e^x to 1.5 ulp, by e^x = 2^n·e^r with n = round(x/ln 2) and the Taylor series of e^r for |r| ≤ 0.35 (remainder 6e-9).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Exp(Vector<float> x)
    {
        // Outside this range the result is 0 or infinity; clamped so that n stays small. A NaN fails both comparisons and goes through.
        x = Vector.ConditionalSelect(Vector.LessThan(x, new Vector<float>(-105f)), new Vector<float>(-105f), x);
        x = Vector.ConditionalSelect(Vector.GreaterThan(x, new Vector<float>(90f)), new Vector<float>(90f), x);
        Vector<float> n = Vector.Round(x * new Vector<float>(1.44269504f));
        // ln 2 in two parts: the first has 9 trailing zero bits, so that n times it is exact.
        Vector<float> r = Vector.FusedMultiplyAdd(n, new Vector<float>(-0.693145752f), x);
        r = Vector.FusedMultiplyAdd(n, new Vector<float>(-1.42860677e-6f), r);
        Vector<float> p = new(1f / 5040);
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(1f / 720));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(1f / 120));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(1f / 24));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(1f / 6));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(0.5f));
        p = Vector.FusedMultiplyAdd(p, r, Vector<float>.One);
        p = Vector.FusedMultiplyAdd(p, r, Vector<float>.One);
        // 2^n in two factors: n itself may lie outside the exponents of a float.
        Vector<int> whole = Vector.ConvertToInt32Native(n);
        Vector<int> half = Vector.ShiftRightArithmetic(whole, 1);
        return p * PowerOfTwo(half) * PowerOfTwo(whole - half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> PowerOfTwo(Vector<int> n) => Vector.AsVectorSingle(Vector.ShiftLeft(n + new Vector<int>(127), 23));

    /// <summary>
    /// The error function to 2e-7 relative: its Maclaurin series up to 1, beyond it 1 − e^(−x²)·P(1/(1 + x/2)), P interpolating
    /// erfc(x)·e^(x²) at 8 Chebyshev points of 1 ≤ x ≤ 4.2 (error 1e-11; beyond 4.2 erf is 1 in float32 whatever P gives).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Erf(Vector<float> x)
    {
        Vector<float> a = Vector.Abs(x), s = x * x;
        Vector<float> series = new(-1f / 6894720);      // (−1)^n / (n!·(2n + 1)), n = 9
        series = Vector.FusedMultiplyAdd(series, s, new Vector<float>(1f / 685440));
        series = Vector.FusedMultiplyAdd(series, s, new Vector<float>(-1f / 75600));
        series = Vector.FusedMultiplyAdd(series, s, new Vector<float>(1f / 9360));
        series = Vector.FusedMultiplyAdd(series, s, new Vector<float>(-1f / 1320));
        series = Vector.FusedMultiplyAdd(series, s, new Vector<float>(1f / 216));
        series = Vector.FusedMultiplyAdd(series, s, new Vector<float>(-1f / 42));
        series = Vector.FusedMultiplyAdd(series, s, new Vector<float>(1f / 10));
        series = Vector.FusedMultiplyAdd(series, s, new Vector<float>(-1f / 3));
        series = Vector.FusedMultiplyAdd(series, s, Vector<float>.One);
        series = series * x * new Vector<float>(1.12837917f);

        Vector<float> t = Vector<float>.One / Vector.FusedMultiplyAdd(a, new Vector<float>(0.5f), Vector<float>.One);
        Vector<float> p = new(0.119894504f);
        p = Vector.FusedMultiplyAdd(p, t, new Vector<float>(-0.473083068f));
        p = Vector.FusedMultiplyAdd(p, t, new Vector<float>(0.566008221f));
        p = Vector.FusedMultiplyAdd(p, t, new Vector<float>(-0.105786556f));
        p = Vector.FusedMultiplyAdd(p, t, new Vector<float>(0.348818722f));
        p = Vector.FusedMultiplyAdd(p, t, new Vector<float>(0.259408957f));
        p = Vector.FusedMultiplyAdd(p, t, new Vector<float>(0.284954021f));
        p = Vector.FusedMultiplyAdd(p, t, new Vector<float>(-0.000156763741f));
        Vector<float> tail = Vector<float>.One - Exp(-s) * p;
        tail = Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), -tail, tail);
        return Vector.ConditionalSelect(Vector.LessThan(a, Vector<float>.One), series, tail);
    }

    // Beyond this the quotient by π is no longer certain to the nearest integer, and a lane is computed alone, in double.
    private const float LargestReduced = 1e6f;

    /// <summary>
    /// sin²(x), absolute error below 1e-6 for any finite x: x less the nearest multiple of π (subtracted in three parts, the first
    /// step exact with FMA), then the Taylor series of the sine to r^13 (remainder 7e-10).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> SinSquared(Vector<float> x)
    {
        Vector<float> p = ReducedSinSquared(x);
        return IsBeyondReduced(x) ? LargeSinSquared(x, p) : p;
    }

    /// <summary>The same where no value <see cref="IsBeyondReduced"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> ReducedSinSquared(Vector<float> x)
    {
        Vector<float> p = SinSeries(WithinHalfPi(x));
        return p * p;
    }

    /// <summary>Whether a value is too large to be reduced in float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsBeyondReduced(Vector<float> x) => Vector.GreaterThanAny(Vector.Abs(x), new Vector<float>(LargestReduced));

    /// <summary>sin(2x), absolute error below 1e-6: 2·sin(r)·cos(r), the cosine's series to r^14 (remainder 7e-11).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> SinOfTwice(Vector<float> x)
    {
        Vector<float> r = WithinHalfPi(x), s = r * r;
        Vector<float> p = new(-1f / 87178291200f);
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(1f / 479001600));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(-1f / 3628800));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(1f / 40320));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(-1f / 720));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(1f / 24));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(-0.5f));
        p = Vector.FusedMultiplyAdd(p, s, Vector<float>.One);
        p *= SinSeries(r);
        return Vector.GreaterThanAny(Vector.Abs(x), new Vector<float>(LargestReduced)) ? LargeSinOfTwice(x, p + p) : p + p;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> WithinHalfPi(Vector<float> x)
    {
        Vector<float> n = Vector.Round(x * new Vector<float>(0.318309886f));
        Vector<float> r = Vector.FusedMultiplyAdd(n, new Vector<float>(-3.14159274f), x);
        r = Vector.FusedMultiplyAdd(n, new Vector<float>(8.74227766e-8f), r);
        return Vector.FusedMultiplyAdd(n, new Vector<float>(3.4302e-15f), r);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> SinSeries(Vector<float> r)
    {
        Vector<float> s = r * r;
        Vector<float> p = new(1f / 6227020800f);
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(-1f / 39916800));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(1f / 362880));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(-1f / 5040));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(1f / 120));
        p = Vector.FusedMultiplyAdd(p, s, new Vector<float>(-1f / 6));
        return Vector.FusedMultiplyAdd(p * s, r, r);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector<float> LargeSinSquared(Vector<float> x, Vector<float> reduced)
    {
        for (int i = 0; i < Vector<float>.Count; i++)
        {
            if (MathF.Abs(x[i]) > LargestReduced)
            {
                double sin = Math.Sin(x[i]);
                reduced = reduced.WithElement(i, (float)(sin * sin));
            }
        }
        return reduced;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector<float> LargeSinOfTwice(Vector<float> x, Vector<float> reduced)
    {
        for (int i = 0; i < Vector<float>.Count; i++)
        {
            if (MathF.Abs(x[i]) > LargestReduced)
                reduced = reduced.WithElement(i, (float)Math.Sin(2.0 * x[i]));
        }
        return reduced;
    }

    /// <summary>1/(1 + e^(−x)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Sigmoid(Vector<float> x) => Vector<float>.One / (Vector<float>.One + Exp(-x));
}
