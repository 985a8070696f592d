namespace Dia.Cuda.Tests.MachineCode;

/// <summary>How many loads a warp has under way in a stretch of code.</summary>
/// <param name="Loads">Loads of the stretch that were counted.</param>
/// <param name="Most">Most of them under way together.</param>
/// <param name="Mean">As many as are under way on average.</param>
/// <param name="Cycles">What a round takes.</param>
internal readonly record struct Flight(int Loads, int Most, double Mean, double Cycles);

/// <summary>
/// One warp, alone: an instruction a cycle, in order, each when what it needs is there. So a GPU works too, which hides the waits of one
/// warp behind others; how many loads are under way while it waits is what the memory sees. Latencies are round numbers, not a GPU's.
/// </summary>
internal static class Pipeline
{
    /// <summary>Cycles until a counted load is there.</summary>
    public const int MemoryLatency = 800;

    private const int CacheLatency = 40, SharedLatency = 30, ArithmeticLatency = 4, Registers = 512;

    /// <summary>Runs a stretch, as though every branch in it fell through.</summary>
    /// <param name="code">The kernel's.</param>
    /// <param name="stretch">Which instructions.</param>
    /// <param name="counts">Whether a load comes from memory and is counted; others come from the cache.</param>
    /// <param name="rounds">How often it runs; the first quarter brings it into its rhythm.</param>
    public static Flight Run(SassInstruction[] code, SassLoop stretch, Func<int, bool> counts, int rounds)
    {
        long[] ready = new long[Registers];
        var under = new List<long>();
        long time = 0, start = 0;
        int most = 0, loads = 0, warmUp = rounds / 4;
        for (int round = 0; round < rounds; round++)
        {
            if (round == warmUp)
                start = time;
            for (int i = stretch.First; i <= stretch.Last; i++)
            {
                SassInstruction o = code[i];
                foreach (int r in o.Reads)
                    time = Math.Max(time, ready[r]);
                foreach (int r in o.Writes)
                    time = Math.Max(time, ready[r]);
                bool counted = o.IsGlobalLoad && counts(i);
                int latency = counted ? MemoryLatency : o.IsGlobalLoad ? CacheLatency : o.Kind is "LDS" or "LDL" or "SHFL" or "MUFU"
                    ? SharedLatency : ArithmeticLatency;
                foreach (int r in o.Writes)
                    ready[r] = time + latency;
                if (counted)
                {
                    loads += round == 0 ? 1 : 0;
                    under.RemoveAll(end => end <= time);
                    under.Add(time + MemoryLatency);
                    most = Math.Max(most, under.Count);
                }

                time++;
            }
        }

        double cycles = rounds == warmUp ? time : (time - start) / (double)(rounds - warmUp);
        return new Flight(loads, most, loads * MemoryLatency / cycles, cycles);
    }
}
