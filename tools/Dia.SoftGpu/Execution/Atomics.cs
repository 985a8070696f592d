using System.Numerics;
using System.Threading;
using Dia.SoftGpu.Ptx;

namespace Dia.SoftGpu.Execution;

internal enum AtomicOp
{
    Add, MinU, MinS, MaxU, MaxS, And, Or, Xor, Exchange, CompareExchange, Increment, Decrement, AddFloat,
}

/// <summary>atom and red on 32 and 64 bits. Lanes and blocks go one after the other, in an order that nothing promises.</summary>
internal static unsafe class Atomics
{
    /// <summary>Aux bits 0..3 operation, 8 narrow address; D result or -1; A address, B value, C second value; E width.</summary>
    public static void Run(Warp w, Instruction* i, uint mask)
    {
        var op = (AtomicOp)(i->Aux & 15);
        ulong* address = w.AddressesOf(i);
        // From the last lane to the first, or from the first to the last: as the seed says.
        bool backwards = w.Block.Random.Next(2) == 1;
        for (uint m = mask; m != 0;)
        {
            int lane = backwards ? 31 - BitOperations.LeadingZeroCount(m) : BitOperations.TrailingZeroCount(m);
            m &= ~(1u << lane);
            byte* p = PointerOf(w, i, lane, address[lane] + (ulong)i->Imm, i->E / 8);
            if (i->E == 32)
            {
                uint old = Run32(op, (uint*)p, ((uint*)(w.Regs + i->B))[lane], i->C >= 0 ? ((uint*)(w.Regs + i->C))[lane] : 0);
                if (i->D >= 0)
                    ((uint*)(w.Regs + i->D))[lane] = old;
            }
            else
            {
                ulong old = Run64(op, (ulong*)p, ((ulong*)(w.Regs + i->B))[lane], i->C >= 0 ? ((ulong*)(w.Regs + i->C))[lane] : 0);
                if (i->D >= 0)
                    ((ulong*)(w.Regs + i->D))[lane] = old;
            }
        }
    }

    private static byte* PointerOf(Warp w, Instruction* i, int lane, ulong address, int bytes)
    {
        var space = (Space)i->Space;
        if (space == Space.Generic && address >> 56 == Warp.SharedWindow >> 56)
        {
            space = Space.Shared;
            address -= Warp.SharedWindow;
        }
        if (space == Space.Shared && (address & (ulong)(bytes - 1)) == 0)
        {
            byte* p = w.Block.Shared.Atomic(w, i, lane, address, bytes);
            return p == null ? w.Nowhere() : p;
        }
        // Atomics of several blocks on one word are no race; what a block reads after one may come from any block that did one too.
        bool acquired = w.Block.Acquired;
        w.Block.Acquired = true;
        byte* global = w.Lane(i, lane, space, address, bytes, false);
        w.Block.Acquired = acquired || w.Block.Fenced;
        return global;
    }

    private static uint Run32(AtomicOp op, uint* p, uint b, uint c)
    {
        while (true)
        {
            uint old = Volatile.Read(ref *p);
            uint value = op switch
            {
                AtomicOp.Add => old + b,
                AtomicOp.MinU => Math.Min(old, b),
                AtomicOp.MaxU => Math.Max(old, b),
                AtomicOp.MinS => (uint)Math.Min((int)old, (int)b),
                AtomicOp.MaxS => (uint)Math.Max((int)old, (int)b),
                AtomicOp.And => old & b,
                AtomicOp.Or => old | b,
                AtomicOp.Xor => old ^ b,
                AtomicOp.Exchange => b,
                AtomicOp.CompareExchange => old == b ? c : old,
                AtomicOp.Increment => old >= b ? 0 : old + 1,
                AtomicOp.Decrement => old == 0 || old > b ? b : old - 1,
                _ => BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(old) + BitConverter.UInt32BitsToSingle(b)),
            };
            if (Interlocked.CompareExchange(ref *p, value, old) == old)
                return old;
        }
    }

    private static ulong Run64(AtomicOp op, ulong* p, ulong b, ulong c)
    {
        while (true)
        {
            ulong old = Volatile.Read(ref *p);
            ulong value = op switch
            {
                AtomicOp.Add => old + b,
                AtomicOp.MinU => Math.Min(old, b),
                AtomicOp.MaxU => Math.Max(old, b),
                AtomicOp.MinS => (ulong)Math.Min((long)old, (long)b),
                AtomicOp.MaxS => (ulong)Math.Max((long)old, (long)b),
                AtomicOp.And => old & b,
                AtomicOp.Or => old | b,
                AtomicOp.Xor => old ^ b,
                AtomicOp.Exchange => b,
                AtomicOp.CompareExchange => old == b ? c : old,
                _ => BitConverter.DoubleToUInt64Bits(BitConverter.UInt64BitsToDouble(old) + BitConverter.UInt64BitsToDouble(b)),
            };
            if (Interlocked.CompareExchange(ref *p, value, old) == old)
                return old;
        }
    }
}
