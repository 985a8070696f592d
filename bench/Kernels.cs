using System.Diagnostics;
using System.Numerics;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Checks;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Bench;

/// <summary>
/// What <c>dia bench</c> does not time, on the processor: linear layers of a step by the number of rows, in every format of weights; attention by the
/// number of keys; what it costs to give work to all threads, and to have more of them than processors.
/// </summary>
internal static unsafe class Kernels
{
    public static void Run(int threads)
    {
        double bandwidth = CpuMeasure.ReadBandwidth(threads), peak = CpuMeasure.PeakFlops(threads);
        Console.WriteLine($"{threads} threads, {Vector<float>.Count * 32}-bit vectors: {bandwidth / 1e9:F1} GB/s, {peak / 1e9:F0} GFLOP/s");
        using CpuBackend cpu = new(threads);
        foreach (WeightFormat format in new[] { WeightFormat.Float32, WeightFormat.BFloat16, WeightFormat.Float16 })
        {
            foreach (int rows in new[] { 1, 2, 3, 4, 8, 16 })
            {
                foreach ((int n, int k) in new[] { (2048, 8192), (2048, 2048) })
                    Rows(cpu, format, rows, n, k);
            }
        }

        foreach ((int n, int k) in new[] { (16384, 2048), (2048, 8192), (2048, 2048) })
            MoreThreads(cpu, n, k);
        ForkJoin(cpu);
        foreach (int keys in new[] { 100, 1000, 3000 })
            StepAttention(cpu, keys, Heads, 4, bandwidth);
        StepAttention(cpu, 170, Heads, Heads, bandwidth);
        Attention(cpu, 1, 170, 170);
    }

    /// <summary>Best time of a run, over so many seconds.</summary>
    internal static double Time(Action run, double seconds = 0.3)
    {
        run();
        double best = double.MaxValue;
        long start = Stopwatch.GetTimestamp();
        do
        {
            long t = Stopwatch.GetTimestamp();
            run();
            best = Math.Min(best, Stopwatch.GetElapsedTime(t).TotalSeconds);
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);
        return best;
    }

    internal static float* Values(CpuBackend cpu, long count)
    {
        float* p = cpu.Memory.Allocate(count);
        uint state = 1;
        for (long i = 0; i < count; i++)
        {
            state = state * 1664525 + 1013904223;
            p[i] = (state >> 8) / 16777216f - 0.5f;
        }
        return p;
    }

    private static StoredWeight Store(CpuBackend cpu, WeightFormat format, WeightSpec spec)
    {
        float* values = Values(cpu, spec.Count);
        WeightFormats.Write(new ReadOnlySpan<float>(values, (int)spec.Count), format, values); // in place: no format is wider
        return new StoredWeight { Data = values, Format = format };
    }

    /// <summary>A prepared weight and what it was made of.</summary>
    private sealed class Prepared : IDisposable
    {
        private readonly CpuBackend _cpu;
        private readonly WeightSpec _spec;
        private readonly StoredWeight _stored;

        public Prepared(CpuBackend cpu, WeightFormat format, WeightRole role, params int[] shape)
        {
            (_cpu, _spec) = (cpu, new WeightSpec("w", shape, role));
            _stored = Store(cpu, format, _spec);
            Weight = cpu.Prepare(_spec, _stored);
        }

        public Weight Weight { get; }

        /// <summary>One of the matrices that lie one after the other in it.</summary>
        public Weight Matrix(int index) => _cpu.Prepare(_spec, _stored.From((long)index * _spec.Shape[1] * _spec.Shape[2]));

        public void Dispose()
        {
            _cpu.Release(_spec, Weight);
            _cpu.Memory.Free(_stored.Data);
        }
    }

    // Each pass beside a look at the processor's speed at that moment: on a shared machine it changes from second to second.
    private static void Rows(CpuBackend cpu, WeightFormat format, int rows, int n, int k)
    {
        int size = format == WeightFormat.Float32 ? 4 : 2, copies = (int)Math.Clamp(200_000_000L / ((long)n * k * size), 1, 64);
        using Prepared w = new(cpu, format, WeightRole.Linear, copies, n, k);
        float* x = Values(cpu, rows * k), y = cpu.Memory.Allocate(rows * n);
        List<double> ofPeak = [];
        double bandwidth = CpuMeasure.ReadBandwidth(cpu.Threads);
        double best = double.MaxValue;
        int next = 0;
        for (int pass = 0; pass < 5; pass++)
        {
            double time = double.MaxValue;
            for (int i = 0; i < 10; i++)
            {
                long start = Stopwatch.GetTimestamp();
                cpu.Linear(y, x, w.Matrix(next++ % copies), rows, n, k, Phase.Decode, false);
                time = Math.Min(time, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            ofPeak.Add(2.0 * rows * n * k / time / CpuMeasure.PeakFlops(cpu.Threads));
            best = Math.Min(best, time);
        }
        ofPeak.Sort();
        Console.WriteLine(
            $"rows {rows,2} {format,-8} n {n,5} k {k,5}: best {best * 1e6,8:F1} us {2.0 * rows * n * k / best / 1e9,5:F0} GFLOP/s {n * (double)k * size / best / 1e9,5:F1} GB/s; {ofPeak[2],4:P0} of peak (median), {n * (double)k * size / best / bandwidth,4:P0} of bandwidth");
        cpu.Memory.Free(x);
        cpu.Memory.Free(y);
    }

    // Two rows by eight times as many threads, which take turns with these pass by pass.
    private static void MoreThreads(CpuBackend cpu, int n, int k)
    {
        const int Passes = 41, Times = 8;
        int copies = (int)(300_000_000L / ((long)n * k * 2));
        using CpuBackend more = new(Times * cpu.Threads);
        using Prepared w = new(cpu, WeightFormat.BFloat16, WeightRole.Linear, copies, n, k);
        float* x = Values(cpu, 2 * k), y = cpu.Memory.Allocate(2 * n);
        List<double> ratios = [];
        for (int pass = 0; pass < Passes; pass++)
        {
            double few = Seconds(cpu);
            ratios.Add(Seconds(more) / few);
        }
        Console.WriteLine($"products of 2 rows, n {n,5} k {k,5}, by {more.Threads} threads: {ratios.Median():F2} of the time that {cpu.Threads} take");
        cpu.Memory.Free(x);
        cpu.Memory.Free(y);

        double Seconds(CpuBackend on)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < copies; i++)
                on.Linear(y, x, w.Matrix(i), 2, n, k, Phase.Decode, false);
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    // The smallest work that is given to all threads, and the largest that is not: their difference is mostly the cost of fork and join.
    private static void ForkJoin(CpuBackend cpu)
    {
        foreach (int count in new[] { 32768, 32768 * 2 })
        {
            float* x = Values(cpu, count), y = Values(cpu, count);
            Console.WriteLine($"subtract of {count} values: {Time(() => cpu.Subtract(y, x, count)) * 1e6:F1} us");
            cpu.Memory.Free(x);
            cpu.Memory.Free(y);
        }
    }

    private const int Heads = 16, HeadDim = 128;

    /// <summary>
    /// A step's attention in all layers of the 1.6B model, of two sequences: caches in float32 and in 16 bits take turns, and so does reading, since a shared
    /// machine changes from second to second.
    /// </summary>
    private static void StepAttention(CpuBackend cpu, int keys, int heads, int keyHeads, double bandwidth)
    {
        const int Layers = 18, Items = 2, Passes = 41;
        long stride = 2L * keys * keyHeads * HeadDim, values = Layers * stride;
        float* q = Values(cpu, Items * heads * HeadDim), y = cpu.Memory.Allocate(Items * heads * HeadDim), wide = Values(cpu, Items * values);
        float* narrow = cpu.Memory.Allocate(Items * values / 2);
        for (long row = 0; row < Items * values; row += keyHeads * HeadDim)
            CacheRows.Store((ushort*)narrow + row, WeightFormat.Float16, wide + row, keyHeads * HeadDim);
        WeightFormat[] formats = [WeightFormat.Float32, WeightFormat.Float16];
        double[][] times = [new double[Passes], new double[Passes]];
        AttentionItem* items = stackalloc AttentionItem[Items];
        for (int pass = 0; pass < Passes; pass++)
        {
            foreach (WeightFormat format in formats)
            {
                long bytes = WeightFormats.Bytes(format, values);
                byte* cache = (byte*)(format == WeightFormat.Float32 ? wide : narrow);
                for (int i = 0; i < Items; i++)
                    items[i] = new AttentionItem { FirstRow = i, Rows = 1, Keys = cache + i * bytes, Values = cache + i * bytes
                        + WeightFormats.Bytes(format, stride / 2), KeyCount = keys, CausalStart = keys - 1, LayerStride = stride };
                long start = Stopwatch.GetTimestamp();
                for (int layer = 0; layer < Layers; layer++)
                    cpu.Attention(y, q, new AttentionBatch(items, Items, 1, keys, format), layer, heads, keyHeads, HeadDim, null);
                times[(int)format / 2][pass] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }

        foreach (WeightFormat format in formats)
        {
            double[] sorted = [.. times[(int)format / 2].Order()];
            double bytes = Items * WeightFormats.Bytes(format, values);
            Console.WriteLine(
                $"step's attention, {Layers} layers, {Items} x {heads}/{keyHeads} heads, {keys} keys in {format}: {sorted[Passes / 2] * 1e3:F2} ms (best {sorted[0] * 1e3:F2}), {bytes / sorted[Passes / 2] / 1e9:F1} GB/s, {bytes / sorted[Passes / 2] / bandwidth:P0} of bandwidth, {4.0 * Items * Layers * heads * HeadDim * keys / sorted[Passes / 2] / 1e9:F0} GFLOP/s");
        }

        cpu.Memory.Free(q);
        cpu.Memory.Free(y);
        cpu.Memory.Free(wide);
        cpu.Memory.Free(narrow);
    }

    private static void Attention(CpuBackend cpu, int items, int rows, int keys)
    {
        const int KeyHeads = 4;
        float* q = Values(cpu, items * rows * Heads * HeadDim), y = cpu.Memory.Allocate(items * rows * Heads * HeadDim);
        float* cache = Values(cpu, 2L * items * keys * KeyHeads * HeadDim);
        AttentionItem* list = stackalloc AttentionItem[items];
        long size = (long)keys * KeyHeads * HeadDim;
        for (int i = 0; i < items; i++)
            list[i] = new AttentionItem { FirstRow = i * rows, Rows = rows, Keys = cache + 2 * i * size, Values = cache + (2 * i + 1) * size, KeyCount = keys,
                CausalStart = keys - rows };
        nint at = (nint)list;
        double time = Time(() => cpu.Attention(y, q, new AttentionBatch((AttentionItem*)at, items, rows, keys), 0, Heads, KeyHeads, HeadDim, null));
        Console.WriteLine(
            $"attention items {items} rows {rows} keys {keys}: {time * 1e6:F1} us {4.0 * items * rows * Heads * HeadDim * keys / time / 1e9:F1} GFLOP/s");
        cpu.Memory.Free(q);
        cpu.Memory.Free(y);
        cpu.Memory.Free(cache);
    }
}
