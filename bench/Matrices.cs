using System.Diagnostics;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Bench;

/// <summary>
/// What a decoding step's products reach in a format of weights, beside plain reading of as many bytes, in the sizes of bench/loops: each its best of nine
/// passes. Weights and scales are counted.
/// </summary>
internal static unsafe class Matrices
{
    private const int Passes = 9, N = 16384, K = 2048;
    private const long TotalBytes = 800_000_000;

    /// <summary>What can be measured: integers as `dia convert` writes them.</summary>
    public static Dictionary<string, WeightStorage> Formats { get; } = new()
    {
        ["bf16"] = WeightFormat.BFloat16,
        ["int8"] = new WeightStorage(WeightFormat.Int8, WeightFormat.BFloat16),
        ["int4"] = new WeightStorage(WeightFormat.Int4, WeightFormat.BFloat16, 32),
    };

    public static void Run(int threads, int rows, WeightStorage storage)
    {
        using CpuBackend cpu = new(threads);
        WeightSpec spec = new("w", [N, K], Graph.WeightRole.Linear);
        long values = N * storage.RowBytes(K), scales = N * storage.ScaleBytes(K), layers = TotalBytes / (values + scales), bytes = layers * (values + scales);
        nint there = (nint)cpu.Memory.Allocate((bytes + WeightCopy.PageBytes) / sizeof(float));
        byte* weights = (byte*)WeightCopy.Aligned(there); // as copies lie
        Fill(weights, layers * values, storage.IsQuantized ? 0 : 0x3c003c00u, storage.IsQuantized ? uint.MaxValue : 0x03ff03ffu);
        Fill(weights + layers * values, layers * scales, 0x3c003c00u, 0x003f003fu);
        float* x = Kernels.Values(cpu, (long)rows * K), y = cpu.Memory.Allocate((long)rows * N);
        using CpuThreads pool = new(threads);
        double read = double.MaxValue, products = double.MaxValue, peak = 0;
        for (int pass = 0; pass < Passes; pass++)
        {
            read = Math.Min(read, CpuMeasure.ReadSeconds(pool, weights, bytes));
            long start = Stopwatch.GetTimestamp();
            for (long layer = 0; layer < layers; layer++)
            {
                StoredWeight w = new() { Data = weights + layer * values, Storage = storage, Scales = weights + layers * values + layer * scales, Columns = K };
                cpu.Linear(y, x, cpu.Prepare(spec, w), rows, N, K, Phase.RoundedDecode, false);
            }
            products = Math.Min(products, Stopwatch.GetElapsedTime(start).TotalSeconds);
            peak = rows > 4 ? Math.Max(peak, CpuMeasure.PeakFlops(threads)) : 0;
        }

        double flops = 2.0 * rows * layers * N * K;
        Console.Write($"read {bytes / read / 1e9:F1} GB/s, {storage.Name} products of {rows} rows {bytes / products / 1e9:F1} = {read / products:F2}");
        Console.WriteLine(peak == 0 ? "" : $"; {flops / products / 1e9:F0} of {peak / 1e9:F0} GFLOP/s = {flops / products / peak:F2}");
    }

    /// <summary>Fills memory with values of some kind: bits, and those of a mask at random.</summary>
    internal static void Fill(byte* to, long bytes, uint bits, uint mask)
    {
        for (long i = 0; i < bytes / sizeof(uint); i++)
            ((uint*)to)[i] = bits + (((uint)i * 2654435761u ^ ((uint)i * 2654435761u >> 15)) & mask);
    }
}
