using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// The linear layer of a decoding step with integer weights and rounded activations (<see cref="RoundedRow"/>): w [n, k] and its scales are read once, as
/// they are stored. Up to two rows of activations are bound by memory: two rows of weights at a time, from end to end. More are bound by arithmetic: eight
/// rows of weights, a piece of k at a time, unpacked once for all rows of activations. Each output is the sum of eight lanes over ascending k, the same for
/// any number of rows and threads.
/// </summary>
internal unsafe struct IntegerLinearJob : IParallelJob
{
    private const int FewRows = 2;

    // Outputs of a tile of few rows, and of many.
    private const int Two = 2, Eight = 8;

    // Blocks of k that many rows take at a time: the tile's weights and those of two rows of activations stay in the first-level cache.
    private const int PieceBlocks = 4;

    // Bytes ahead that are asked for: of rows of weights that lie side by side, those of the next.
    private const int Ahead = 8192;

    /// <summary>What is multiplied.</summary>
    public MatrixProduct P;

    private byte* _scratch;
    private long _scratchStride;
    private byte* _x;
    private long _xStride;
    private long _scaleBytes;
    private StepShares _shares;
    private delegate*<byte*, byte*, byte*, byte*, byte*, byte*, int, int, float*, void> _packed;

    private readonly int K => (int)P.K;

    private readonly WeightStorage Storage => P.Integers.Storage;

    private readonly bool IsFour => Storage.Format == WeightFormat.Int4;

    private readonly bool IsFew => P.Rows <= FewRows;

    private readonly int Outputs => IsFew ? Two : Eight;

    private readonly int Pairs => (P.Rows + 1) / 2;

    private readonly int Blocks => IntegerBlocks.Count(K);

    private readonly int XBlockBytes => IsFour ? IntegerBlocks.Bytes4 : IntegerBlocks.Bytes8;

    private readonly int BlockBytes => IsFour ? IntegerBlocks.Values / 2 : IntegerBlocks.Values;

    // A row's only scale is multiplied with its sum.
    private readonly bool HasRowScale => Storage.Group == 0 && !IsFour;

    // Scales are read where they are stored if there is one for each group of activations, and no block is part of one.
    private readonly bool HasStoredScales => IsFour && Storage.Group == RoundedRow.Group && K % IntegerBlocks.Values == 0;

    /// <summary>Runs the product.</summary>
    public void Start(CpuThreads threads)
    {
        if (P.Rows <= 0 || P.N <= 0)
            return;
        _packed = !HasStoredScales ? &IntegerKernels.Four<PackedFour, Float32Format> : Storage.ScaleFormat switch
        {
            WeightFormat.BFloat16 => &IntegerKernels.Four<PackedFour, BFloat16Format>,
            WeightFormat.Float16 => &IntegerKernels.Four<PackedFour, Float16Format>,
            _ => &IntegerKernels.Four<PackedFour, Float32Format>,
        };
        _scaleBytes = HasRowScale ? 0 : Blocks * IntegerBlocks.Groups * (long)sizeof(float);
        _xStride = (long)Blocks * XBlockBytes;
        // Per thread: sums, scales, last blocks that are not whole, unpacked weights. For all: the activations.
        long own = (long)Pairs * Outputs / 2 * 32 * sizeof(float) + Outputs * (_scaleBytes + IntegerBlocks.Values) + Eight * PieceBlocks * IntegerBlocks.Values;
        _scratch = threads.Scratch(own, out _scratchStride, P.Rows * _xStride);
        _x = _scratch + threads.Count * _scratchStride;
        for (int r = 0; r < P.Rows; r++)
            IntegerBlocks.Round(P.X + (long)r * K, K, _x + r * _xStride, IsFour);
        _shares = new StepShares(P.N, Outputs, P.Rows * (long)K, Storage.RowBytes(K) + Storage.ScaleBytes(K), threads.Count);
        threads.Run(ref this, _shares.Parts);
    }

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        Tile tile = new() { Sums = (float*)(_scratch + thread * _scratchStride) };
        tile.Widened = (float*)((byte*)tile.Sums + (long)Pairs * Outputs / 2 * 32 * sizeof(float));
        tile.Tails = (byte*)tile.Widened + Outputs * _scaleBytes;
        tile.Unpacked = tile.Tails + Outputs * IntegerBlocks.Values;
        int end = _shares.First(part + 1);
        for (tile.First = _shares.First(part); tile.First < end; tile.First += Outputs)
        {
            tile.Count = Math.Min(Outputs, end - tile.First);
            Run(tile);
        }
    }

    private readonly void Run(in Tile tile)
    {
        new Span<float>(tile.Sums, Pairs * Outputs / 2 * 32).Clear();
        for (int i = 0; i < tile.Count && _scaleBytes > 0 && !HasStoredScales; i++)
            WidenScales(tile.First + i, tile.Widened + i * _scaleBytes / sizeof(float));
        int whole = K / IntegerBlocks.Values, step = IsFew ? Math.Max(1, whole) : PieceBlocks;
        for (int block = 0; block < whole; block += step)
            Multiply(tile, block, Math.Min(step, whole - block), isTail: false);
        if (whole == Blocks)
        {
            Store(tile);
            return;
        }
        for (int i = 0; i < tile.Count; i++)
            CopyTail(tile.First + i, whole, tile.Tails + i * IntegerBlocks.Values);
        Multiply(tile, whole, 1, isTail: true);
        Store(tile);
    }

    // Blocks of all of the tile's weights with all rows.
    private readonly void Multiply(in Tile tile, int block, int blocks, bool isTail)
    {
        bool unpacks = IsFour && !IsFew;
        for (int i = 0; unpacks && i < tile.Count; i++)
            IntegerKernels.Unpack(Weights(tile, i, block, isTail), tile.Unpacked + i * PieceBlocks * IntegerBlocks.Values, blocks);
        float* sums = tile.Sums;
        for (int p = 0; p < Pairs; p++)
        {
            byte* x0 = _x + 2 * p * _xStride + (long)block * XBlockBytes, x1 = 2 * p + 1 < P.Rows ? x0 + _xStride : x0;
            for (int i = 0; i < Outputs; i += 2, sums += 32)
            {
                if (i >= tile.Count)
                    continue;
                int j = Math.Min(i + 1, tile.Count - 1);
                byte* s0 = Scales(tile, i, block), s1 = Scales(tile, j, block);
                if (unpacks)
                    Unpacked(tile, i, j, s0, s1, x0, x1, blocks, sums);
                else if (IsFour)
                    _packed(Weights(tile, i, block, isTail), Weights(tile, j, block, isTail), s0, s1, x0, x1, blocks, Ahead, sums);
                else
                    IntegerKernels.Eight(Weights(tile, i, block, isTail), Weights(tile, j, block, isTail),
                        Storage.Format == WeightFormat.Int8Packed ? (byte)128 : (byte)0, (float*)s0, (float*)s1, x0, x1, blocks, Ahead, sums);
            }
        }
    }

    private readonly void Unpacked(in Tile tile, int i, int j, byte* s0, byte* s1, byte* x0, byte* x1, int blocks, float* sums)
    {
        const int Stride = PieceBlocks * IntegerBlocks.Values;
        byte* w0 = tile.Unpacked + i * Stride, w1 = tile.Unpacked + j * Stride;
        if (!HasStoredScales || Storage.ScaleFormat == WeightFormat.Float32)
            IntegerKernels.Four<UnpackedFour, Float32Format>(w0, w1, s0, s1, x0, x1, blocks, 0, sums);
        else if (Storage.ScaleFormat == WeightFormat.BFloat16)
            IntegerKernels.Four<UnpackedFour, BFloat16Format>(w0, w1, s0, s1, x0, x1, blocks, 0, sums);
        else
            IntegerKernels.Four<UnpackedFour, Float16Format>(w0, w1, s0, s1, x0, x1, blocks, 0, sums);
    }

    private readonly byte* Weights(in Tile tile, int i, int block, bool isTail) => isTail
        ? tile.Tails + i * IntegerBlocks.Values : (byte*)P.Integers.Data + (tile.First + i) * Storage.RowBytes(K) + (long)block * BlockBytes;

    // The scales of a block: as they are stored, or widened; null: there is none but the row's.
    private readonly byte* Scales(in Tile tile, int i, int block)
    {
        int group = block * IntegerBlocks.Groups;
        if (HasRowScale)
            return null;
        return HasStoredScales
            ? (byte*)P.Integers.Scales + (tile.First + i) * Storage.ScaleBytes(K) + WeightFormats.Bytes(Storage.ScaleFormat, group)
            : (byte*)tile.Widened + i * _scaleBytes + group * sizeof(float);
    }

    private readonly void WidenScales(int row, float* to)
    {
        int groups = Blocks * IntegerBlocks.Groups, there = RoundedRow.Groups(K);
        for (int g = 0; g < groups; g++)
            to[g] = g >= there ? 0 : g > 0 && Storage.Group == 0 ? to[0] : WeightFormats.Scale(P.Integers, row, g * RoundedRow.Group);
    }

    // The last values of a row, filled up: activations are zeros there.
    private readonly void CopyTail(int row, int block, byte* to)
    {
        long bytes = Storage.RowBytes(K), offset = (long)block * BlockBytes;
        new Span<byte>(to, IntegerBlocks.Values).Clear();
        Unsafe.CopyBlockUnaligned(to, (byte*)P.Integers.Data + row * bytes + offset, (uint)(bytes - offset));
    }

    private readonly void Store(in Tile tile)
    {
        float* sums = tile.Sums;
        for (int p = 0; p < Pairs; p++)
        {
            for (int i = 0; i < Outputs; i += 2, sums += 32)
            {
                for (int j = 0; j < 4; j++)
                {
                    int row = 2 * p + j / 2, output = i + j % 2;
                    if (row < P.Rows && output < tile.Count)
                        Store(row, tile.First + output, System.Runtime.Intrinsics.Vector256.Sum(System.Runtime.Intrinsics.Vector256.Load(sums + 8 * j)));
                }
            }
        }
    }

    private readonly void Store(int row, int column, float sum)
    {
        if (HasRowScale)
            sum *= WeightFormats.Scale(P.Integers, column, 0);
        float* y = P.Y + (long)row * P.N + column;
        *y = P.Accumulate ? *y + sum : sum;
    }

    /// <summary>Outputs that are computed together, and a thread's memory for them.</summary>
    private struct Tile
    {
        /// <summary>The first output.</summary>
        public int First;

        /// <summary>How many.</summary>
        public int Count;

        /// <summary>Vectors of sums: for each two rows of activations, for each two rows of weights, four.</summary>
        public float* Sums;

        /// <summary>Scales that are not read where they are stored, for each row of weights.</summary>
        public float* Widened;

        /// <summary>The last block of each row of weights.</summary>
        public byte* Tails;

        /// <summary>Weights of 4 bits, unpacked, for many rows.</summary>
        public byte* Unpacked;
    }
}
