using System.Diagnostics;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Weights;

namespace Dia.Bench;

/// <summary>
/// What a decoding step's products of 16-bit weights reach, beside plain reading, in the sizes of bench/loops/bf16_two_rows.c: each its best of nine
/// passes.
/// </summary>
internal static unsafe class Matrices
{
    private const int Passes = 9, Layers = 12, N = 16384, K = 2048;

    public static void Run(int threads, int rows)
    {
        using CpuBackend cpu = new(threads);
        long bytes = (long)Layers * N * K * sizeof(ushort);
        byte* weights = (byte*)cpu.Memory.Allocate(bytes / sizeof(float));
        for (long i = 0; i < bytes / sizeof(ushort); i++)
            ((ushort*)weights)[i] = (ushort)(0x3c00 + ((uint)i * 2654435761u >> 20 & 0x3ff));
        float* x = Kernels.Values(cpu, (long)rows * K), y = cpu.Memory.Allocate((long)rows * N);
        using CpuThreads pool = new(threads);
        double read = double.MaxValue, products = double.MaxValue, peak = 0;
        for (int pass = 0; pass < Passes; pass++)
        {
            read = Math.Min(read, CpuMeasure.ReadSeconds(pool, weights, bytes));
            long start = Stopwatch.GetTimestamp();
            for (long layer = 0; layer < Layers; layer++)
                cpu.Linear(y, x, new Weight(weights + layer * N * K * sizeof(ushort), WeightFormat.BFloat16), rows, N, K, Phase.Decode, false);
            products = Math.Min(products, Stopwatch.GetElapsedTime(start).TotalSeconds);
            peak = rows > 4 ? Math.Max(peak, CpuMeasure.PeakFlops(threads)) : 0;
        }

        Console.Write($"read {bytes / read / 1e9:F1} GB/s, products of {rows} rows {bytes / products / 1e9:F1} = {read / products:F2}");
        Console.WriteLine(peak == 0 ? "" : $"; {2.0 * rows * Layers * N * K / products / 1e9:F0} of {peak / 1e9:F0} GFLOP/s = {2.0 * rows * Layers * N * K / products / peak:F2}");
    }
}
