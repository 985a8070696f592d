using System.Diagnostics;
using System.Numerics;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Graph;
using Dia.Weights;
using static Dia.Bench.Kernels;

namespace Dia.Bench;

/// <summary>
/// Gradients on the processor at the shapes of Dia 1.6B: linear layers beside their forward product, attention, and the optimizer's step beside a copy.
/// </summary>
internal static unsafe class Training
{
    private const int Rows = 256, TextLength = 170, Passes = 5;
    private const double Seconds = 0.1;

    public static void Run(int threads)
    {
        Console.WriteLine($"{threads} threads, {Vector<float>.Count * 32}-bit vectors; of the multiply-adds that the registers reach in the same second");
        using CpuBackend cpu = new(threads);
        foreach (WeightFormat format in (ReadOnlySpan<WeightFormat>)[WeightFormat.Float32, WeightFormat.BFloat16])
        {
            double work = 0, time = 0;
            foreach ((int n, int k) in (ReadOnlySpan<(int, int)>)[(2048, 2048), (512, 2048), (16384, 2048), (2048, 8192), (9252, 2048), (8192, 1024)])
                Linear(cpu, format, n, k, ref work, ref time);
            Console.WriteLine($"{format} linear layers together, forward and backward: {work / time:P0}");
        }

        Attention(cpu, Rows, Rows, 4, true);
        Attention(cpu, Rows, TextLength, 16, false);
        Attention(cpu, TextLength, TextLength, 16, false);
        Optimizer(cpu);
    }

    private static void Linear(CpuBackend cpu, WeightFormat format, int n, int k, ref double allWork, ref double allTime)
    {
        long count = (long)n * k;
        float* w = Values(cpu, count), dw = Values(cpu, count), x = Values(cpu, Rows * k), y = Values(cpu, (long)Rows * n);
        WeightFormats.Write(new ReadOnlySpan<float>(w, (int)count), format, w); // in place: no format is wider
        Weight weight = cpu.Prepare(new WeightSpec("w", [n, k], WeightRole.Linear), new StoredWeight { Data = w, Format = format });
        double work = 2.0 * Rows * count;
        double forward = OfPeak(cpu, work, () => cpu.Linear(y, x, weight, Rows, n, k, Phase.Prefill, false));
        double input = OfPeak(cpu, work, () => cpu.LinearInputGradient(x, y, weight, Rows, n, k, false));
        double weights = OfPeak(cpu, work, () => cpu.LinearWeightGradient(dw, y, x, Rows, n, k));
        Console.WriteLine($"{format,-8} n {n,5} k {k,5}: forward {forward:P0}, gradient of the input {input:P0}, of the weight {weights:P0}");
        allWork += 3 * work;
        allTime += work * (1 / forward + 1 / input + 1 / weights);
        foreach (nint p in (ReadOnlySpan<nint>)[(nint)w, (nint)dw, (nint)x, (nint)y])
            cpu.Memory.Free((void*)p);
    }

    private static void Attention(CpuBackend cpu, int rows, int keys, int keyHeads, bool causal)
    {
        const int Heads = 16, HeadDim = 128;
        long queries = (long)rows * Heads * HeadDim, width = (long)keyHeads * HeadDim;
        float* q = Values(cpu, queries), y = Values(cpu, queries), dq = Values(cpu, queries), k = Values(cpu, keys * width), v = Values(cpu, keys * width);
        float* dk = Values(cpu, keys * width), dv = Values(cpu, keys * width);
        AttentionItem item = new() { Rows = rows, Keys = k, Values = v, KeyCount = keys, CausalStart = causal ? 0 : -1 };
        AttentionBatch batch = new(&item, 1, rows, keys);
        double pairs = causal ? rows * (rows + 1) / 2 : rows * keys, product = 2 * pairs * Heads * HeadDim;
        double forward = OfPeak(cpu, 2 * product, () => cpu.Attention(y, q, batch, 0, Heads, keyHeads, HeadDim, null));
        double backward = OfPeak(cpu, 5 * product, () => cpu.AttentionGradient(dq, dk, dv, y, q, y, batch, 0, Heads, keyHeads, HeadDim));
        Console.WriteLine($"attention, {rows} rows{(causal ? ", causal" : "")}, {keys} keys, {Heads}/{keyHeads} heads: forward {forward:P0}, gradient {backward:P0} ({
            5 * product / 1e9:F1} GFLOP)");
        foreach (nint p in (ReadOnlySpan<nint>)[(nint)q, (nint)y, (nint)dq, (nint)k, (nint)v, (nint)dk, (nint)dv])
            cpu.Memory.Free((void*)p);
    }

    private static void Optimizer(CpuBackend cpu)
    {
        const long Count = 32 << 20;
        float* w = Values(cpu, Count), m = Values(cpu, Count), v = Values(cpu, Count), g = Values(cpu, Count);
        new Span<float>(v, (int)Count).Fill(0.01f);
        List<double> step = [], norm = [];
        for (int pass = 0; pass < Passes; pass++)
        {
            double copied = 2 * Count / Time(() => cpu.Copy(g, w, Count), Seconds);
            step.Add(7 * Count / Time(() => cpu.AdamW(w, m, v, g, Count, new AdamWStep(9, 1e-3, 0.9, 0.999, 1e-8, 0.01, 0.5)), Seconds) / copied);
            norm.Add(Count / Time(() => cpu.SquaredNorm(g, Count), Seconds) / copied);
        }
        step.Sort();
        norm.Sort();
        Console.WriteLine($"AdamW: {step[Passes / 2]:P0} of the speed of a copy; norm: {norm[Passes / 2]:P0}");
        foreach (nint p in (ReadOnlySpan<nint>)[(nint)w, (nint)m, (nint)v, (nint)g])
            cpu.Memory.Free((void*)p);
    }

    // The median of some passes, each beside a look at the processor's speed at that moment.
    private static double OfPeak(CpuBackend cpu, double work, Action run)
    {
        List<double> ratios = [];
        for (int pass = 0; pass < Passes; pass++)
            ratios.Add(work / Time(run, Seconds) / CpuMeasure.PeakFlops(cpu.Threads));
        ratios.Sort();
        return ratios[Passes / 2];
    }
}
