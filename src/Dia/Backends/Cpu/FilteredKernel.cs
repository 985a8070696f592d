using System.Runtime.Intrinsics;
using Dia.Graph;
using Dia.IO;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// Lays out a convolution's kernel of 7 taps for <see cref="FilteredConvolutionJob"/>: for each point of <see cref="MinimalFilter"/> the panels of a matrix
/// [inputs, outputs], in float32. They are 10/7 of the kernel's values.
/// </summary>
internal unsafe struct FilteredKernel<TFormat> : IParallelJob
    where TFormat : struct, IStoredFormat
{
    // Inputs at a time: their taps of eight columns stay in the first-level cache.
    private const int Block = 64;

    public float* To;
    public byte* From;
    public int Inputs;
    public int Outputs;

    /// <summary>Prepares a kernel [outputs, inputs, 7] in memory of its own.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static void* Prepare(CpuThreads threads, DeviceMemory memory, WeightSpec spec, void* from)
    {
        FilteredKernel<TFormat> job = new() { From = (byte*)from, Outputs = spec.Shape[0], Inputs = spec.Shape[1] };
        long count = MinimalFilter.KernelValues(spec);
        job.To = memory.Allocate(count);
        LargePages.AskToFill(job.To, count * sizeof(float));
        try
        {
            threads.Run(ref job, Gemm.Panels(job.Outputs));
            return job.To;
        }
        catch
        {
            memory.Free(job.To);
            throw;
        }
    }

    /// <summary>One panel of every point.</summary>
    public readonly void Run(int part, int thread)
    {
        const int Taps = ConvolutionWindow.FilterTaps;
        int width = Gemm.PanelColumns;
        long pointStride = (long)Gemm.Panels(Outputs) * Inputs * width, row = (long)Inputs * Taps;
        float* panel = To + (long)part * Inputs * width;
        float* taps = stackalloc float[Block * Taps * 8];
        for (int j = 0; j < width; j += 8)
        {
            // Columns behind the last are zeros.
            int first = part * width + j, count = Math.Clamp(Outputs - first, 0, 8);
            for (int start = 0; start < Inputs; start += Block)
            {
                int inputs = Math.Min(Block, Inputs - start);
                GemmPanels.Transpose<TFormat>(taps, 8, From + (first * row + (long)start * Taps) * TFormat.Size, row, count, inputs * Taps);
                for (int i = 0; i < inputs; i++)
                    Filter(taps + i * Taps * 8, panel + (long)(start + i) * width + j, pointStride);
            }
        }
    }

    // Eight columns' taps of an input [7, 8].
    private static void Filter(float* taps, float* to, long pointStride)
    {
        Span<Vector256<double>> lower = stackalloc Vector256<double>[ConvolutionWindow.FilterTaps],
            upper = stackalloc Vector256<double>[ConvolutionWindow.FilterTaps];
        Span<Vector256<double>> lowerProducts = stackalloc Vector256<double>[MinimalFilter.Points],
            upperProducts = stackalloc Vector256<double>[MinimalFilter.Points];
        for (int t = 0; t < lower.Length; t++)
            (lower[t], upper[t]) = Vector256.Widen(Vector256.Load(taps + t * 8));
        MinimalFilter.Kernel(lower, lowerProducts);
        MinimalFilter.Kernel(upper, upperProducts);
        for (int p = 0; p < lowerProducts.Length; p++, to += pointStride)
            Vector256.Narrow(lowerProducts[p], upperProducts[p]).Store(to);
    }
}
