using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// The linear layer of a decoding step: w [n, k] is read once. Up to four rows are bound by memory: four outputs of two rows at a time.
/// More are bound by arithmetic: six outputs of two rows, the weights converted once for all of them (<see cref="StepTile"/>). Each output is
/// a vector of partial sums over k (lane j has the values j, j + Count, ... of each half, in order) that is then summed across lanes, the
/// same for any number of rows of x.
/// </summary>
internal unsafe struct StepLinearJob<TFormat> : IParallelJob
    where TFormat : struct, IStoredFormat
{
    private const int WeightRows = 4;
    private const int PrefetchDistance = 2048;

    // From here on converting the weights once for all rows is faster than converting them for each pair.
    private const int ManyRows = 5;

    private const int MostRounds = 5;

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
    private int _tiles;
    private int _roundParts;
    private int _rounds;

    private readonly int K => (int)P.K;

    private readonly int Outputs => P.Rows < ManyRows ? WeightRows : StepTile.Outputs;

    private static int Block => 2 * Vector<float>.Count;

    /// <summary>Runs the product.</summary>
    public void Start(CpuThreads threads)
    {
        if (P.Rows <= 0 || P.N <= 0)
            return;
        // Rows in pairs, the last one filled up with zeros; an odd cache line between whole rows, so that they do not share cache sets.
        int pairs = (P.Rows + 1) / 2;
        _xLength = P.Rows < ManyRows ? Math.Max(1, checked(K + Block - 1) / Block) * Block : StepTile.KBlock;
        _xStride = P.Rows < ManyRows ? _xLength + 16 : _xLength;
        _xNext = 2L * pairs * _xStride;
        // Sums in whole groups of eight, as they are added up.
        _sumFloats = (pairs * 2 * StepTile.Outputs + 7) / 8 * 8 * Vector<float>.Count;
        // Per thread: converted weights and sums. For all: x.
        long own = StepTile.Outputs * StepTile.Stride + _sumFloats;
        _scratch = threads.Scratch(own * sizeof(float), out _scratchStride, (K + _xLength - 1) / _xLength * _xNext * sizeof(float));
        _x = (float*)(_scratch + threads.Count * _scratchStride);
        for (int r = 0; r < P.Rows; r++)
            Arrange(P.X + (long)r * K, r);
        for (int k = 0; P.Rows % 2 != 0 && k < K; k += _xLength)
            new Span<float>(Arranged(P.Rows, k), _xLength).Clear();

        _tiles = (P.N + Outputs - 1) / Outputs;
        _roundParts = (long)P.N * K * P.Rows < Gemm.InlineWork ? 1 : threads.Count;
        // The last parts have some kilobytes at least. One thread takes all at once.
        long share = (long)P.N * K * TFormat.Size / (_roundParts * 65536L);
        _rounds = _roundParts == 1 ? 1 : Math.Min(MostRounds, BitOperations.Log2((ulong)share | 1) + 1);
        threads.Run(ref this, _rounds * _roundParts);
    }

    // First output of a part. A round gives each thread a part, and divides half of what is left, the last one all of it: long parts first, as
    // memory brings the beginning of each late, and short ones at the end, so that the threads end together.
    private readonly int First(int part)
    {
        int round = part / _roundParts, left = _tiles >> round;
        if (round == _rounds)
            return P.N;
        int size = round == _rounds - 1 ? left : left - (left >> 1);
        return Math.Min(P.N, (_tiles - left + (int)((long)size * (part % _roundParts) / _roundParts)) * Outputs);
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
        int first = First(part), count = First(part + 1) - first, tile = Outputs;
        float* weights = (float*)(_scratch + thread * _scratchStride);
        byte* tails = stackalloc byte[StepTile.Outputs * Block * TFormat.Size];
        // A tile takes a row from each quarter (or sixth) of the part: streams of which each is contiguous from one tile to the next.
        int streams = count / tile;
        for (int i = 0; i <= streams; i++)
        {
            bool last = i == streams;
            int n = last ? first + streams * tile : first + i, step = last ? 1 : streams, outputs = last ? count % tile : tile;
            if (outputs == 0)
                continue;
            CopyTails(n, step, outputs, tails);
            if (P.Rows < ManyRows)
                Tile(n, step, outputs, tails, weights);
            else
                ConvertedTile(n, step, outputs, tails, weights);
        }
    }

    // The last values of each row of w, padded with zeros to a block.
    private readonly void CopyTails(int n, int step, int count, byte* tails)
    {
        int rest = K % Block, size = Block * TFormat.Size;
        if (rest == 0)
            return;
        new Span<byte>(tails, StepTile.Outputs * size).Clear();
        for (int i = 0; i < count; i++)
            Unsafe.CopyBlockUnaligned(tails + i * size, P.W + ((n + (long)i * step + 1) * K - rest) * TFormat.Size, (uint)(rest * TFormat.Size));
    }

    // Outputs of up to six rows of w and all of x: blocks of w are converted once and serve all pairs of rows from the cache.
    private readonly void ConvertedTile(int n, int step, int count, byte* tails, float* weights)
    {
        int v = Vector<float>.Count, whole = K / Block * Block, size = Block * TFormat.Size;
        long rowBytes = (long)K * TFormat.Size, stride = step * rowBytes;
        byte* w = P.W + n * rowBytes;
        float* sums = weights + StepTile.Outputs * StepTile.Stride;
        new Span<float>(sums, _sumFloats).Clear();
        if (count < StepTile.Outputs)
            new Span<float>(weights, StepTile.Outputs * StepTile.Stride).Clear();
        for (int k = 0; k < whole; k += StepTile.KBlock)
        {
            int blocks = Math.Min(StepTile.KBlock, whole - k) / Block;
            Multiply(w + (long)k * TFormat.Size, stride, count, weights, k, blocks, sums);
        }
        if (whole < K)
            Multiply(tails, size, count, weights, whole, 1, sums);

        // Each vector to its sum, in place: a sum is written where vectors have been read already.
        for (int j = 0; j < _sumFloats / v; j += 8)
            VectorMath.SumEight((Vector<float>*)(sums + j * v), sums + j);
        for (int row = 0; row < P.Rows; row++, sums += StepTile.Outputs)
        {
            for (int i = 0; i < count; i++)
                Output(row, n + i * step, sums[i]);
        }
    }

    // A block of up to six rows of w with every pair of rows of x. While they are multiplied, the memory brings a later block: three on hides its latency
    // better than the next one.
    private readonly void Multiply(byte* w, long stride, int count, float* weights, int k, int blocks, float* sums)
    {
        bool together = TFormat.IsPlain && count == StepTile.Outputs;
        if (!together)
        {
            for (int i = 0; i < count; i++)
                StepTile.Convert<TFormat>(w + i * stride, weights + i * StepTile.Stride, blocks);
        }
        int pairs = (P.Rows + 1) / 2, bytes = StepTile.KBlock * TFormat.Size, share = (bytes / pairs + 63) / 64 * 64;
        float* x = Arranged(0, k);
        for (int p = 0; p < pairs; p++, x += 2 * _xStride, sums += 2 * StepTile.Outputs * Vector<float>.Count)
        {
            StepTile.Prefetch(w + 3 * bytes, stride, Math.Min(p * share, bytes), Math.Min((p + 1) * share, bytes));
            if (p == 0 && together)
                StepTile.SixByTwo(new StoredRows<TFormat>(w, stride), weights, x, x + _xStride, blocks, sums);
            else
                StepTile.SixByTwo(default(ConvertedRows), weights, x, x + _xStride, blocks, sums);
        }
    }

    private readonly void Output(int row, int column, float sum)
    {
        float* y = P.Y + (long)row * P.N + column;
        *y = P.Accumulate ? *y + sum : sum;
    }

    // Outputs of up to four rows of w and all of x.
    private readonly void Tile(int n, int step, int count, byte* tails, float* sums)
    {
        for (int r = 0; r < P.Rows; r += 2)
            Tile(n, step, count, r, Math.Min(2, P.Rows - r), tails, sums);
    }

    // Outputs of up to four rows of w and up to two of x: the kernel for whole tiles over the blocks of a row, then over its padded tail.
    private readonly void Tile(int n, int step, int count, int r, int rows, byte* tails, float* sums)
    {
        long rowBytes = (long)K * TFormat.Size, stride = step * rowBytes;
        int blocks = K / Block, v = Vector<float>.Count, size = Block * TFormat.Size;
        byte* w = P.W + n * rowBytes;
        float* x = Arranged(r, 0);
        bool tail = K % Block != 0;
        new Span<float>(sums, 2 * WeightRows * v).Clear();
        if (count == WeightRows && rows == 2)
        {
            FourByTwo(w, stride, x, x + _xStride, blocks, sums);
            if (tail)
                FourByTwo(tails, size, x + blocks * Block, x + _xStride + blocks * Block, 1, sums);
        }
        else if (count == WeightRows)
        {
            FourByOne(w, stride, x, blocks, sums);
            if (tail)
                FourByOne(tails, size, x + blocks * Block, 1, sums);
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

        float* eight = stackalloc float[8];
        VectorMath.SumEight((Vector<float>*)sums, eight);
        for (int j = 0; j < count * rows; j++)
            Output(r + j / count, n + j % count * step, eight[j / count * WeightRows + j % count]);
    }

    // The kernels take and leave their sums in memory and call nothing: so that within, everything stays in registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourByTwo(byte* w, long stride, float* x0, float* x1, int blocks, float* sums)
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
                Sse.Prefetch0(w + PrefetchDistance);
                Sse.Prefetch0(w1 + PrefetchDistance);
                Sse.Prefetch0(w2 + PrefetchDistance);
                Sse.Prefetch0(w3 + PrefetchDistance);
            }
            Vector<float> a = Vector.Load(x0), b = Vector.Load(x1);
            VectorMath.AddProducts(TFormat.First(w), a, b, ref s00, ref s01);
            VectorMath.AddProducts(TFormat.First(w1), a, b, ref s10, ref s11);
            VectorMath.AddProducts(TFormat.First(w2), a, b, ref s20, ref s21);
            VectorMath.AddProducts(TFormat.First(w3), a, b, ref s30, ref s31);
            a = Vector.Load(x0 + v);
            b = Vector.Load(x1 + v);
            VectorMath.AddProducts(TFormat.Second(w), a, b, ref s00, ref s01);
            VectorMath.AddProducts(TFormat.Second(w1), a, b, ref s10, ref s11);
            VectorMath.AddProducts(TFormat.Second(w2), a, b, ref s20, ref s21);
            VectorMath.AddProducts(TFormat.Second(w3), a, b, ref s30, ref s31);
            w += Block * TFormat.Size;
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

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FourByOne(byte* w, long stride, float* x, int blocks, float* sums)
    {
        int v = Vector<float>.Count;
        Vector<float> s0 = Vector.Load(sums), s1 = Vector.Load(sums + v), s2 = Vector.Load(sums + 2 * v), s3 = Vector.Load(sums + 3 * v);
        byte* w1 = w + stride, w2 = w1 + stride, w3 = w2 + stride;
        for (; blocks > 0; blocks--)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(w + PrefetchDistance);
                Sse.Prefetch0(w1 + PrefetchDistance);
                Sse.Prefetch0(w2 + PrefetchDistance);
                Sse.Prefetch0(w3 + PrefetchDistance);
            }
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
        VectorMath.StorePair(sums, s0, s1);
        VectorMath.StorePair(sums + 2 * v, s2, s3);
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
