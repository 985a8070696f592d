namespace Dia.SoftGpu.Execution;

internal enum WarpState
{
    Running, Barrier, Exited, Aborted,
}

/// <summary>
/// 32 threads in lockstep. Divergent paths run one after the other and join at the immediate post-dominator of the branch;
/// which path goes first is drawn from the seed.
/// </summary>
internal sealed unsafe partial class Warp
{
    /// <summary>All lanes.</summary>
    public const uint Full = uint.MaxValue;

    private int[] _stackPc = new int[64];
    private int[] _stackJoin = new int[64];
    private uint[] _stackMask = new uint[64];
    private int _depth;

    public required Block Block { get; init; }

    public required int Index { get; init; }

    public byte* Regs;
    public byte* Local;
    public byte* Params;
    public Instruction* Code;

    public uint Active;
    public uint Alive;
    public int Pc;

    /// <summary>Where the path being run meets its siblings, or -1.</summary>
    public int Join;

    public WarpState State;
    public int Barrier;
    public int BarrierLine;

    /// <summary>Counts what orders the lanes of this warp among themselves between two barriers.</summary>
    public uint Epoch;

    /// <summary>Jumps back in this block.</summary>
    public int Jumps;

    /// <summary>Warp instructions done.</summary>
    public long Count;

    public void Start(uint lanes)
    {
        Active = Alive = lanes;
        Pc = 0;
        Join = -1;
        _depth = 0;
        _gaveWay = 0;
        Epoch = 0;
        Jumps = 0;
        State = WarpState.Running;
        Async.Clear();
    }

    /// <summary>Runs until a barrier or the end.</summary>
    public void Run()
    {
        Instruction* code = Code;
        long count = 0;
        while (State == WarpState.Running)
        {
            Instruction* i = code + Pc++;
            uint mask = Active;
            count++;
            if (i->Guard >= 0)
            {
                mask &= *(uint*)(Regs + i->Guard) ^ i->GuardFlip;
                if (mask == 0)
                    continue;
            }
            i->Handler(this, i, mask);
        }
        Count += count;
    }

    /// <summary>Branch of the lanes in <paramref name="mask"/>; Imm is the target, E the join.</summary>
    public static void Branch(Warp w, Instruction* i, uint mask)
    {
        int target = (int)i->Imm;
        if (target < w.Pc && w.Block.Launch.OutOfTime(w))
        {
            w.Report(Fault.Timeout, i, mask, 0, "the block runs for too long: an endless loop, or a block that waits for another");
            w.State = WarpState.Aborted;
            return;
        }
        if (mask == w.Active)
        {
            w.Pc = target;
            return;
        }
        int fall = w.Pc, join = i->E;
        uint other = w.Active & ~mask;
        if (join >= 0 && w.Join != join)
            w.Push(join, w.Active, w.Join);
        if (w.Block.Random.Next(2) == 0)
        {
            (target, fall) = (fall, target);
            (mask, other) = (other, mask);
        }
        // A path that starts where the paths meet has nothing to run: its lanes wait in the entry of the join.
        if (fall != join)
            w.Push(fall, other, join);
        if (target != join)
        {
            w.Pc = target;
            w.Active = mask;
            w.Join = join;
        }
        else
            w.Pop();
    }

    /// <summary>Stands before the first instruction of a place where paths meet.</summary>
    public static void Meet(Warp w, Instruction* i, uint mask)
    {
        if (w.Join == w.Pc - 1)
            w.Pop();
    }

    /// <summary>The lanes in <paramref name="mask"/> are done.</summary>
    public static void Exit(Warp w, Instruction* i, uint mask)
    {
        w.Alive &= ~mask;
        w.Active &= ~mask;
        if (w.Active == 0)
            w.Pop();
    }

    /// <summary>
    /// A path that waits at a barrier while another, which it never meets, has yet to run to its end: that one goes first. False where
    /// there is none, or it has had its turn.
    /// </summary>
    public bool GiveWay(uint mask)
    {
        if (Join >= 0 || _depth == 0 || _stackJoin[_depth - 1] >= 0 || (_gaveWay & mask) != 0)
            return false;
        _gaveWay |= mask;
        (Pc, _stackPc[_depth - 1]) = (_stackPc[_depth - 1], Pc - 1);
        uint other = _stackMask[_depth - 1] & Alive;
        _stackMask[_depth - 1] = Active;
        Active = other;
        if (other == 0)
            Pop();
        return true;
    }

    private uint _gaveWay;

    /// <summary>A barrier is passed.</summary>
    public void Resume()
    {
        State = WarpState.Running;
        _gaveWay = 0;
    }

    private void Push(int pc, uint mask, int join)
    {
        if (_depth == _stackPc.Length)
        {
            Array.Resize(ref _stackPc, 2 * _depth);
            Array.Resize(ref _stackMask, 2 * _depth);
            Array.Resize(ref _stackJoin, 2 * _depth);
        }
        _stackPc[_depth] = pc;
        _stackMask[_depth] = mask;
        _stackJoin[_depth++] = join;
    }

    private void Pop()
    {
        while (_depth > 0)
        {
            _depth--;
            uint mask = _stackMask[_depth] & Alive;
            if (mask == 0)
                continue;
            Pc = _stackPc[_depth];
            Active = mask;
            Join = _stackJoin[_depth];
            return;
        }
        Active = 0;
        State = WarpState.Exited;
    }

    /// <summary>What the warp did orders its lanes: later accesses of one lane come after earlier ones of another.</summary>
    public void Order()
    {
        if (++Epoch == SharedMemory.WarpEpochs)
        {
            Epoch = 0;
            Block.Shared.Forget();
        }
    }

    public void Report(Fault fault, Instruction* i, uint lanes, ulong address, string what)
    {
        int lane = lanes == 0 ? 0 : System.Numerics.BitOperations.TrailingZeroCount(lanes);
        Block.Launch.Report(fault, Block, Index * 32 + lane, i->Line, address, what);
        if (Block.Launch.Stopped)
            State = WarpState.Aborted;
    }
}
