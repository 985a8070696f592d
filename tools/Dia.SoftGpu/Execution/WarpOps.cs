using System.Numerics;
using System.Runtime.Intrinsics;

namespace Dia.SoftGpu.Execution;

/// <summary>What the lanes of a warp do together, and barriers.</summary>
internal static unsafe class WarpOps
{
    // All lanes that the mask names must be here: a GPU waits for them, or mixes up two instructions.
    private static bool Together(Warp w, Instruction* i, uint mask, uint members, string name)
    {
        w.Order();
        members &= w.Alive;
        if ((mask & ~members) != 0)
        {
            w.Report(Fault.Divergence, i, mask & ~members, 0, $"{name}: a lane takes part that the mask {members:x8} does not name");
            return false;
        }
        if ((members & ~mask) != 0)
        {
            w.Report(Fault.Divergence, i, members & ~mask, 0, $"{name}: the mask names lanes {members & ~mask:x8} that are elsewhere");
            return false;
        }
        return true;
    }

    private static uint MembersOf(Warp w, int offset, uint mask) => ((uint*)(w.Regs + offset))[BitOperations.TrailingZeroCount(mask)];

    /// <summary>shfl.sync: Aux 0 up, 1 down, 2 bfly, 3 idx; A value, B lane, C clamp, More[0] members; E: predicate or -1.</summary>
    public static void Shuffle(Warp w, Instruction* i, uint mask)
    {
        uint members = MembersOf(w, i->More[0], mask);
        Together(w, i, mask, members, "shfl.sync");
        uint* d = (uint*)(w.Regs + i->D), a = (uint*)(w.Regs + i->A), b = (uint*)(w.Regs + i->B), c = (uint*)(w.Regs + i->C);
        uint* value = stackalloc uint[32];
        for (int k = 0; k < 32; k++)
            value[k] = a[k];
        uint inRange = 0;
        if (mask == Warp.Full && i->Aux == 2)
        {
            // The butterfly of reductions, all lanes there.
            for (int lane = 0; lane < 32; lane++)
            {
                int from = lane ^ (int)(b[lane] & 31), clamp = (int)(c[lane] & 31), segment = (int)((c[lane] >> 8) & 31);
                bool good = from <= ((lane & segment) | (clamp & ~segment));
                d[lane] = value[good ? from : lane];
                inRange |= good ? 1u << lane : 0;
            }
            if (i->E >= 0)
                *(uint*)(w.Regs + i->E) = inRange;
            return;
        }
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m);
            int step = (int)(b[lane] & 31), clamp = (int)(c[lane] & 31), segment = (int)((c[lane] >> 8) & 31);
            int last = (lane & segment) | (clamp & ~segment), first = lane & segment;
            int from = i->Aux switch { 0 => lane - step, 1 => lane + step, 2 => lane ^ step, _ => first | (step & ~segment) };
            // "up" clamps from below: its limit is the first lane of the segment.
            bool good = i->Aux == 0 ? from >= last : from <= last;
            if (!good)
                from = lane;
            if ((mask & (1u << from)) == 0)
                w.Report(Fault.Divergence, i, 1u << lane, 0, $"shfl.sync reads lane {from}, which does not take part");
            d[lane] = value[from];
            inRange |= good ? 1u << lane : 0;
        }
        if (i->E >= 0)
        {
            uint* p = (uint*)(w.Regs + i->E);
            *p = (*p & ~mask) | (inRange & mask);
        }
    }

    /// <summary>vote.sync: Aux 0 all, 1 any, 2 uni, 3 ballot; A predicate, Imm its flip, More[0] members.</summary>
    public static void Vote(Warp w, Instruction* i, uint mask)
    {
        Together(w, i, mask, MembersOf(w, i->More[0], mask), "vote.sync");
        uint votes = (*(uint*)(w.Regs + i->A) ^ (uint)i->Imm) & mask;
        if (i->Aux == 3)
        {
            uint* d = (uint*)(w.Regs + i->D);
            for (uint m = mask; m != 0; m &= m - 1)
                d[BitOperations.TrailingZeroCount(m)] = votes;
            return;
        }
        bool result = i->Aux switch { 0 => votes == mask, 1 => votes != 0, _ => votes == mask || votes == 0 };
        uint* p = (uint*)(w.Regs + i->D);
        *p = (*p & ~mask) | (result ? mask : 0);
    }

    /// <summary>match.any.sync.b32 and match.all.sync.b32 (Aux 1, E predicate); b64 with C = 64.</summary>
    public static void Match(Warp w, Instruction* i, uint mask)
    {
        Together(w, i, mask, MembersOf(w, i->More[0], mask), "match.sync");
        uint* d = (uint*)(w.Regs + i->D);
        uint* same = stackalloc uint[32];
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m);
            same[lane] = 0;
            for (uint n = mask; n != 0; n &= n - 1)
            {
                int other = BitOperations.TrailingZeroCount(n);
                if (Value(lane) == Value(other))
                    same[lane] |= 1u << other;
            }
        }
        bool all = same[BitOperations.TrailingZeroCount(mask)] == mask;
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m);
            d[lane] = i->Aux == 0 ? same[lane] : all ? mask : 0;
        }
        if (i->E >= 0)
        {
            uint* p = (uint*)(w.Regs + i->E);
            *p = (*p & ~mask) | (all ? mask : 0);
        }

        ulong Value(int lane) => i->C == 64 ? ((ulong*)(w.Regs + i->A))[lane] : ((uint*)(w.Regs + i->A))[lane];
    }

    /// <summary>redux.sync of 32-bit lanes: Aux 0 add, 1 min.u, 2 max.u, 3 min.s, 4 max.s, 5 and, 6 or, 7 xor.</summary>
    public static void Reduce(Warp w, Instruction* i, uint mask)
    {
        Together(w, i, mask, MembersOf(w, i->More[0], mask), "redux.sync");
        uint* a = (uint*)(w.Regs + i->A), d = (uint*)(w.Regs + i->D);
        uint result = a[BitOperations.TrailingZeroCount(mask)];
        for (uint m = mask & (mask - 1); m != 0; m &= m - 1)
        {
            uint x = a[BitOperations.TrailingZeroCount(m)];
            result = i->Aux switch
            {
                0 => result + x, 1 => Math.Min(result, x), 2 => Math.Max(result, x),
                3 => (uint)Math.Min((int)result, (int)x), 4 => (uint)Math.Max((int)result, (int)x),
                5 => result & x, 6 => result | x, _ => result ^ x,
            };
        }
        for (uint m = mask; m != 0; m &= m - 1)
            d[BitOperations.TrailingZeroCount(m)] = result;
    }

    public static void ActiveMask(Warp w, Instruction* i, uint mask)
    {
        uint* d = (uint*)(w.Regs + i->D);
        for (uint m = mask; m != 0; m &= m - 1)
            d[BitOperations.TrailingZeroCount(m)] = mask;
    }

    /// <summary>bar.warp.sync: A members.</summary>
    public static void WarpBarrier(Warp w, Instruction* i, uint mask) => Together(w, i, mask, MembersOf(w, i->A, mask), "bar.warp.sync");

    /// <summary>bar.sync of the whole block: Imm the barrier's number.</summary>
    public static void Barrier(Warp w, Instruction* i, uint mask)
    {
        if (mask != w.Alive && w.GiveWay(mask))
            return;
        if (mask != w.Alive)
            w.Report(Fault.Divergence, i, w.Alive & ~mask, 0, $"bar.sync in divergent code: lanes {w.Alive & ~mask:x8} of the warp are elsewhere");
        if (w.State != WarpState.Running)
            return;
        w.State = WarpState.Barrier;
        w.Barrier = (int)i->Imm;
        w.BarrierLine = i->Line;
    }

    /// <summary>A fence: a block that then does an atomic may read what others wrote.</summary>
    public static void Fence(Warp w, Instruction* i, uint mask) => w.Block.Fenced = true;

    /// <summary>Nothing to do.</summary>
    public static void Nothing(Warp w, Instruction* i, uint mask)
    {
    }

    /// <summary>trap.</summary>
    public static void Trap(Warp w, Instruction* i, uint mask)
    {
        w.Report(Fault.Trap, i, mask, 0, "trap");
        w.State = WarpState.Aborted;
    }

    /// <summary>lop3: any function of three bits, by its table in Imm.</summary>
    public static void Lop3(Warp w, Instruction* i, uint mask)
    {
        uint* d = (uint*)(w.Regs + i->D), a = (uint*)(w.Regs + i->A), b = (uint*)(w.Regs + i->B), c = (uint*)(w.Regs + i->C);
        for (int k = 0; k < 32; k += 8)
        {
            Vector256<uint> x = Vector256.Load(a + k), y = Vector256.Load(b + k), z = Vector256.Load(c + k), result = Vector256<uint>.Zero;
            for (int term = 0; term < 8; term++)
                if ((i->Imm & (1 << term)) != 0)
                    result |= ((term & 4) != 0 ? x : ~x) & ((term & 2) != 0 ? y : ~y) & ((term & 1) != 0 ? z : ~z);
            Vector256.ConditionalSelect(Vectors.Lanes<uint>(mask, k), result, Vector256.Load(d + k)).Store(d + k);
        }
    }

    /// <summary>bfi: A into B at C, More[0] bits of it.</summary>
    public static void Insert<T>(Warp w, Instruction* i, uint mask) where T : unmanaged, IBinaryInteger<T>
    {
        T* d = (T*)(w.Regs + i->D), a = (T*)(w.Regs + i->A), b = (T*)(w.Regs + i->B);
        uint* c = (uint*)(w.Regs + i->C), e = (uint*)(w.Regs + i->More[0]);
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m), at = (int)(c[lane] & 255), length = (int)(e[lane] & 255), width = sizeof(T) * 8;
            T ones = length >= width ? T.AllBitsSet : (T.One << length) - T.One;
            T field = at >= width ? T.Zero : ones << at;
            d[lane] = (b[lane] & ~field) | (at >= width ? T.Zero : (a[lane] << at) & field);
        }
    }
}
