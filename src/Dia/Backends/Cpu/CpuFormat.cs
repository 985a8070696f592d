using System.Runtime.Intrinsics;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>The processor's kernels for weights of one format.</summary>
internal readonly unsafe struct CpuFormat
{
    // In WeightFormat's order.
    private static readonly CpuFormat[] Formats = [Kernels<Float32Format, uint>(), Kernels<BFloat16Format, ushort>(), Kernels<Float16Format, ushort>()];

    /// <summary>Products of many rows, and convolutions.</summary>
    public delegate*<CpuThreads, in MatrixProduct, void> Prefill { get; private init; }

    /// <summary>Products of a decoding step's few rows.</summary>
    public delegate*<CpuThreads, in MatrixProduct, void> Decode { get; private init; }

    /// <summary>Values from a weight's value first on, to as many of float32.</summary>
    public delegate*<float*, void*, long, int, void> Widen { get; private init; }

    /// <summary>A convolution's kernel as panels, in memory of its own.</summary>
    public delegate*<CpuThreads, DeviceMemory, WeightSpec, void*, void*> Pack { get; private init; }

    /// <summary>The kernels for a format.</summary>
    public static ref readonly CpuFormat Of(WeightFormat format) => ref Formats[(int)format];

    private static CpuFormat Kernels<TFormat, TValue>()
        where TFormat : struct, IStoredFormat
        where TValue : unmanaged => new()
        {
            Prefill = &RunGemm<TFormat>,
            Decode = &RunStep<TFormat>,
            Widen = &WidenValues<TFormat>,
            Pack = &PackJob<TValue>.Pack,
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

/// <summary>What a matrix product is of: y[r, c] = Σ_k a[r, k]·w[c, k] (+ bias, + y).</summary>
internal unsafe struct MatrixProduct
{
    /// <summary>Outputs [Rows, N].</summary>
    public float* Y;

    /// <summary>First value of a's first row.</summary>
    public float* X;

    /// <summary>Weights: rows [N, K], or panels (see <see cref="GemmPanels"/>) if <see cref="Packed"/>.</summary>
    public byte* W;

    /// <summary>Bias of column c at c modulo BiasCount; null: none.</summary>
    public float* Bias;
    public int BiasCount;
    public int Rows;
    public int N;
    public long K;

    /// <summary>A row of a consists of runs of TapLength contiguous values, TapStride apart; RowStride is from one row's first to the next's.</summary>
    public long RowStride;
    public int TapLength;
    public long TapStride;
    public bool Packed;
    public bool Accumulate;
}
