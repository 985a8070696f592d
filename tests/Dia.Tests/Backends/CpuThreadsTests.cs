using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Checks;
using Dia.Graph;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Backends;

public sealed unsafe class CpuThreadsTests
{
    private struct CountJob : IParallelJob
    {
        public int* Counts;
        public int FailsAt;

        public readonly void Run(int part, int thread)
        {
            if (part == FailsAt)
                throw new InvalidOperationException("part failed");
            Interlocked.Increment(ref Counts[part]);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(16)]
    [InlineData(16, 16)]
    public void Every_part_runs_once_in_every_job(int threads, int processors = 0)
    {
        using CpuThreads pool = new(threads, processors);
        const int Parts = 50, Jobs = 2000;
        int* counts = stackalloc int[Parts];
        CountJob job = new() { Counts = counts, FailsAt = -1 };
        for (int i = 0; i < Jobs; i++)
        {
            pool.Run(ref job, i % Parts + 1);
            // Now and then long enough for the workers to park.
            if (i % 500 == 0)
                Thread.Sleep(20);
        }
        Assert.Equal(threads == 1 ? 0 : Jobs - Jobs / Parts, pool.Forks); // a single part is not shared
        for (int part = 0; part < Parts; part++)
            Assert.Equal(Jobs / Parts * (Parts - part), counts[part]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void An_exception_reaches_the_caller_and_the_pool_lives_on(int threads)
    {
        using CpuThreads pool = new(threads);
        int* counts = stackalloc int[40];
        CountJob job = new() { Counts = counts, FailsAt = 17 };
        for (int i = 0; i < 100; i++)
            Assert.Equal("part failed", Failure(pool, job));
        job.FailsAt = -1;
        pool.Run(ref job, 40);
        Assert.True(counts[39] >= 1);
    }

    private struct HeldJob : IParallelJob
    {
        public int* Started;
        public int* Free;

        public readonly void Run(int part, int thread)
        {
            Interlocked.Increment(ref *Started);
            while (Volatile.Read(ref *Free) == 0)
                Thread.Yield();
        }
    }

    /// <summary>Each part waits until all have begun: with fewer threads, or one that is not woken, they would not.</summary>
    [Fact]
    public void All_threads_come_where_there_is_work_for_all()
    {
        const int Threads = 8;
        using CpuThreads pool = new(Threads, Threads);
        int started = 0, free = 0;
        bool all = false;
        HeldJob job = new() { Started = &started, Free = &free };
        var open = new Thread(() =>
        {
            all = SpinWait.SpinUntil(() => Volatile.Read(ref *job.Started) == Threads, TimeSpan.FromSeconds(30));
            Volatile.Write(ref *job.Free, 1);
        });
        Thread.Sleep(50); // All are parked.
        open.Start();
        pool.Run(ref job, Threads);
        open.Join();
        Assert.True(all, "not all threads came");
    }

    private static string Failure(CpuThreads pool, CountJob job)
    {
        try
        {
            pool.Run(ref job, 40);
            return "none";
        }
        catch (InvalidOperationException e)
        {
            return e.Message;
        }
    }

    [Fact]
    public void Operations_allocate_nothing()
    {
        using CpuBackend cpu = new(2);
        using CheckMemory<CpuBackend> memory = new(cpu, 1);
        (_, Weight w) = memory.Weight(WeightRole.Linear, WeightFormat.BFloat16, [600, 600]);
        float* x = memory.Floats(20 * 600).OnDevice, y = memory.Floats(20 * 600).OnDevice;
        AttentionItem item = new() { Rows = 20, Keys = x, Values = x, KeyCount = 20, CausalStart = -1 };
        long before = 0;
        for (int i = 0; i < 20; i++)
        {
            if (i == 10)
                before = GC.GetAllocatedBytesForCurrentThread();
            cpu.Linear(y, x, w, 20, 600, 600, Phase.Prefill, false);
            cpu.Linear(y, x, w, 2, 600, 600, Phase.Decode, false);
            cpu.Attention(y, x, new AttentionBatch(&item, 1, 20, 20), 0, 6, 6, 100, null);
            cpu.Subtract(y, x, 20 * 600);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
