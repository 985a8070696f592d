using Dia.IO;

namespace Dia.Backends.Cpu;

/// <summary>What this machine can do at most: the denominators of every speed this project reports.</summary>
public static unsafe class CpuMeasure
{
    /// <summary>
    /// Bytes per second that <paramref name="threads"/> threads read together from a buffer far larger than any cache: the best of some passes.
    /// </summary>
    /// <exception cref="DiaException">No memory for the buffer (Device).</exception>
    public static double ReadBandwidth(int threads)
    {
        const long BufferBytes = 1L << 28;
        byte* buffer = (byte*)HostMemory.AllocateBytes(BufferBytes);
        // Pages that were never written are all the same page of zeros, which the caches hold.
        new Span<byte>(buffer, (int)BufferBytes).Fill(1);
        try
        {
            using CpuThreads pool = new(threads);
            double best = double.PositiveInfinity;
            for (int pass = 0; pass < 20; pass++)
                best = Math.Min(best, ReadSeconds(pool, buffer, BufferBytes));
            return BufferBytes / best;
        }
        finally
        {
            HostMemory.Free(buffer);
        }
    }

    /// <summary>
    /// Seconds that one pass over so many bytes takes (whole mebibytes of them): for measuring beside something that reads the same memory.
    /// Where a hypervisor fills page tables anew now and then, both pay for it.
    /// </summary>
    internal static double ReadSeconds(CpuThreads pool, byte* buffer, long bytes)
    {
        // Parts of 1 MiB, as the kernels do: the threads end together.
        ReadJob job = new() { Buffer = buffer, Bytes = 1 << 20 };
        long start = Stopwatch.GetTimestamp();
        pool.Run(ref job, (int)(bytes >> 20));
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Floating-point operations per second (a multiply-add is two) of <paramref name="threads"/> threads whose operands stay in registers.</summary>
    public static double PeakFlops(int threads) => PeakFlops(threads, 100);

    /// <summary>The same in so many passes: for measuring beside something else.</summary>
    internal static double PeakFlops(int threads, int passes)
    {
        // Short passes, some of which the machine gives undisturbed.
        const int Steps = 100_000;
        using CpuThreads pool = new(threads);
        MultiplyAddJob job = new() { Steps = Steps };
        double best = 0;
        for (int pass = 0; pass < passes; pass++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.Run(ref job, 4 * threads);
            best = Math.Max(best, 4.0 * threads * Steps * MultiplyAddJob.Chains * Vector<float>.Count * 2 / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    private struct ReadJob : IParallelJob
    {
        private const int Ahead = 512;

        public byte* Buffer;
        public long Bytes;

        public readonly void Run(int part, int thread)
        {
            // Four streams, as the step kernel reads: one alone does not reach the memory's speed.
            long quarter = Bytes / (4 * sizeof(float));
            float* p = (float*)(Buffer + part * Bytes), end = p + quarter;
            Vector<float> a = default, b = default, c = default, d = default;
            for (; p < end; p += Vector<float>.Count)
            {
                VectorMath.Prefetch(p + Ahead);
                VectorMath.Prefetch(p + quarter + Ahead);
                VectorMath.Prefetch(p + 2 * quarter + Ahead);
                VectorMath.Prefetch(p + 3 * quarter + Ahead);
                a += Vector.Load(p);
                b += Vector.Load(p + quarter);
                c += Vector.Load(p + 2 * quarter);
                d += Vector.Load(p + 3 * quarter);
            }
            Consume(a + b + c + d);
        }
    }

    private struct MultiplyAddJob : IParallelJob
    {
        public const int Chains = 10;

        public int Steps;

        public readonly void Run(int part, int thread)
        {
            // Ten independent chains cover the latency of two units; they converge to 1 and never become subnormal.
            Vector<float> x = new(0.5f), y = new(0.5f);
            Vector<float> a = new(1f), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
            for (int n = 0; n < Steps; n++)
            {
                a = Vector.FusedMultiplyAdd(a, x, y);
                b = Vector.FusedMultiplyAdd(b, x, y);
                c = Vector.FusedMultiplyAdd(c, x, y);
                d = Vector.FusedMultiplyAdd(d, x, y);
                e = Vector.FusedMultiplyAdd(e, x, y);
                f = Vector.FusedMultiplyAdd(f, x, y);
                g = Vector.FusedMultiplyAdd(g, x, y);
                h = Vector.FusedMultiplyAdd(h, x, y);
                i = Vector.FusedMultiplyAdd(i, x, y);
                j = Vector.FusedMultiplyAdd(j, x, y);
            }
            Consume(a + b + c + d + e + f + g + h + i + j);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Consume(Vector<float> value) => _ = value;
}
