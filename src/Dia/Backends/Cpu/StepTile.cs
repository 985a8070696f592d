using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends;

/// <summary>The constant sizes and the inner kernel of <see cref="StepLinearJob{TFormat}"/> for many rows.</summary>
internal static unsafe class StepTile
{
    /// <summary>Outputs of a register tile: 6 outputs of 2 rows are 12 sums, which with 2 activations and 1 weight fit 16 registers.</summary>
    public const int Outputs = 6;

    /// <summary>Values of k that are converted at a time: 6 rows of them in float32 (6 KiB) stay in the first-level cache beside those of 16 rows of x.</summary>
    public const int KBlock = 256;

    /// <summary>Distance of converted rows: one cache line more than a block, so that they do not share cache sets.</summary>
    public const int Stride = KBlock + 16;

    /// <summary>sums[2, 6] += x[2, blocks]·w[6, blocks], in vectors of partial sums; a block is two vectors.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void SixByTwo(float* w, float* x0, float* x1, int blocks, float* sums)
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
            Vector<float> a = Vector.Load(x0), b = Vector.Load(x1), t = Vector.Load(w);
            s00 = Vector.FusedMultiplyAdd(t, a, s00);
            s01 = Vector.FusedMultiplyAdd(t, b, s01);
            t = Vector.Load(w + Stride);
            s10 = Vector.FusedMultiplyAdd(t, a, s10);
            s11 = Vector.FusedMultiplyAdd(t, b, s11);
            t = Vector.Load(w + 2 * Stride);
            s20 = Vector.FusedMultiplyAdd(t, a, s20);
            s21 = Vector.FusedMultiplyAdd(t, b, s21);
            t = Vector.Load(w + 3 * Stride);
            s30 = Vector.FusedMultiplyAdd(t, a, s30);
            s31 = Vector.FusedMultiplyAdd(t, b, s31);
            t = Vector.Load(w + 4 * Stride);
            s40 = Vector.FusedMultiplyAdd(t, a, s40);
            s41 = Vector.FusedMultiplyAdd(t, b, s41);
            t = Vector.Load(w + 5 * Stride);
            s50 = Vector.FusedMultiplyAdd(t, a, s50);
            s51 = Vector.FusedMultiplyAdd(t, b, s51);
            a = Vector.Load(x0 + v);
            b = Vector.Load(x1 + v);
            t = Vector.Load(w + v);
            s00 = Vector.FusedMultiplyAdd(t, a, s00);
            s01 = Vector.FusedMultiplyAdd(t, b, s01);
            t = Vector.Load(w + Stride + v);
            s10 = Vector.FusedMultiplyAdd(t, a, s10);
            s11 = Vector.FusedMultiplyAdd(t, b, s11);
            t = Vector.Load(w + 2 * Stride + v);
            s20 = Vector.FusedMultiplyAdd(t, a, s20);
            s21 = Vector.FusedMultiplyAdd(t, b, s21);
            t = Vector.Load(w + 3 * Stride + v);
            s30 = Vector.FusedMultiplyAdd(t, a, s30);
            s31 = Vector.FusedMultiplyAdd(t, b, s31);
            t = Vector.Load(w + 4 * Stride + v);
            s40 = Vector.FusedMultiplyAdd(t, a, s40);
            s41 = Vector.FusedMultiplyAdd(t, b, s41);
            t = Vector.Load(w + 5 * Stride + v);
            s50 = Vector.FusedMultiplyAdd(t, a, s50);
            s51 = Vector.FusedMultiplyAdd(t, b, s51);
        }
        s00.Store(sums);
        s10.Store(sums + v);
        s20.Store(sums + 2 * v);
        s30.Store(sums + 3 * v);
        s40.Store(sums + 4 * v);
        s50.Store(sums + 5 * v);
        s01.Store(sums + 6 * v);
        s11.Store(sums + 7 * v);
        s21.Store(sums + 8 * v);
        s31.Store(sums + 9 * v);
        s41.Store(sums + 10 * v);
        s51.Store(sums + 11 * v);
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

    /// <summary>
    /// <see cref="Convert"/> of six rows and <see cref="SixByTwo"/> in one pass: the conversion runs beside the multiply-adds. For formats of
    /// which a conversion needs no more than one register.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void ConvertSixByTwo<TFormat>(byte* w0, long stride, float* to, float* x0, float* x1, int blocks, float* sums)
        where TFormat : struct, IStoredFormat
    {
        int v = Vector<float>.Count;
        byte* w1 = w0 + stride, w2 = w1 + stride, w3 = w2 + stride, w4 = w3 + stride, w5 = w4 + stride;
        Vector<float> s00 = Vector.Load(sums), s01 = Vector.Load(sums + 6 * v);
        Vector<float> s10 = Vector.Load(sums + v), s11 = Vector.Load(sums + 7 * v);
        Vector<float> s20 = Vector.Load(sums + 2 * v), s21 = Vector.Load(sums + 8 * v);
        Vector<float> s30 = Vector.Load(sums + 3 * v), s31 = Vector.Load(sums + 9 * v);
        Vector<float> s40 = Vector.Load(sums + 4 * v), s41 = Vector.Load(sums + 10 * v);
        Vector<float> s50 = Vector.Load(sums + 5 * v), s51 = Vector.Load(sums + 11 * v);
        for (float* end = to + blocks * 2 * v; to < end; to += 2 * v, x0 += 2 * v, x1 += 2 * v)
        {
            Vector<float> a = Vector.Load(x0), b = Vector.Load(x1), t;
            t = TFormat.First(w0);
            t.Store(to);
            s00 = Vector.FusedMultiplyAdd(t, a, s00);
            s01 = Vector.FusedMultiplyAdd(t, b, s01);
            t = TFormat.First(w1);
            t.Store(to + Stride);
            s10 = Vector.FusedMultiplyAdd(t, a, s10);
            s11 = Vector.FusedMultiplyAdd(t, b, s11);
            t = TFormat.First(w2);
            t.Store(to + 2 * Stride);
            s20 = Vector.FusedMultiplyAdd(t, a, s20);
            s21 = Vector.FusedMultiplyAdd(t, b, s21);
            t = TFormat.First(w3);
            t.Store(to + 3 * Stride);
            s30 = Vector.FusedMultiplyAdd(t, a, s30);
            s31 = Vector.FusedMultiplyAdd(t, b, s31);
            t = TFormat.First(w4);
            t.Store(to + 4 * Stride);
            s40 = Vector.FusedMultiplyAdd(t, a, s40);
            s41 = Vector.FusedMultiplyAdd(t, b, s41);
            t = TFormat.First(w5);
            t.Store(to + 5 * Stride);
            s50 = Vector.FusedMultiplyAdd(t, a, s50);
            s51 = Vector.FusedMultiplyAdd(t, b, s51);
            a = Vector.Load(x0 + v);
            b = Vector.Load(x1 + v);
            t = TFormat.Second(w0);
            t.Store(to + v);
            s00 = Vector.FusedMultiplyAdd(t, a, s00);
            s01 = Vector.FusedMultiplyAdd(t, b, s01);
            w0 += 2 * v * TFormat.Size;
            t = TFormat.Second(w1);
            t.Store(to + Stride + v);
            s10 = Vector.FusedMultiplyAdd(t, a, s10);
            s11 = Vector.FusedMultiplyAdd(t, b, s11);
            w1 += 2 * v * TFormat.Size;
            t = TFormat.Second(w2);
            t.Store(to + 2 * Stride + v);
            s20 = Vector.FusedMultiplyAdd(t, a, s20);
            s21 = Vector.FusedMultiplyAdd(t, b, s21);
            w2 += 2 * v * TFormat.Size;
            t = TFormat.Second(w3);
            t.Store(to + 3 * Stride + v);
            s30 = Vector.FusedMultiplyAdd(t, a, s30);
            s31 = Vector.FusedMultiplyAdd(t, b, s31);
            w3 += 2 * v * TFormat.Size;
            t = TFormat.Second(w4);
            t.Store(to + 4 * Stride + v);
            s40 = Vector.FusedMultiplyAdd(t, a, s40);
            s41 = Vector.FusedMultiplyAdd(t, b, s41);
            w4 += 2 * v * TFormat.Size;
            t = TFormat.Second(w5);
            t.Store(to + 5 * Stride + v);
            s50 = Vector.FusedMultiplyAdd(t, a, s50);
            s51 = Vector.FusedMultiplyAdd(t, b, s51);
            w5 += 2 * v * TFormat.Size;
        }
        s00.Store(sums);
        s10.Store(sums + v);
        s20.Store(sums + 2 * v);
        s30.Store(sums + 3 * v);
        s40.Store(sums + 4 * v);
        s50.Store(sums + 5 * v);
        s01.Store(sums + 6 * v);
        s11.Store(sums + 7 * v);
        s21.Store(sums + 8 * v);
        s31.Store(sums + 9 * v);
        s41.Store(sums + 10 * v);
        s51.Store(sums + 11 * v);
    }

    /// <summary>Asks for the bytes first .. end of each of six rows.</summary>
    public static void Prefetch(byte* row, long stride, int first, int end)
    {
        if (!Sse.IsSupported)
            return;
        byte* row3 = row + 3 * stride;
        for (int i = first; i < end; i += 64)
        {
            Sse.Prefetch0(row + i);
            Sse.Prefetch0(row + i + stride);
            Sse.Prefetch0(row + i + 2 * stride);
            Sse.Prefetch0(row3 + i);
            Sse.Prefetch0(row3 + i + stride);
            Sse.Prefetch0(row3 + i + 2 * stride);
        }
    }
}
