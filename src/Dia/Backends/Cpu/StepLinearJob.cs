using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends;

/// <summary>
/// The linear layer of a decoding step: w [n, k] is read once, four rows at a time; bound by memory. Each output is a
/// vector of partial sums over k (lane j has the values j, j + Count, ... of each half, in order) that is then summed across lanes,
/// the same for any number of rows of x.
/// </summary>
internal unsafe struct StepLinearJob<TFormat> : IParallelJob
    where TFormat : struct, IStoredFormat
{
    private const int WeightRows = 4;
    private const int PrefetchDistance = 2048;

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
        int v = Vector<float>.Count, whole = K / Block * Block;
        for (int i = 0; i < whole; i += Block)
            ArrangeBlock(from + i, to + i);
        if (whole < K)
        {
            float* tail = stackalloc float[2 * v];
            VectorMath.LoadPart(from + whole, Math.Min(v, K - whole)).Store(tail);
            VectorMath.LoadPart(from + whole + v, Math.Max(0, K - whole - v)).Store(tail + v);
            ArrangeBlock(tail, to + whole);
        }
    }

    private static void ArrangeBlock(float* from, float* to)
    {
        int v = Vector<float>.Count;
        for (int i = 0; i < v; i++)
        {
            to[i] = from[TFormat.Interleaved ? 2 * i : i];
            to[v + i] = from[TFormat.Interleaved ? 2 * i + 1 : v + i];
        }
    }

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        float* sums = stackalloc float[2 * WeightRows * Vector<float>.Count];
        byte* tails = stackalloc byte[WeightRows * Block * TFormat.Size];
        int first = part * _partRows, count = Math.Min(N - first, _partRows);
        // A tile takes a row from each quarter of the part: four streams, each of them contiguous from one tile to the next.
        int quarter = count / WeightRows;
        for (int i = 0; i < quarter; i++)
            Tiles(first + i, quarter, WeightRows, tails, sums);
        if (count % WeightRows != 0)
            Tiles(first + quarter * WeightRows, 1, count % WeightRows, tails, sums);
    }

    // All rows of x for up to four rows of w, `step` apart.
    private readonly void Tiles(int n, int step, int count, byte* tails, float* sums)
    {
        int rest = K % Block, size = Block * TFormat.Size;
        if (rest != 0)
        {
            // The last values of each row of w, padded with zeros to a block.
            new Span<byte>(tails, WeightRows * size).Clear();
            for (int i = 0; i < count; i++)
                Unsafe.CopyBlockUnaligned(tails + i * size, W + ((n + (long)i * step + 1) * K - rest) * TFormat.Size, (uint)(rest * TFormat.Size));
        }
        for (int r = 0; r < Rows; r += 2)
            Tile(n, step, count, r, Math.Min(2, Rows - r), tails, sums);
    }

    // Outputs of up to four rows of w and up to two of x: the kernel for whole tiles over the blocks of a row, then over its padded tail.
    private readonly void Tile(int n, int step, int count, int r, int rows, byte* tails, float* sums)
    {
        long rowBytes = (long)K * TFormat.Size, stride = step * rowBytes;
        int blocks = K / Block, v = Vector<float>.Count, size = Block * TFormat.Size;
        byte* w = W + n * rowBytes;
        float* x = _x + r * _xStride;
        bool tail = K % Block != 0;
        // Several passes over the tile: each fetches its share of the next one, so that memory is busy in all of them.
        int passes = (Rows + 1) / 2;
        byte* ahead = w + (passes == 1 ? PrefetchDistance : rowBytes + r / 2 * rowBytes / passes);
        int aheadStep = size / passes;
        new Span<float>(sums, 2 * WeightRows * v).Clear();
        if (count == WeightRows && rows == 2)
        {
            FourByTwo(w, stride, ahead, aheadStep, x, x + _xStride, blocks, sums);
            if (tail)
                FourByTwo(tails, size, tails, 0, x + blocks * Block, x + _xStride + blocks * Block, 1, sums);
        }
        else if (count == WeightRows)
        {
            FourByOne(w, stride, ahead, aheadStep, x, blocks, sums);
            if (tail)
                FourByOne(tails, size, tails, 0, x + blocks * Block, 1, sums);
        }
        else
        {
            for (int j = 0; j < count * rows; j++)
            {
                float* xj = x + j / count * _xStride, sum = sums + (j / count * WeightRows + j % count) * v;
                One(w + j % count * stride, xj, blocks, sum);
                if (tail)
                    One(tails + j % count * size, xj + blocks * Block, 1, sum);
            }
        }

        for (int j = 0; j < count * rows; j++)
        {
            int row = j / count, column = j % count;
            float* y = Y + (long)(r + row) * N + n + column * step;
            float sum = Vector.Sum(Vector.Load(sums + (row * WeightRows + column) * v));
            *y = Accumulate ? *y + sum : sum;
        }
    }

    // The kernels take and leave their sums in memory and call nothing: so that within, everything stays in registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourByTwo(byte* w, long stride, byte* ahead, int aheadStep, float* x0, float* x1, int blocks, float* sums)
    {
        int v = Vector<float>.Count;
        Vector<float> s00 = Vector.Load(sums), s10 = Vector.Load(sums + v), s20 = Vector.Load(sums + 2 * v), s30 = Vector.Load(sums + 3 * v);
        Vector<float> s01 = Vector.Load(sums + 4 * v), s11 = Vector.Load(sums + 5 * v), s21 = Vector.Load(sums + 6 * v), s31 = Vector.Load(sums + 7 * v);
        byte* w1 = w + stride, w2 = w1 + stride, w3 = w2 + stride;
        for (; blocks > 0; blocks--)
        {
            // The hardware's own prefetching stops at each page.
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + stride);
                Sse.Prefetch0(ahead + 2 * stride);
                Sse.Prefetch0(ahead + 3 * stride);
            }
            ahead += aheadStep;
            Vector<float> a = Vector.Load(x0), b = Vector.Load(x1), t = TFormat.First(w);
            s00 = Vector.FusedMultiplyAdd(t, a, s00);
            s01 = Vector.FusedMultiplyAdd(t, b, s01);
            t = TFormat.First(w1);
            s10 = Vector.FusedMultiplyAdd(t, a, s10);
            s11 = Vector.FusedMultiplyAdd(t, b, s11);
            t = TFormat.First(w2);
            s20 = Vector.FusedMultiplyAdd(t, a, s20);
            s21 = Vector.FusedMultiplyAdd(t, b, s21);
            t = TFormat.First(w3);
            s30 = Vector.FusedMultiplyAdd(t, a, s30);
            s31 = Vector.FusedMultiplyAdd(t, b, s31);
            a = Vector.Load(x0 + v);
            b = Vector.Load(x1 + v);
            t = TFormat.Second(w);
            s00 = Vector.FusedMultiplyAdd(t, a, s00);
            s01 = Vector.FusedMultiplyAdd(t, b, s01);
            t = TFormat.Second(w1);
            s10 = Vector.FusedMultiplyAdd(t, a, s10);
            s11 = Vector.FusedMultiplyAdd(t, b, s11);
            t = TFormat.Second(w2);
            s20 = Vector.FusedMultiplyAdd(t, a, s20);
            s21 = Vector.FusedMultiplyAdd(t, b, s21);
            t = TFormat.Second(w3);
            s30 = Vector.FusedMultiplyAdd(t, a, s30);
            s31 = Vector.FusedMultiplyAdd(t, b, s31);
            w += Block * TFormat.Size;
            w1 += Block * TFormat.Size;
            w2 += Block * TFormat.Size;
            w3 += Block * TFormat.Size;
            x0 += Block;
            x1 += Block;
        }
        s00.Store(sums);
        s10.Store(sums + v);
        s20.Store(sums + 2 * v);
        s30.Store(sums + 3 * v);
        s01.Store(sums + 4 * v);
        s11.Store(sums + 5 * v);
        s21.Store(sums + 6 * v);
        s31.Store(sums + 7 * v);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourByOne(byte* w, long stride, byte* ahead, int aheadStep, float* x, int blocks, float* sums)
    {
        int v = Vector<float>.Count;
        Vector<float> s0 = Vector.Load(sums), s1 = Vector.Load(sums + v), s2 = Vector.Load(sums + 2 * v), s3 = Vector.Load(sums + 3 * v);
        byte* w1 = w + stride, w2 = w1 + stride, w3 = w2 + stride;
        for (; blocks > 0; blocks--)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + stride);
                Sse.Prefetch0(ahead + 2 * stride);
                Sse.Prefetch0(ahead + 3 * stride);
            }
            ahead += aheadStep;
            Vector<float> a = Vector.Load(x), b = Vector.Load(x + v);
            s0 = Vector.FusedMultiplyAdd(TFormat.Second(w), b, Vector.FusedMultiplyAdd(TFormat.First(w), a, s0));
            s1 = Vector.FusedMultiplyAdd(TFormat.Second(w1), b, Vector.FusedMultiplyAdd(TFormat.First(w1), a, s1));
            s2 = Vector.FusedMultiplyAdd(TFormat.Second(w2), b, Vector.FusedMultiplyAdd(TFormat.First(w2), a, s2));
            s3 = Vector.FusedMultiplyAdd(TFormat.Second(w3), b, Vector.FusedMultiplyAdd(TFormat.First(w3), a, s3));
            w += Block * TFormat.Size;
            w1 += Block * TFormat.Size;
            w2 += Block * TFormat.Size;
            w3 += Block * TFormat.Size;
            x += Block;
        }
        s0.Store(sums);
        s1.Store(sums + v);
        s2.Store(sums + 2 * v);
        s3.Store(sums + 3 * v);
    }

    private static void One(byte* w, float* x, int blocks, float* sum)
    {
        Vector<float> s = Vector.Load(sum);
        for (; blocks > 0; blocks--, w += Block * TFormat.Size, x += Block)
        {
            s = Vector.FusedMultiplyAdd(TFormat.First(w), Vector.Load(x), s);
            s = Vector.FusedMultiplyAdd(TFormat.Second(w), Vector.Load(x + Vector<float>.Count), s);
        }
        s.Store(sum);
    }
}
