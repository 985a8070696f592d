using System.Runtime.Intrinsics;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>The processor's kernels for weights of one format.</summary>
internal readonly unsafe struct CpuFormat
{
    // In WeightFormat's order; integers have kernels of their own.
    private static readonly CpuFormat[] Formats = [Kernels<Float32Format, uint>(), Kernels<BFloat16Format, ushort>(), Kernels<Float16Format, ushort>()];

    /// <summary>Bytes of a value.</summary>
    public int Size { get; private init; }

    /// <summary>Products of many rows, and convolutions.</summary>
    public delegate*<CpuThreads, in MatrixProduct, void> Prefill { get; private init; }

    /// <summary>Products of a decoding step's few rows.</summary>
    public delegate*<CpuThreads, in MatrixProduct, void> Decode { get; private init; }

    /// <summary>Values from a weight's value first on, to as many of float32.</summary>
    public delegate*<float*, void*, long, int, void> Widen { get; private init; }

    /// <summary>A convolution's kernel as panels, in memory of its own.</summary>
    public delegate*<CpuThreads, DeviceMemory, WeightSpec, void*, void*> Pack { get; private init; }

    /// <summary>A convolution's kernel of 7 taps as minimal filtering multiplies it, in memory of its own.</summary>
    public delegate*<CpuThreads, DeviceMemory, WeightSpec, void*, void*> Filter { get; private init; }

    /// <summary>The kernels for a format.</summary>
    public static ref readonly CpuFormat Of(WeightFormat format) => ref Formats[(int)format];

    private static CpuFormat Kernels<TFormat, TValue>()
        where TFormat : struct, IStoredFormat
        where TValue : unmanaged => new()
        {
            Size = TFormat.Size,
            Prefill = &RunGemm<TFormat>,
            Decode = &RunStep<TFormat>,
            Widen = &WidenValues<TFormat>,
            Pack = &PackJob<TValue>.Pack,
            Filter = &FilteredKernel<TFormat>.Prepare,
        };

    private static void RunGemm<TFormat>(CpuThreads threads, in MatrixProduct product)
        where TFormat : struct, IStoredFormat
    {
        GemmJob<TFormat> job = new() { P = product };
        job.Start(threads);
    }

    private static void RunStep<TFormat>(CpuThreads threads, in MatrixProduct product)
        where TFormat : struct, IStoredFormat
    {
        StepLinearJob<TFormat> job = new() { P = product };
        job.Start(threads);
    }

    private static void WidenValues<TFormat>(float* to, void* from, long first, int count)
        where TFormat : struct, IStoredFormat
    {
        byte* values = (byte*)from + first * TFormat.Size;
        int i = 0;
        for (; i <= count - 8; i += 8)
            Vector256.Store(TFormat.Load8(values + (long)i * TFormat.Size), to + i);
        for (; i < count; i++)
            to[i] = TFormat.Read(values + (long)i * TFormat.Size);
    }
}

/// <summary>How the weights of a product lie.</summary>
internal enum WeightOrder
{
    /// <summary>w[c, k] at c·WStride + k.</summary>
    Rows,

    /// <summary>w[c, k] at k·WStride + c: the weights of a forward product, in its input's gradient.</summary>
    Columns,

    /// <summary>As <see cref="PackJob{T}"/> lays them out.</summary>
    Panels,

    /// <summary>
    /// Such panels of K columns, in the gradient of their input: w[c, k] is column k at position c, and WStride the positions of a panel.
    /// </summary>
    PanelColumns,
}

/// <summary>What a matrix product is of: y[r, c] = Σ_k a[r, k]·w[c, k] (+ bias, + y).</summary>
internal unsafe struct MatrixProduct
{
    /// <summary>A product whose results are [Rows, N], one behind the other.</summary>
    public MatrixProduct()
    {
    }

    /// <summary>The first result.</summary>
    public float* Y;

    /// <summary>From a result to the next row's, and to the next column's.</summary>
    public long YStride;
    public int YStep = 1;

    /// <summary>First value of a's first row.</summary>
    public float* X;

    /// <summary>The first weight.</summary>
    public byte* W;
    public WeightOrder WOrder;
    public long WStride;

    /// <summary>Weights in place of W that are integers times scales, in WeightOrder.Rows.</summary>
    public StoredWeight Integers;

    /// <summary>Bias of column c at c modulo BiasCount; null: none.</summary>
    public float* Bias;
    public int BiasCount;

    /// <summary>Where Snake of the results goes, laid out like Y, which it may be (YStep is 1), and its α of BiasCount columns; null: none is wanted.</summary>
    public float* Snake;
    public float* Alpha;
    public int Rows;
    public int N;
    public long K;

    /// <summary>A row of a consists of runs of TapLength contiguous values, TapStride apart; RowStride is from one row's first to the next's.</summary>
    public long RowStride;
    public int TapLength;
    public long TapStride;

    /// <summary>a[r, k] is at k·RowStride + r: rows of a are columns of what is read.</summary>
    public bool Transposed;
    public bool Accumulate;

    /// <summary>Whether weights are integers.</summary>
    public readonly bool HasIntegers => Integers.Data != null;
}
