using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// The linear layer of a decoding step with integer weights and rounded activations (<see cref="RoundedRow"/>): w [n, k] and its scales are read once, as
/// they are stored. Up to two rows of activations are bound by memory: two rows of weights at a time, far apart, from end to
/// end. More are bound by arithmetic: eight rows of weights, a piece of k at a time, unpacked once for all
/// rows of activations. Each output is the sum of eight or sixteen lanes over ascending k, the same for any number of rows and threads.
/// </summary>
internal unsafe struct IntegerLinearJob : IParallelJob
{
    private const int FewRows = 2;

    // Outputs of a tile of few rows, and of many.
    private const int OutputsOfFew = 2, OutputsOfMany = 8;

    // Blocks of k that many rows take at a time: the tile's weights and those of two rows of activations stay in the first-level cache.
    private const int PieceBlocks = 4;

    // Four vectors, of as many lanes as the kernels'.
    private static readonly int SumsOfTwo = WideIntegerKernels.AreCompiled ? 4 * 16 : 4 * 8;

    // Bytes ahead that are asked for.
    private const int Ahead = 4096;

    /// <summary>What is multiplied.</summary>
    public MatrixProduct P;

    private byte* _scratch;
    private long _scratchStride;
    private byte* _x;
    private long _xStride;
    private long _scaleBytes;
    private StepShares _shares;
    private long _rowBytes;
    private long _storedScaleBytes;
    private byte _flip;
    private delegate*<byte*, byte*, byte*, byte*, byte*, byte*, int, int, float*, void> _fourBits;
    private delegate*<byte*, byte*, byte, float*, float*, byte*, byte*, int, int, float*, void> _eightBits;

    private readonly int K => (int)P.K;

    private readonly WeightStorage Storage => P.Integers.Storage;

    private readonly bool IsFour => Storage.Format == WeightFormat.Int4;

    private readonly bool IsFew => P.Rows <= FewRows;

    private readonly int Outputs => IsFew ? OutputsOfFew : OutputsOfMany;

    private readonly int Pairs => (P.Rows + 1) / 2;

    private readonly int Blocks => IntegerBlocks.Count(K);

    // Of each two rows of weights by two of activations, four vectors.
    private readonly int SumFloats => Pairs * (Outputs / 2) * SumsOfTwo;

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
        if (AvxVnni.IsSupported)
            ChooseKernels<VnniProducts>();
        else if (Avx2.IsSupported)
            ChooseKernels<Avx2Products>();
        else
            ChooseKernels<PlainProducts>();
        _flip = (byte)(Storage.Format == WeightFormat.Int8Packed ? 128 : 0);
        (_rowBytes, _storedScaleBytes) = (Storage.RowBytes(K), Storage.ScaleBytes(K));
        _scaleBytes = HasRowScale ? 0 : Blocks * IntegerBlocks.Groups * (long)sizeof(float);
        _xStride = (long)Blocks * XBlockBytes;
        // Per thread: sums, scales, last blocks that are not whole, unpacked weights. For all: the activations.
        long own = (long)SumFloats * sizeof(float) + Outputs * (_scaleBytes + IntegerBlocks.Values) + OutputsOfMany * PieceBlocks * IntegerBlocks.Values;
        _scratch = threads.Scratch(own, out _scratchStride, P.Rows * _xStride);
        _x = _scratch + threads.Count * _scratchStride;
        for (int r = 0; r < P.Rows; r++)
            IntegerBlocks.Round(P.X + (long)r * K, K, _x + r * _xStride, IsFour);
        _shares = new StepShares(P.N, Outputs, P.Rows * (long)K, _rowBytes + _storedScaleBytes, threads.Count);
        threads.Run(ref this, _shares.Parts);
    }

    private void ChooseKernels<TProducts>()
        where TProducts : struct, IIntegerProducts
    {
        _eightBits = WideIntegerKernels.AreCompiled ? &WideIntegerKernels.EightBits : &IntegerKernels.EightBits<TProducts>;
        // Scales are float32 where they are widened.
        switch (HasStoredScales ? Storage.ScaleFormat : WeightFormat.Float32)
        {
            case WeightFormat.BFloat16:
                ChooseFourBits<BFloat16Format, TProducts>();
                break;
            case WeightFormat.Float16:
                ChooseFourBits<Float16Format, TProducts>();
                break;
            default:
                ChooseFourBits<Float32Format, TProducts>();
                break;
        }
    }

    // Many rows have weights unpacked for all of them.
    private void ChooseFourBits<TScale, TProducts>()
        where TScale : struct, IStoredFormat
        where TProducts : struct, IIntegerProducts =>
        _fourBits = (WideIntegerKernels.AreCompiled, IsFew) switch
        {
            (true, true) => &WideIntegerKernels.FourBits<PackedFour, TScale>,
            (true, false) => &WideIntegerKernels.FourBits<UnpackedFour, TScale>,
            (false, true) => &IntegerKernels.FourBits<PackedFour, TScale, TProducts>,
            (false, false) => &IntegerKernels.FourBits<UnpackedFour, TScale, TProducts>,
        };

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        Tile tile = new() { Sums = (float*)(_scratch + thread * _scratchStride) };
        tile.Widened = (float*)((byte*)tile.Sums + (long)SumFloats * sizeof(float));
        tile.Tails = (byte*)tile.Widened + Outputs * _scaleBytes;
        tile.Unpacked = tile.Tails + Outputs * IntegerBlocks.Values;
        int first = _shares.First(part), end = _shares.First(part + 1);
        if (IsFew)
        {
            int apart = (end - first) / 2;
            for (int n = first; n < first + apart; n++)
                RunTwo(n, n + apart, tile);
            for (int n = first + 2 * apart; n < end; n += 2)
                RunTwo(n, Math.Min(n + 1, end - 1), tile);
            return;
        }
        for (tile.First = first; tile.First < end; tile.First += Outputs)
        {
            tile.Count = Math.Min(Outputs, end - tile.First);
            Run(tile);
        }
    }

    // Two outputs of up to two rows, from end to end.
    private readonly void RunTwo(int n0, int n1, in Tile tile)
    {
        int whole = K / IntegerBlocks.Values;
        byte* w0 = Row(n0), w1 = Row(n1), s0 = null, s1 = null;
        if (HasStoredScales)
        {
            s0 = (byte*)P.Integers.Scales + n0 * _storedScaleBytes;
            s1 = (byte*)P.Integers.Scales + n1 * _storedScaleBytes;
        }
        else if (_scaleBytes > 0)
        {
            s0 = (byte*)tile.Widened;
            s1 = s0 + _scaleBytes;
            WidenScales(n0, (float*)s0);
            WidenScales(n1, (float*)s1);
        }
        byte* x1 = _x + (P.Rows - 1) * _xStride;
        float* sums = tile.Sums;
        new Span<float>(sums, SumsOfTwo).Clear();
        Kernel(w0, w1, s0, s1, _x, x1, whole, sums);
        if (whole < Blocks)
        {
            CopyTail(n0, whole, tile.Tails);
            CopyTail(n1, whole, tile.Tails + IntegerBlocks.Values);
            long scales = s0 == null ? 0 : (long)whole * IntegerBlocks.Groups * sizeof(float), x = (long)whole * XBlockBytes;
            Kernel(tile.Tails, tile.Tails + IntegerBlocks.Values, s0 + scales, s1 + scales, _x + x, x1 + x, 1, sums);
        }
        Vector128<float> four = SumFour(sums);
        for (int r = 0; r < P.Rows; r++)
        {
            Store(r, n0, four[2 * r]);
            if (n1 != n0) // a last output that is alone
                Store(r, n1, four[2 * r + 1]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Kernel(byte* w0, byte* w1, byte* s0, byte* s1, byte* x0, byte* x1, int blocks, float* sums)
    {
        if (IsFour)
            _fourBits(w0, w1, s0, s1, x0, x1, blocks, Ahead, sums);
        else
            _eightBits(w0, w1, _flip, (float*)s0, (float*)s1, x0, x1, blocks, Ahead, sums);
    }

    private readonly byte* Row(int n) => (byte*)P.Integers.Data + n * _rowBytes;

    private readonly void Run(in Tile tile)
    {
        new Span<float>(tile.Sums, SumFloats).Clear();
        for (int i = 0; i < tile.Count && _scaleBytes > 0 && !HasStoredScales; i++)
            WidenScales(tile.First + i, tile.Widened + i * _scaleBytes / sizeof(float));
        int whole = K / IntegerBlocks.Values;
        for (int block = 0; block < whole; block += PieceBlocks)
            Multiply(tile, block, Math.Min(PieceBlocks, whole - block), isTail: false);
        for (int i = 0; whole < Blocks && i < tile.Count; i++)
            CopyTail(tile.First + i, whole, tile.Tails + i * IntegerBlocks.Values);
        if (whole < Blocks)
            Multiply(tile, whole, 1, isTail: true);
        Store(tile);
    }

    // Blocks of all of the tile's weights with all rows.
    private readonly void Multiply(in Tile tile, int block, int blocks, bool isTail)
    {
        for (int i = 0; IsFour && i < tile.Count; i++)
            IntegerKernels.Unpack(Stored(tile, i, block, isTail), tile.Unpacked + i * PieceBlocks * IntegerBlocks.Values, blocks);
        float* sums = tile.Sums;
        for (int p = 0; p < Pairs; p++)
        {
            byte* x0 = _x + 2 * p * _xStride + (long)block * XBlockBytes, x1 = 2 * p + 1 < P.Rows ? x0 + _xStride : x0;
            for (int i = 0; i < Outputs; i += 2, sums += SumsOfTwo)
            {
                if (i >= tile.Count)
                    continue;
                int j = Math.Min(i + 1, tile.Count - 1);
                Kernel(Weights(tile, i, block, isTail), Weights(tile, j, block, isTail), Scales(tile, i, block), Scales(tile, j, block), x0, x1, blocks, sums);
            }
        }
    }

    private readonly byte* Weights(in Tile tile, int i, int block, bool isTail) =>
        IsFour ? tile.Unpacked + i * PieceBlocks * IntegerBlocks.Values : Stored(tile, i, block, isTail);

    private readonly byte* Stored(in Tile tile, int i, int block, bool isTail) =>
        isTail ? tile.Tails + i * IntegerBlocks.Values : Row(tile.First + i) + (long)block * BlockBytes;

    // The scales of a block: as they are stored, or widened; null: there is none but the row's.
    private readonly byte* Scales(in Tile tile, int i, int block)
    {
        int group = block * IntegerBlocks.Groups;
        if (HasRowScale)
            return null;
        return HasStoredScales
            ? (byte*)P.Integers.Scales + (tile.First + i) * _storedScaleBytes + WeightFormats.Bytes(Storage.ScaleFormat, group)
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
        long offset = (long)block * BlockBytes;
        new Span<byte>(to, IntegerBlocks.Values).Clear();
        Unsafe.CopyBlockUnaligned(to, Row(row) + offset, (uint)(_rowBytes - offset));
    }

    private static Vector128<float> SumFour(float* vectors) =>
        WideIntegerKernels.AreCompiled ? WideIntegerKernels.SumFour(vectors) : IntegerKernels.SumFour(vectors);

    private readonly void Store(in Tile tile)
    {
        float* sums = tile.Sums;
        for (int p = 0; p < Pairs; p++)
        {
            for (int i = 0; i < Outputs; i += 2, sums += SumsOfTwo)
            {
                Vector128<float> four = SumFour(sums);
                for (int j = 0; j < 4; j++)
                {
                    int row = 2 * p + j / 2, output = i + j % 2;
                    if (row < P.Rows && output < tile.Count)
                        Store(row, tile.First + output, four[j]);
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
