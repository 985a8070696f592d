using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace Dia.SoftGpu.Execution;

/// <summary>A grid of blocks of one kernel. Blocks run in an order drawn from the seed, on two host threads where there are many.</summary>
internal sealed unsafe class Launch
{
    /// <summary>Faults of one launch that are reported before it is given up.</summary>
    private const int MostFaults = 8;

    // A warp that jumps back more often than this in one block is taken for one that never ends.
    private const int MostJumps = 20_000_000;

    private static readonly Block[] Workers = [new(), new()];
    private static uint _serial;
    private int _faults;
    private long _next;

    public required Kernel Kernel { get; init; }

    public required (int X, int Y, int Z) Grid { get; init; }

    public required (int X, int Y, int Z) BlockSize { get; init; }

    public required int DynamicShared { get; init; }

    /// <summary>The block of parameters, valid while the launch runs.</summary>
    public byte* Parameters { get; private set; }

    public int Threads => BlockSize.X * BlockSize.Y * BlockSize.Z;

    public int SharedBytes => (int)Ptx.Parser.Align(Kernel.SharedBytes, 16) + DynamicShared;

    public uint Tag { get; private set; }

    /// <summary>The worst that happened.</summary>
    public Fault Fault { get; private set; }

    public bool Stopped => _faults >= MostFaults;

    /// <summary>Warp instructions done by all launches.</summary>
    public static long Instructions { get; private set; }

    public static long Launches { get; private set; }

    public static double Seconds { get; private set; }

    public void Run(byte[] parameters, int seed)
    {
        Launches++;
        long began = System.Diagnostics.Stopwatch.GetTimestamp();
        if (++_serial == 0xFFF)
        {
            DeviceMemory.ForgetWriters();
            _serial = 1;
        }
        Tag = _serial << 20;
        long blocks = (long)Grid.X * Grid.Y * Grid.Z;
        var order = new Random(seed);
        // A whole shuffle of many blocks is dear: blocks of 64 Ki in a row share one.
        int[] shuffled = new int[(int)Math.Min(blocks, 65536)];
        for (int k = 0; k < shuffled.Length; k++)
            shuffled[k] = k;
        order.Shuffle(shuffled);
        _next = 0;
        fixed (byte* p = parameters.Length == 0 ? new byte[8] : parameters)
        {
            Parameters = p;
            bool both = blocks >= 2 && Environment.ProcessorCount > 1;
            Task? helper = both ? Task.Run(() => Work(Workers[1], shuffled, blocks, seed + 1)) : null;
            Work(Workers[0], shuffled, blocks, seed);
            helper?.Wait();
        }
        Instructions += Workers[0].Count + (blocks >= 2 && Environment.ProcessorCount > 1 ? Workers[1].Count : 0);
        Seconds += System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private void Work(Block worker, int[] shuffled, long blocks, int seed)
    {
        worker.Prepare(this, seed);
        while (!Stopped)
        {
            long at = Interlocked.Increment(ref _next) - 1;
            if (at >= blocks)
                return;
            long chunk = at / shuffled.Length * shuffled.Length;
            long block = chunk + shuffled.Length <= blocks ? chunk + shuffled[at - chunk] : at;
            worker.Run(block);
        }
    }

    public bool OutOfTime(Warp w) => ++w.Jumps > MostJumps;

    public void Report(Fault fault, Block block, int thread, int line, ulong address, string what)
    {
        if (Interlocked.Increment(ref _faults) > MostFaults && fault != Fault.Timeout)
            return;
        (int x, int y, _) = BlockSize;
        lock (Workers)
            Fault = Fault == Fault.None || fault > Fault ? fault : Fault;
        string text = line >= 1 && line <= Kernel.Source.Length ? Kernel.Source[line - 1].Trim() : "";
        Violations.Report(
            $"{Kernel.Name} line {line} `{text}` block ({block.Index.X},{block.Index.Y},{block.Index.Z}) thread ({thread % x},{thread / x % y},{thread / x / y})"
            + (address != 0 ? $" address 0x{address:x}" : "") + $": {what}", fault);
    }
}
