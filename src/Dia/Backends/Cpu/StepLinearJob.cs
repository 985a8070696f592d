using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends;

/// <summary>
/// The linear layer of a decoding step: w [n, k] is read once, in order, four of its rows at a time; bound by memory. Each output is a
/// vector of partial sums over k (lane j has the values j, j + Count, ... of each half, in order) that is then summed across lanes,
/// the same for any number of rows of x.
/// </summary>
internal unsafe struct StepLinearJob<TFormat> : IParallelJob
    where TFormat : struct, IStoredFormat
{
    private const int WeightRows = 4;

    public float* Y;
    public float* X;
    public byte* W;
    public int Rows;
    public int N;
    public int K;
    public bool Accumulate;

    // x as the kernels read it: halves of blocks of 2 vectors as TFormat gives them, padded with zeros to whole blocks.
    private float* _x;
    private long _xStride;
    private int _partRows;

    private static int Block => 2 * Vector<float>.Count;

    /// <summary>Runs the product.</summary>
    public void Start(CpuThreads threads)
    {
        if (Rows <= 0 || N <= 0)
            return;
        _xStride = ((long)K + Block - 1) / Block * Block;
        // The threads' scratch as one block that all of them read.
        _x = (float*)threads.Scratch((Rows * _xStride * sizeof(float) + threads.Count - 1) / threads.Count, out _);
        for (int r = 0; r < Rows; r++)
            Arrange(X + (long)r * K, _x + r * _xStride);

        bool inline = (long)N * K * Rows < Gemm.InlineWork || threads.Count == 1;
        // Parts of at least some kilobytes, several for each thread.
        int parts = inline ? 1 : (int)Math.Clamp((long)N * K * TFormat.Size / 32768, threads.Count, 8L * threads.Count);
        _partRows = ((N + parts - 1) / parts + WeightRows - 1) / WeightRows * WeightRows;
        parts = (N + _partRows - 1) / _partRows;
        if (inline)
            Run(0, 0);
        else
            threads.Run(ref this, parts);
    }

    private readonly void Arrange(float* from, float* to)
    {
        int v = Vector<float>.Count;
        for (int i = 0; i < _xStride; i++)
        {
            int inBlock = i % Block;
            int at = TFormat.Interleaved ? i - inBlock + inBlock / 2 + (inBlock & 1) * v : i;
            to[at] = i < K ? from[i] : 0;
        }
    }

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        int first = part * _partRows, end = Math.Min(N, first + _partRows);
        int n = first;
        for (; n <= end - WeightRows; n += WeightRows)
        {
            int r = 0;
            for (; r <= Rows - 2; r += 2)
                FourByTwo(n, r);
            if (r < Rows)
                FourByOne(n, r);
        }
        for (; n < end; n++)
        {
            for (int r = 0; r < Rows; r++)
                One(n, r);
        }
    }

    private readonly void Store(int n, int r, Vector<float> sums)
    {
        float* y = Y + (long)r * N + n;
        float sum = Vector.Sum(sums);
        *y = Accumulate ? *y + sum : sum;
    }

    // The last values of a row of w, padded with zeros to a block.
    private readonly void CopyTail(byte* tail, byte* w, int whole)
    {
        new Span<byte>(tail, Block * sizeof(float)).Clear();
        Unsafe.CopyBlockUnaligned(tail, w + (long)whole * TFormat.Size, (uint)((K - whole) * TFormat.Size));
    }

    private readonly void FourByTwo(int n, int r)
    {
        long stride = (long)K * TFormat.Size;
        int whole = K / Block * Block;
        byte* w = W + n * stride;
        float* x0 = _x + r * _xStride, x1 = x0 + _xStride;
        Vector<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        byte* w0 = w, w1 = w + stride, w2 = w + 2 * stride, w3 = w + 3 * stride;
        int step = Block * TFormat.Size;
        for (int i = 0; i < whole; i += Block)
        {
            // The next four rows: the hardware's own prefetching stops at each page.
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(w0 + 4 * stride);
                Sse.Prefetch0(w1 + 4 * stride);
                Sse.Prefetch0(w2 + 4 * stride);
                Sse.Prefetch0(w3 + 4 * stride);
            }
            Add(w0, w1, w2, w3, x0 + i, x1 + i, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
            w0 += step;
            w1 += step;
            w2 += step;
            w3 += step;
        }
        if (whole < K)
        {
            byte* tails = stackalloc byte[4 * Block * sizeof(float)];
            int size = Block * sizeof(float);
            for (int j = 0; j < 4; j++)
                CopyTail(tails + j * size, w + j * stride, whole);
            Add(tails, tails + size, tails + 2 * size, tails + 3 * size, x0 + whole, x1 + whole, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
        }
        Store(n, r, s00);
        Store(n + 1, r, s10);
        Store(n + 2, r, s20);
        Store(n + 3, r, s30);
        Store(n, r + 1, s01);
        Store(n + 1, r + 1, s11);
        Store(n + 2, r + 1, s21);
        Store(n + 3, r + 1, s31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(byte* w0, byte* w1, byte* w2, byte* w3, float* x0, float* x1, ref Vector<float> s00, ref Vector<float> s01,
        ref Vector<float> s10, ref Vector<float> s11, ref Vector<float> s20, ref Vector<float> s21, ref Vector<float> s30, ref Vector<float> s31)
    {
        Vector<float> a = Vector.Load(x0), b = Vector.Load(x1);
        Vector<float> w = TFormat.First(w0);
        s00 = Vector.FusedMultiplyAdd(w, a, s00);
        s01 = Vector.FusedMultiplyAdd(w, b, s01);
        w = TFormat.First(w1);
        s10 = Vector.FusedMultiplyAdd(w, a, s10);
        s11 = Vector.FusedMultiplyAdd(w, b, s11);
        w = TFormat.First(w2);
        s20 = Vector.FusedMultiplyAdd(w, a, s20);
        s21 = Vector.FusedMultiplyAdd(w, b, s21);
        w = TFormat.First(w3);
        s30 = Vector.FusedMultiplyAdd(w, a, s30);
        s31 = Vector.FusedMultiplyAdd(w, b, s31);
        a = Vector.Load(x0 + Vector<float>.Count);
        b = Vector.Load(x1 + Vector<float>.Count);
        w = TFormat.Second(w0);
        s00 = Vector.FusedMultiplyAdd(w, a, s00);
        s01 = Vector.FusedMultiplyAdd(w, b, s01);
        w = TFormat.Second(w1);
        s10 = Vector.FusedMultiplyAdd(w, a, s10);
        s11 = Vector.FusedMultiplyAdd(w, b, s11);
        w = TFormat.Second(w2);
        s20 = Vector.FusedMultiplyAdd(w, a, s20);
        s21 = Vector.FusedMultiplyAdd(w, b, s21);
        w = TFormat.Second(w3);
        s30 = Vector.FusedMultiplyAdd(w, a, s30);
        s31 = Vector.FusedMultiplyAdd(w, b, s31);
    }

    private readonly void FourByOne(int n, int r)
    {
        long stride = (long)K * TFormat.Size;
        int whole = K / Block * Block, v = Vector<float>.Count;
        byte* w = W + n * stride;
        float* x = _x + r * _xStride;
        Vector<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (int i = 0; i < whole; i += Block)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(w + 4 * stride);
                Sse.Prefetch0(w + 5 * stride);
                Sse.Prefetch0(w + 6 * stride);
                Sse.Prefetch0(w + 7 * stride);
            }
            Vector<float> a = Vector.Load(x + i), b = Vector.Load(x + i + v);
            s0 = Vector.FusedMultiplyAdd(TFormat.Second(w), b, Vector.FusedMultiplyAdd(TFormat.First(w), a, s0));
            s1 = Vector.FusedMultiplyAdd(TFormat.Second(w + stride), b, Vector.FusedMultiplyAdd(TFormat.First(w + stride), a, s1));
            s2 = Vector.FusedMultiplyAdd(TFormat.Second(w + 2 * stride), b, Vector.FusedMultiplyAdd(TFormat.First(w + 2 * stride), a, s2));
            s3 = Vector.FusedMultiplyAdd(TFormat.Second(w + 3 * stride), b, Vector.FusedMultiplyAdd(TFormat.First(w + 3 * stride), a, s3));
            w += Block * TFormat.Size;
        }
        w = W + n * stride;
        Store(n, r, AddTail(w, x, whole, s0));
        Store(n + 1, r, AddTail(w + stride, x, whole, s1));
        Store(n + 2, r, AddTail(w + 2 * stride, x, whole, s2));
        Store(n + 3, r, AddTail(w + 3 * stride, x, whole, s3));
    }

    private readonly void One(int n, int r)
    {
        byte* w = W + (long)n * K * TFormat.Size;
        int whole = K / Block * Block;
        float* x = _x + r * _xStride;
        Vector<float> s = default;
        for (int i = 0; i < whole; i += Block)
        {
            byte* at = w + (long)i * TFormat.Size;
            s = Vector.FusedMultiplyAdd(TFormat.First(at), Vector.Load(x + i), s);
            s = Vector.FusedMultiplyAdd(TFormat.Second(at), Vector.Load(x + i + Vector<float>.Count), s);
        }
        Store(n, r, AddTail(w, x, whole, s));
    }

    private readonly Vector<float> AddTail(byte* w, float* x, int whole, Vector<float> s)
    {
        if (whole == K)
            return s;
        byte* tail = stackalloc byte[Block * sizeof(float)];
        CopyTail(tail, w, whole);
        s = Vector.FusedMultiplyAdd(TFormat.First(tail), Vector.Load(x + whole), s);
        return Vector.FusedMultiplyAdd(TFormat.Second(tail), Vector.Load(x + whole + Vector<float>.Count), s);
    }
}
