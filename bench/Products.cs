using System.Diagnostics;
using System.Numerics;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Bench;

/// <summary>
/// The products of many rows at the shapes of Dia 1.6B's encoder and prompts, beside the multiply-adds that stay in registers: medians of pairs in turn.
/// </summary>
internal static unsafe class Products
{
    private const int Pairs = 20;

    public static void Run(int threads, WeightStorage storage)
    {
        using CpuBackend cpu = new(threads, null, roundsPrompts: true);
        Console.WriteLine($"{threads} threads, {Vector<float>.Count * 32}-bit vectors, weights {storage.Name}");
        foreach (int rows in new[] { 170, 512, 984 })
        {
            foreach ((int n, int k) in new[] { (1024, 2048), (8192, 1024), (1024, 4096), (2048, 2048), (16384, 2048), (2048, 8192) })
                Product(cpu, storage, rows, n, k);
        }
    }

    private static void Product(CpuBackend cpu, WeightStorage storage, int rows, int n, int k)
    {
        WeightSpec spec = new("w", [n, k], WeightRole.Linear);
        long values = n * storage.RowBytes(k), scales = n * storage.ScaleBytes(k);
        byte* data = (byte*)cpu.Memory.Allocate((values + scales) / sizeof(float) + 1);
        Matrices.Fill(data, values, storage.IsQuantized ? 0 : 0x3c003c00u, storage.IsQuantized ? uint.MaxValue : 0x03ff03ffu);
        Matrices.Fill(data + values, scales, 0x3c003c00u, 0x003f003fu);
        Weight w = cpu.Prepare(spec, new StoredWeight { Data = data, Storage = storage, Scales = data + values, Columns = k });
        float* x = Kernels.Values(cpu, (long)rows * k), y = cpu.Memory.Allocate((long)rows * n);
        foreach (Phase phase in (ReadOnlySpan<Phase>)[Phase.Prefill, Phase.RoundedPrefill])
        {
            if (phase == Phase.RoundedPrefill && !cpu.RoundsPrompts)
                continue;
            double[] shares = new double[Pairs], rates = new double[Pairs];
            for (int pair = 0; pair < Pairs; pair++)
            {
                double peak = CpuMeasure.PeakFlops(cpu.Threads, 5);
                long start = Stopwatch.GetTimestamp();
                cpu.Linear(y, x, w, rows, n, k, phase, false);
                rates[pair] = 2.0 * rows * n * k / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9;
                shares[pair] = rates[pair] * 1e9 / peak;
            }
            Array.Sort(shares);
            Array.Sort(rates);
            Console.WriteLine($"{phase,-14} rows {rows,4} n {n,5} k {k,5}: {rates[Pairs / 2],4:F0} GFLOP/s, {shares[Pairs / 2]:F2} of the multiply-add rate");
        }
        cpu.Memory.Free(x);
        cpu.Memory.Free(y);
        cpu.Memory.Free(data);
    }
}
