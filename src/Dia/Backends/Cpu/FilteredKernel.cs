using Dia.Graph;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// Lays out a convolution's kernel of 7 taps for <see cref="FilteredConvolutionJob"/>: for each point of <see cref="MinimalFilter"/> the panels of a matrix
/// [inputs, outputs], in float32. They are 10/7 of the kernel's values.
/// </summary>
internal unsafe struct FilteredKernel : IParallelJob
{
    public float* To;
    public void* From;
    public WeightFormat Format;
    public int Inputs;
    public int Outputs;

    /// <summary>Bytes of a kernel that is prepared so.</summary>
    public static long Bytes(WeightSpec spec) => spec.Count / ConvolutionWindow.FilterTaps * MinimalFilter.Points * sizeof(float);

    /// <summary>Prepares a kernel [outputs, inputs, 7] in memory of its own.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static Weight Prepare(CpuThreads threads, DeviceMemory memory, WeightSpec spec, in StoredWeight stored)
    {
        FilteredKernel job = new() { From = stored.Data, Format = stored.Format, Outputs = spec.Shape[0], Inputs = spec.Shape[1] };
        int panels = Gemm.Panels(job.Outputs);
        job.To = memory.Allocate((long)MinimalFilter.Points * panels * job.Inputs * Gemm.PanelColumns);
        try
        {
            threads.Run(ref job, panels);
            return new Weight(job.To, WeightFormat.Float32) { IsFiltered = true };
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
        int width = Gemm.PanelColumns, count = Math.Min(width, Outputs - part * width);
        long pointStride = (long)Gemm.Panels(Outputs) * Inputs * width;
        float* panel = To + (long)part * Inputs * width;
        float* taps = stackalloc float[Taps];
        Span<float> products = stackalloc float[MinimalFilter.Points];
        for (int j = 0; j < width; j++)
        {
            for (long i = 0; i < Inputs; i++)
            {
                products.Clear();
                if (j < count)
                {
                    CpuFormat.Of(Format).Widen(taps, From, (((long)part * width + j) * Inputs + i) * Taps, Taps);
                    MinimalFilter.Kernel(new(taps, Taps), products);
                }
                for (int p = 0; p < products.Length; p++)
                    panel[p * pointStride + i * width + j] = products[p];
            }
        }
    }
}
