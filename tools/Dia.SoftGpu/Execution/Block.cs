using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Dia.SoftGpu.Execution;

/// <summary>Runs blocks one after the other: registers, shared memory and warps of the block that is being run. One for each host thread.</summary>
internal sealed unsafe class Block
{
    /// <summary>The part of a writer's tag that names the launch; the rest names the block.</summary>
    public const uint LaunchBits = 0xFFF00000;

    private Warp[] _warps = [];
    private byte* _registers;
    private nuint _registerBytes;
    private byte* _local;
    private nuint _localBytes;
    private int[] _order = [];

    public SharedMemory Shared { get; } = new();

    public Launch Launch { get; private set; } = null!;

    public Random Random { get; private set; } = new(0);

    public int LocalBytes { get; private set; }

    public (int X, int Y, int Z) Index { get; private set; }

    /// <summary>What this block leaves in the tags of words that it writes.</summary>
    public uint Tag { get; private set; }

    /// <summary>The block did a fence and then an atomic: other blocks' words may be meant for it.</summary>
    public bool Acquired { get; set; }

    public bool Fenced { get; set; }

    /// <summary>Makes ready for the blocks of a launch.</summary>
    public void Prepare(Launch launch, int seed)
    {
        Launch = launch;
        Random = new Random(seed);
        Kernel kernel = launch.Kernel;
        int warps = (launch.Threads + 31) / 32;
        if (_warps.Length < warps)
        {
            int old = _warps.Length;
            Array.Resize(ref _warps, warps);
            for (int k = old; k < warps; k++)
                _warps[k] = new Warp { Block = this, Index = k };
        }
        if (_order.Length != warps)
            _order = new int[warps];
        nuint perWarp = (nuint)((kernel.RegisterBytes + 127) / 128 * 128), total = perWarp * (nuint)warps;
        if (total > _registerBytes)
        {
            NativeMemory.AlignedFree(_registers);
            _registers = (byte*)NativeMemory.AlignedAlloc(total, 128);
            _registerBytes = total;
        }
        LocalBytes = (kernel.LocalBytes + 15) / 16 * 16;
        nuint local = (nuint)LocalBytes * 32 * (nuint)warps;
        if (local > _localBytes)
        {
            NativeMemory.AlignedFree(_local);
            _local = (byte*)NativeMemory.AlignedAlloc(local, 64);
            _localBytes = local;
        }
        for (int k = 0; k < warps; k++)
        {
            Warp w = _warps[k];
            w.Regs = _registers + (nuint)k * perWarp;
            w.Local = _local + (nuint)k * (nuint)LocalBytes * 32;
            w.Code = kernel.Code;
            w.Params = launch.Parameters;
            w.Count = 0;
            foreach ((int offset, int bytes, ulong value) in kernel.Constants)
            {
                if (bytes == 8)
                    new Span<ulong>(w.Regs + offset, 32).Fill(value);
                else
                    new Span<uint>(w.Regs + offset, 32).Fill((uint)value);
            }
            foreach ((int offset, Special kind) in kernel.Specials)
                if (kind is not (Special.CtaX or Special.CtaY or Special.CtaZ))
                    for (int lane = 0; lane < 32; lane++)
                        ((uint*)(w.Regs + offset))[lane] = ValueOf(kind, k, lane);
        }
    }

    private uint ValueOf(Special kind, int warp, int lane)
    {
        (int x, int y, int z) = Launch.BlockSize;
        int thread = warp * 32 + lane;
        return kind switch
        {
            Special.TidX => (uint)(thread % x),
            Special.TidY => (uint)(thread / x % y),
            Special.TidZ => (uint)(thread / x / y),
            Special.NTidX => (uint)x,
            Special.NTidY => (uint)y,
            Special.NTidZ => (uint)z,
            Special.CtaX => (uint)Index.X,
            Special.CtaY => (uint)Index.Y,
            Special.CtaZ => (uint)Index.Z,
            Special.NCtaX => (uint)Launch.Grid.X,
            Special.NCtaY => (uint)Launch.Grid.Y,
            Special.NCtaZ => (uint)Launch.Grid.Z,
            Special.Lane => (uint)lane,
            Special.Warp => (uint)warp,
            Special.NWarp => (uint)((Launch.Threads + 31) / 32),
            Special.MaskEq => 1u << lane,
            Special.MaskLt => (1u << lane) - 1,
            Special.MaskLe => (uint)((1ul << (lane + 1)) - 1),
            Special.MaskGt => ~(uint)((1ul << (lane + 1)) - 1),
            Special.MaskGe => ~((1u << lane) - 1),
            Special.DynamicShared => (uint)Launch.DynamicShared,
            Special.TotalShared => (uint)(Launch.DynamicShared + Launch.Kernel.SharedBytes),
            _ => 0,
        };
    }

    /// <summary>Runs one block of the grid to its end, or to the first fault that stops the launch.</summary>
    public void Run(long linear)
    {
        (int gx, int gy, _) = Launch.Grid;
        Index = ((int)(linear % gx), (int)(linear / gx % gy), (int)(linear / gx / gy));
        Tag = Launch.Tag | ((uint)linear & ~LaunchBits);
        Acquired = Fenced = false;
        Kernel kernel = Launch.Kernel;
        Shared.Start(Launch.SharedBytes, kernel.CellShift);
        int warps = _order.Length;
        NativeMemory.Fill(_local, (nuint)LocalBytes * 32 * (nuint)warps, DeviceMemory.Poison);
        for (int k = 0; k < warps; k++)
        {
            Warp w = _warps[k];
            int threads = Math.Min(32, Launch.Threads - 32 * k);
            w.Start(threads == 32 ? Warp.Full : (1u << threads) - 1);
            _order[k] = k;
            foreach ((int offset, Special kind) in kernel.Specials)
                if (kind is Special.CtaX or Special.CtaY or Special.CtaZ)
                    Vector(w.Regs + offset, ValueOf(kind, 0, 0));
        }
        while (RunToBarrier())
        {
        }

        static void Vector(byte* to, uint value)
        {
            for (int k = 0; k < 4; k++)
                Vector256.Create(value).Store((uint*)to + 8 * k);
        }
    }

    // Warps in a drawn order; true where another part follows.
    private bool RunToBarrier()
    {
        Random.Shuffle(_order);
        Warp? waiting = null;
        foreach (int k in _order)
        {
            Warp w = _warps[k];
            if (w.State is WarpState.Exited)
                continue;
            w.Resume();
            w.Run();
            if (w.State == WarpState.Aborted || Launch.Stopped)
                return false;
            if (w.State != WarpState.Barrier)
                continue;
            if (waiting != null && (waiting.Barrier != w.Barrier || waiting.BarrierLine != w.BarrierLine))
            {
                Launch.Report(Fault.Divergence, this, w.Index * 32, w.BarrierLine, 0,
                    $"warps {waiting.Index} and {w.Index} wait at different barriers (lines {waiting.BarrierLine} and {w.BarrierLine})");
                return false;
            }
            waiting = w;
        }
        foreach (int k in _order)
            _warps[k].Epoch = 0;
        Shared.NextEpoch();
        return waiting != null;
    }

    /// <summary>Warp instructions of the blocks run since <see cref="Prepare"/>.</summary>
    public long Count
    {
        get
        {
            long sum = 0;
            for (int k = 0; k < _order.Length; k++)
                sum += _warps[k].Count;
            return sum;
        }
    }
}
