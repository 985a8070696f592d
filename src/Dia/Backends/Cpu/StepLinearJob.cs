using System.Runtime.Intrinsics;

namespace Dia.Backends.Cpu;

/// <summary>
/// The linear layer of a decoding step: w [n, k] is read once. Up to four rows are bound by memory: four outputs of two rows at a time, from rows of w
/// far apart, which processors read fastest. More are bound by arithmetic: six outputs of two rows, the weights converted once for
/// all of them (<see cref="StepTile"/>). Each output is a vector of partial sums over k (lane j has the values j, j + Count, ... of each half, in order)
/// that is then summed across lanes, the same for any number of rows of x.
/// </summary>
internal unsafe struct StepLinearJob<TFormat> : IParallelJob
    where TFormat : struct, IStoredFormat
{
    private const int WeightRows = 4;

    // Bytes ahead that are asked for.
    private const int Ahead = 2048;

    // From here on converting the weights once for all rows is faster than converting them for each pair.
    private const int ManyRows = 5;

    /// <summary>What is multiplied.</summary>
    public MatrixProduct P;

    // x as the kernels read it: halves of blocks of 2 vectors as TFormat gives them, padded with zeros to whole blocks. With many rows,
    // StepTile.KBlock values of every row lie together, so that a pass over all rows reads on in memory: so many values (_xLength) of a row,
    // the same of the next row (_xStride on), and then the next of all rows (_xNext on).
    private float* _x;
    private int _xLength;
    private int _xStride;
    private long _xNext;
    private byte* _scratch;
    private long _scratchStride;
    private int _sumFloats;
    private StepShares _shares;

    private readonly int K => (int)P.K;

    // Integers are widened to a block of float32 values, as others are for many rows.
    private readonly bool IsFewRows => P.Rows < ManyRows && !P.HasIntegers;

    private readonly int Outputs => IsFewRows ? WeightRows : StepTile.Outputs;

    private readonly long RowBytes => P.K * TFormat.Size;

    private static int Block => 2 * Vector<float>.Count;

    /// <summary>Runs the product.</summary>
    public void Start(CpuThreads threads)
    {
        if (P.Rows <= 0 || P.N <= 0)
            return;
        // Rows in pairs, of many the last one filled up with zeros; an odd cache line between whole rows, so that they do not share cache sets.
        int pairs = (P.Rows + 1) / 2;
        _xLength = IsFewRows ? Math.Max(1, checked(K + Block - 1) / Block) * Block : StepTile.KBlock;
        _xStride = IsFewRows ? _xLength + 16 : _xLength;
        _xNext = 2L * pairs * _xStride;
        // Sums in whole groups of eight, as they are added up.
        _sumFloats = (pairs * 2 * StepTile.Outputs + 7) / 8 * 8 * Vector<float>.Count;
        // Per thread: converted weights and sums. For all: x.
        long own = StepTile.Outputs * StepTile.Stride + _sumFloats;
        _scratch = threads.Scratch(own * sizeof(float), out _scratchStride, (K + _xLength - 1) / _xLength * _xNext * sizeof(float));
        _x = (float*)(_scratch + threads.Count * _scratchStride);
        for (int r = 0; r < P.Rows; r++)
            Arrange(P.X + (long)r * K, r);
        for (int k = 0; !IsFewRows && P.Rows % 2 != 0 && k < K; k += _xLength)
            new Span<float>(Arranged(P.Rows, k), _xLength).Clear();

        _shares = new StepShares(P.N, Outputs, P.Rows * (long)K, (long)K * TFormat.Size, threads.Count);
        threads.Run(ref this, _shares.Parts);
    }

    private readonly float* Arranged(int row, int k) => _x + k / _xLength * _xNext + (long)row * _xStride + k % _xLength;

    private readonly void Arrange(float* from, int row)
    {
        int v = Vector<float>.Count, whole = K / Block * Block;
        for (int i = 0; i < whole; i += Block)
            ArrangeBlock(from + i, Arranged(row, i));
        if (whole < K)
        {
            float* tail = stackalloc float[2 * v];
            VectorMath.LoadPart(from + whole, Math.Min(v, K - whole)).Store(tail);
            VectorMath.LoadPart(from + whole + v, Math.Max(0, K - whole - v)).Store(tail + v);
            ArrangeBlock(tail, Arranged(row, whole));
        }
    }

    private static void ArrangeBlock(float* from, float* to)
    {
        int v = Vector<float>.Count;
        if (!TFormat.Interleaved)
        {
            Vector.Load(from).Store(to);
            Vector.Load(from + v).Store(to + v);
            return;
        }
        // A value of even index and the next are the halves of 64 bits, and narrowing keeps the lower ones.
        Vector<ulong> a = Vector.Load((ulong*)from), b = Vector.Load((ulong*)(from + v));
        Vector.Narrow(a, b).Store((uint*)to);
        Vector.Narrow(Vector.ShiftRightLogical(a, 32), Vector.ShiftRightLogical(b, 32)).Store((uint*)(to + v));
    }

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        int first = _shares.First(part), end = _shares.First(part + 1), tile = Outputs;
        float* weights = (float*)(_scratch + thread * _scratchStride);
        byte* tails = stackalloc byte[StepTile.Outputs * Block * TFormat.Size];
        // As many tiles as their rows are rows apart: each row goes on in memory, and is a stream of its own for the processor. (Four rows side by side gave
        // 0.8 of it on AMD's Zen 5, 0.93 on an Intel Xeon.)
        int apart = IsFewRows ? (end - first) / tile : 0;
        for (int n = first; n < first + apart; n++)
            Tile(n, apart, tile, tails, weights);
        // The outputs of a tile lie side by side: in y too, where rows are often a power of two apart and share cache sets.
        for (int n = first + apart * tile; n < end; n += tile)
            Tile(n, 1, Math.Min(tile, end - n), tails, weights);
    }

    private readonly void Tile(int n, int step, int count, byte* tails, float* weights)
    {
        CopyTails(n, step, count, tails);
        if (IsFewRows)
            FewRows(n, step, count, tails, weights);
        else
            ConvertedTile(n, count, tails, weights);
    }

    // The last values of each row of w, padded with zeros to a block.
    private readonly void CopyTails(int n, int step, int count, byte* tails)
    {
        int rest = K % Block, size = Block * TFormat.Size;
        if (rest == 0 || P.HasIntegers)
            return;
        new Span<byte>(tails, StepTile.Outputs * size).Clear();
        for (int i = 0; i < count; i++)
            Unsafe.CopyBlockUnaligned(tails + i * size, P.W + ((n + (long)i * step + 1) * K - rest) * TFormat.Size, (uint)(rest * TFormat.Size));
    }

    // Outputs of up to six rows of w and all of x: blocks of w are converted once and serve all pairs of rows from the cache.
    private readonly void ConvertedTile(int n, int count, byte* tails, float* weights)
    {
        int v = Vector<float>.Count, whole = K / Block * Block, size = Block * TFormat.Size;
        byte* w = P.W + n * RowBytes;
        float* sums = weights + StepTile.Outputs * StepTile.Stride;
        new Span<float>(sums, _sumFloats).Clear();
        if (count < StepTile.Outputs)
            new Span<float>(weights, StepTile.Outputs * StepTile.Stride).Clear();
        for (int k = 0; k < whole; k += StepTile.KBlock)
        {
            int blocks = Math.Min(StepTile.KBlock, whole - k) / Block;
            Multiply(n, w + (long)k * TFormat.Size, RowBytes, Next(w, k), count, weights, k, blocks, sums);
        }
        if (whole < K)
            Multiply(n, tails, size, Next(w, whole), count, weights, whole, 1, sums);

        // Each vector to its sum, in place: a sum is written where vectors have been read already.
        for (int j = 0; j < _sumFloats / v; j += 8)
            VectorMath.SumEight((Vector<float>*)(sums + j * v), sums + j);
        for (int row = 0; row < P.Rows; row++, sums += StepTile.Outputs)
        {
            for (int i = 0; i < count; i++)
                Output(row, n + i, sums[i]);
        }
    }

    // What memory brings while a block is multiplied: three blocks on hides its latency better than the next one, in this tile or the next.
    private readonly byte* Next(byte* w, int k)
    {
        long next = k + 3L * StepTile.KBlock;
        return next < K ? w + next * TFormat.Size : w + StepTile.Outputs * RowBytes + (next - K) * TFormat.Size;
    }

    // A block of up to six rows of w with every pair of rows of x.
    private readonly void Multiply(int n, byte* w, long stride, byte* ahead, int count, float* weights, int k, int blocks, float* sums)
    {
        bool together = TFormat.IsPlain && count == StepTile.Outputs && !P.HasIntegers;
        for (int i = 0; !together && i < count; i++)
        {
            if (P.HasIntegers)
                WidenIntegers(n + i, k, blocks * Block, weights + i * StepTile.Stride);
            else
                StepTile.Convert<TFormat>(w + i * stride, weights + i * StepTile.Stride, blocks);
        }
        int pairs = (P.Rows + 1) / 2, bytes = StepTile.KBlock * TFormat.Size, share = (bytes / pairs + 63) / 64 * 64;
        float* x = Arranged(0, k);
        for (int p = 0; p < pairs; p++, x += 2 * _xStride, sums += 2 * StepTile.Outputs * Vector<float>.Count)
        {
            if (!P.HasIntegers)
                StepTile.Prefetch(ahead, RowBytes, Math.Min(p * share, bytes), Math.Min((p + 1) * share, bytes));
            if (p == 0 && together)
                StepTile.SixByTwo(new StoredRows<TFormat>(w, stride), weights, x, x + _xStride, blocks, sums);
            else
                StepTile.SixByTwo(default(ConvertedRows), weights, x, x + _xStride, blocks, sums);
        }
    }

    private readonly void WidenIntegers(int row, int k, int count, float* to)
    {
        int there = Math.Min(count, K - k);
        IntegerRows.Widen(P.Integers, row, k, there, to);
        new Span<float>(to + there, count - there).Clear();
    }

    private readonly void Output(int row, int column, float sum)
    {
        float* y = P.Y + (long)row * P.N + column;
        *y = P.Accumulate ? *y + sum : sum;
    }

    // Outputs of up to four rows of w and all of x: the kernel over the blocks of the rows, then over their padded tails. An odd row of x is multiplied
    // with itself, and the last row of w again: memory is what is waited for.
    private readonly void FewRows(int n, int step, int count, byte* tails, float* sums)
    {
        int blocks = K / Block, v = Vector<float>.Count, size = Block * TFormat.Size;
        long stride = step * RowBytes;
        byte* w0 = P.W + n * RowBytes, last = w0 + (count - 1) * stride;
        float* eight = stackalloc float[8];
        for (int r = 0; r < P.Rows; r += 2)
        {
            int rows = Math.Min(2, P.Rows - r);
            float* x0 = Arranged(r, 0), x1 = Arranged(r + rows - 1, 0);
            new Span<float>(sums, 8 * v).Clear();
            Kernel(w0, Row(w0, last, stride), Row(w0, last, 2 * stride), Row(w0, last, 3 * stride), x0, x1, blocks, sums);
            if (K % Block != 0)
                Kernel(tails, tails + size, tails + 2 * size, tails + 3 * size, x0 + blocks * Block, x1 + blocks * Block, 1, sums);
            VectorMath.SumEight((Vector<float>*)sums, eight);
            for (int j = 0; j < count * rows; j++)
                Output(r + j / count, n + j % count * step, eight[j / count * WeightRows + j % count]);
        }
    }

    private static byte* Row(byte* first, byte* last, long offset) => first + offset < last ? first + offset : last;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Kernel(byte* w0, byte* w1, byte* w2, byte* w3, float* x0, float* x1, int blocks, float* sums)
    {
        if (Vector<float>.Count == 16)
            FourByTwoHalves(w0, w1, w2, w3, x0, x1, blocks, sums);
        else
            FourByTwo(w0, w1, w2, w3, x0, x1, blocks, sums);
    }

    // The kernels take and leave their sums in memory and call nothing: so that within, everything stays in registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourByTwo(byte* w0, byte* w1, byte* w2, byte* w3, float* x0, float* x1, int blocks, float* sums)
    {
        int v = Vector<float>.Count;
        Vector<float> s00 = Vector.Load(sums), s10 = Vector.Load(sums + v), s20 = Vector.Load(sums + 2 * v), s30 = Vector.Load(sums + 3 * v);
        Vector<float> s01 = Vector.Load(sums + 4 * v), s11 = Vector.Load(sums + 5 * v), s21 = Vector.Load(sums + 6 * v), s31 = Vector.Load(sums + 7 * v);
        for (; blocks > 0; blocks--)
        {
            Prefetch(w0 + Ahead);
            Prefetch(w1 + Ahead);
            Prefetch(w2 + Ahead);
            Prefetch(w3 + Ahead);
            Vector<float> a = Vector.Load(x0), b = Vector.Load(x1);
            VectorMath.AddProducts(TFormat.First(w0), a, b, ref s00, ref s01);
            VectorMath.AddProducts(TFormat.First(w1), a, b, ref s10, ref s11);
            VectorMath.AddProducts(TFormat.First(w2), a, b, ref s20, ref s21);
            VectorMath.AddProducts(TFormat.First(w3), a, b, ref s30, ref s31);
            a = Vector.Load(x0 + v);
            b = Vector.Load(x1 + v);
            VectorMath.AddProducts(TFormat.Second(w0), a, b, ref s00, ref s01);
            VectorMath.AddProducts(TFormat.Second(w1), a, b, ref s10, ref s11);
            VectorMath.AddProducts(TFormat.Second(w2), a, b, ref s20, ref s21);
            VectorMath.AddProducts(TFormat.Second(w3), a, b, ref s30, ref s31);
            w0 += Block * TFormat.Size;
            w1 += Block * TFormat.Size;
            w2 += Block * TFormat.Size;
            w3 += Block * TFormat.Size;
            x0 += Block;
            x1 += Block;
        }
        VectorMath.StorePair(sums, s00, s10);
        VectorMath.StorePair(sums + 2 * v, s20, s30);
        VectorMath.StorePair(sums + 4 * v, s01, s11);
        VectorMath.StorePair(sums + 6 * v, s21, s31);
    }

    // Memory is read faster by 256 bits (where it gives 75 GB/s, 0.9 of that, and 0.7 by 512), so vectors of 512 are summed up as their halves: the same
    // values in the same order. AVX-512 has the registers for both.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourByTwoHalves(byte* w0, byte* w1, byte* w2, byte* w3, float* x0, float* x1, int blocks, float* sums)
    {
        Vector256<float> a00 = Vector256.Load(sums), b00 = Vector256.Load(sums + 8);
        Vector256<float> a10 = Vector256.Load(sums + 16), b10 = Vector256.Load(sums + 24);
        Vector256<float> a20 = Vector256.Load(sums + 32), b20 = Vector256.Load(sums + 40);
        Vector256<float> a30 = Vector256.Load(sums + 48), b30 = Vector256.Load(sums + 56);
        Vector256<float> a01 = Vector256.Load(sums + 64), b01 = Vector256.Load(sums + 72);
        Vector256<float> a11 = Vector256.Load(sums + 80), b11 = Vector256.Load(sums + 88);
        Vector256<float> a21 = Vector256.Load(sums + 96), b21 = Vector256.Load(sums + 104);
        Vector256<float> a31 = Vector256.Load(sums + 112), b31 = Vector256.Load(sums + 120);
        for (; blocks > 0; blocks--)
        {
            Prefetch(w0 + Ahead);
            Prefetch(w1 + Ahead);
            Prefetch(w2 + Ahead);
            Prefetch(w3 + Ahead);
            Half(w0, w1, x0, x1, ref a00, ref a01, ref a10, ref a11);
            Half(w2, w3, x0, x1, ref a20, ref a21, ref a30, ref a31);
            Half(w0 + 32, w1 + 32, x0 + 8, x1 + 8, ref b00, ref b01, ref b10, ref b11);
            Half(w2 + 32, w3 + 32, x0 + 8, x1 + 8, ref b20, ref b21, ref b30, ref b31);
            w0 += Block * TFormat.Size;
            w1 += Block * TFormat.Size;
            w2 += Block * TFormat.Size;
            w3 += Block * TFormat.Size;
            x0 += Block;
            x1 += Block;
        }
        a00.Store(sums);
        b00.Store(sums + 8);
        a10.Store(sums + 16);
        b10.Store(sums + 24);
        a20.Store(sums + 32);
        b20.Store(sums + 40);
        a30.Store(sums + 48);
        b30.Store(sums + 56);
        a01.Store(sums + 64);
        b01.Store(sums + 72);
        a11.Store(sums + 80);
        b11.Store(sums + 88);
        a21.Store(sums + 96);
        b21.Store(sums + 104);
        a31.Store(sums + 112);
        b31.Store(sums + 120);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Half(byte* w0, byte* w1, float* x0, float* x1, ref Vector256<float> s00, ref Vector256<float> s01, ref Vector256<float> s10,
        ref Vector256<float> s11)
    {
        TFormat.HalfBlock(w0, out Vector256<float> first0, out Vector256<float> second0);
        TFormat.HalfBlock(w1, out Vector256<float> first1, out Vector256<float> second1);
        Vector256<float> x = Vector256.Load(x0), y = Vector256.Load(x1);
        s00 = Vector256.FusedMultiplyAdd(first0, x, s00);
        s01 = Vector256.FusedMultiplyAdd(first0, y, s01);
        s10 = Vector256.FusedMultiplyAdd(first1, x, s10);
        s11 = Vector256.FusedMultiplyAdd(first1, y, s11);
        x = Vector256.Load(x0 + 16);
        y = Vector256.Load(x1 + 16);
        s00 = Vector256.FusedMultiplyAdd(second0, x, s00);
        s01 = Vector256.FusedMultiplyAdd(second0, y, s01);
        s10 = Vector256.FusedMultiplyAdd(second1, x, s10);
        s11 = Vector256.FusedMultiplyAdd(second1, y, s11);
    }

    // Asks for a block. The hardware's own prefetching stops at each page.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* w)
    {
        VectorMath.Prefetch(w);
        if (Block * TFormat.Size > 64)
            VectorMath.Prefetch(w + 64);
    }
}
