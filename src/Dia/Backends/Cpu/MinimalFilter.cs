using System.Runtime.Intrinsics;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// Minimal filtering F(4, 7) [Winograd 1980], by Toom-Cook at the points 0, ±3/8, ±7/8, ±5/4, ±5/2 and infinity: four neighbouring results of seven taps
/// are y = Aᵀ((G·taps) ⊙ (Bᵀ·d)) of the ten values d that they read, ten products in place of 28. With M(x) = x·Π(x² − p²), the row of Bᵀ for a point is
/// M(x)/(x − p), for infinity M(x); those of G are 1/M'(p) times the powers of p, and those of A the powers of p.
/// </summary>
/// <remarks>
/// Of all sets of four pairs of simple fractions these points have the smallest error, eleven times that of the plain sum; ±1, ±2, ±1/2, ±3/2 have twice
/// that. And Bᵀ and A are exact in float32. Points of both signs share sums of even and of odd powers.
/// </remarks>
internal static class MinimalFilter
{
    /// <summary>Products of a tile, one for each point.</summary>
    public const int Points = ConvolutionWindow.FilterTaps + Results - 1;

    /// <summary>Results of a tile.</summary>
    public const int Results = ConvolutionWindow.FilterResults;

    private const double P = 3 / 8.0, Q = 7 / 8.0, R = 5 / 4.0, S = 5 / 2.0;
    private const double P2 = P * P, Q2 = Q * Q, R2 = R * R, S2 = S * S;

    /// <summary>Values of a kernel [outputs, inputs, 7] that is prepared for it.</summary>
    public static long KernelValues(WeightSpec spec) => (long)Points * Gemm.Panels(spec.Shape[0]) * Gemm.PanelColumns * spec.Shape[1];

    /// <summary>G·taps: what the taps of four kernels are multiplied as.</summary>
    /// <param name="g">Their taps [7].</param>
    /// <param name="products">Values for each point [10].</param>
    public static void Kernel(ReadOnlySpan<Vector256<double>> g, Span<Vector256<double>> products)
    {
        products[0] = g[0] / Vector256.Create(P2 * Q2 * R2 * S2);
        Pair(g, products[1..], P, (P2 - Q2) * (P2 - R2) * (P2 - S2));
        Pair(g, products[3..], Q, (Q2 - P2) * (Q2 - R2) * (Q2 - S2));
        Pair(g, products[5..], R, (R2 - P2) * (R2 - Q2) * (R2 - S2));
        Pair(g, products[7..], S, (S2 - P2) * (S2 - Q2) * (S2 - R2));
        products[9] = g[6];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pair(ReadOnlySpan<Vector256<double>> g, Span<Vector256<double>> to, double p, double others)
    {
        double square = p * p, scale = 1 / (2 * square * others);
        Vector256<double> even = ((g[6] * square + g[4]) * square + g[2]) * square + g[0], odd = ((g[5] * square + g[3]) * square + g[1]) * p;
        (to[0], to[1]) = ((even + odd) * scale, (even - odd) * scale);
    }

    /// <summary>Bᵀ·d of a vector of channels.</summary>
    /// <param name="d">What a tile reads: the first row.</param>
    /// <param name="stride">From a row to the next.</param>
    /// <param name="to">Receives the first point's.</param>
    /// <param name="pointStride">From a point's to the next.</param>
    /// <param name="lanes">How many channels there are.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Input<TLanes>(float* d, long stride, float* to, long pointStride, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> d0 = lanes.Load(d), d1 = lanes.Load(d + stride), d2 = lanes.Load(d + 2 * stride), d3 = lanes.Load(d + 3 * stride),
            d4 = lanes.Load(d + 4 * stride), d5 = lanes.Load(d + 5 * stride), d6 = lanes.Load(d + 6 * stride), d7 = lanes.Load(d + 7 * stride),
            d8 = lanes.Load(d + 8 * stride), d9 = lanes.Load(d + 9 * stride);
        Whole(d0, d2, d4, d6, d8).Store(to);
        Whole(d1, d3, d5, d7, d9).Store(to + 9 * pointStride);
        StorePair(Without(P2, d2, d4, d6, d8), Without(P2, d1, d3, d5, d7), P, to + pointStride, pointStride);
        StorePair(Without(Q2, d2, d4, d6, d8), Without(Q2, d1, d3, d5, d7), Q, to + 3 * pointStride, pointStride);
        StorePair(Without(R2, d2, d4, d6, d8), Without(R2, d1, d3, d5, d7), R, to + 5 * pointStride, pointStride);
        StorePair(Without(S2, d2, d4, d6, d8), Without(S2, d1, d3, d5, d7), S, to + 7 * pointStride, pointStride);
    }

    /// <summary>Aᵀ·m of a vector of channels: the tile's four results.</summary>
    /// <param name="m">The first point's product.</param>
    /// <param name="pointStride">From a point's to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe (Vector<float> Y0, Vector<float> Y1, Vector<float> Y2, Vector<float> Y3) Output(float* m, long pointStride)
    {
        Vector<float> y0 = Vector.Load(m), y3 = Vector.Load(m + 9 * pointStride), y1 = default, y2 = default;
        Add(m + pointStride, pointStride, P, ref y0, ref y1, ref y2, ref y3);
        Add(m + 3 * pointStride, pointStride, Q, ref y0, ref y1, ref y2, ref y3);
        Add(m + 5 * pointStride, pointStride, R, ref y0, ref y1, ref y2, ref y3);
        Add(m + 7 * pointStride, pointStride, S, ref y0, ref y1, ref y2, ref y3);
        return (y0, y1, y2, y3);
    }

    // Coefficients of Π(x² − a) over all squares, on values that are two rows apart.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Whole(Vector<float> d0, Vector<float> d2, Vector<float> d4, Vector<float> d6, Vector<float> d8)
    {
        const double E1 = P2 + Q2 + R2 + S2, E2 = P2 * Q2 + P2 * R2 + P2 * S2 + Q2 * R2 + Q2 * S2 + R2 * S2,
            E3 = P2 * Q2 * R2 + P2 * Q2 * S2 + P2 * R2 * S2 + Q2 * R2 * S2, E4 = P2 * Q2 * R2 * S2;
        Vector<float> sum = Vector.FusedMultiplyAdd(new Vector<float>((float)-E1), d6, d8);
        sum = Vector.FusedMultiplyAdd(new Vector<float>((float)E2), d4, sum);
        sum = Vector.FusedMultiplyAdd(new Vector<float>((float)-E3), d2, sum);
        return Vector.FusedMultiplyAdd(new Vector<float>((float)E4), d0, sum);
    }

    // The same over all squares but one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Without(double square, Vector<float> d2, Vector<float> d4, Vector<float> d6, Vector<float> d8)
    {
        const double E1 = P2 + Q2 + R2 + S2, E2 = P2 * Q2 + P2 * R2 + P2 * S2 + Q2 * R2 + Q2 * S2 + R2 * S2, E4 = P2 * Q2 * R2 * S2;
        double e1 = E1 - square, e2 = E2 - square * e1, e3 = E4 / square;
        Vector<float> sum = Vector.FusedMultiplyAdd(new Vector<float>((float)-e1), d6, d8);
        sum = Vector.FusedMultiplyAdd(new Vector<float>((float)e2), d4, sum);
        return Vector.FusedMultiplyAdd(new Vector<float>((float)-e3), d2, sum);
    }

    // Of a point, then of the one with the other sign.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void StorePair(Vector<float> even, Vector<float> odd, double point, float* to, long pointStride)
    {
        Vector.FusedMultiplyAdd(new Vector<float>((float)point), odd, even).Store(to);
        Vector.FusedMultiplyAdd(new Vector<float>((float)-point), odd, even).Store(to + pointStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Add(float* m, long pointStride, double point, ref Vector<float> y0, ref Vector<float> y1, ref Vector<float> y2,
        ref Vector<float> y3)
    {
        Vector<float> plus = Vector.Load(m), minus = Vector.Load(m + pointStride), sum = plus + minus, difference = plus - minus;
        y0 += sum;
        y1 = Vector.FusedMultiplyAdd(new Vector<float>((float)point), difference, y1);
        y2 = Vector.FusedMultiplyAdd(new Vector<float>((float)(point * point)), sum, y2);
        y3 = Vector.FusedMultiplyAdd(new Vector<float>((float)(point * point * point)), difference, y3);
    }
}
