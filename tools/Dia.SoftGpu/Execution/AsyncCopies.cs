using System.Collections.Generic;
using System.Numerics;
using Dia.SoftGpu.Ptx;

namespace Dia.SoftGpu.Execution;

/// <summary>cp.async of a warp: source and destination are touched only when a wait asks for the copy, each lane's groups in order.</summary>
internal sealed unsafe class AsyncCopies
{
    private record struct Copy(int Lane, int Group, uint To, ulong From, byte Bytes, byte SourceBytes, nint Instruction);

    private readonly List<Copy> _pending = [];

    // Groups that each lane has closed.
    private readonly int[] _groups = new int[32];

    public void Clear()
    {
        _pending.Clear();
        Array.Clear(_groups);
    }

    /// <summary>cp.async: A destination in shared memory, Imm its offset; B source, More[0] and More[1] its offset; C source bytes or -1; E bytes.</summary>
    public static void Start(Warp w, Instruction* i, uint mask)
    {
        ulong* to = w.AddressesOf(i);
        ulong* from = (ulong*)(w.Regs + i->B);
        ulong offset = (uint)i->More[0] | ((ulong)(uint)i->More[1] << 32);
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m);
            int bytes = i->E, source = bytes;
            if (i->C >= 0)
                source = (int)Math.Min(((uint*)(w.Regs + i->C))[lane], (uint)bytes);
            ulong address = to[lane] + (ulong)i->Imm;
            if ((address & (ulong)(bytes - 1)) != 0)
            {
                w.Report(Fault.Misaligned, i, 1u << lane, address, $"cp.async of {bytes} bytes into shared memory is not aligned to them");
                continue;
            }
            // Whoever has yet to read the old bytes races with the copy from here on, whoever reads the new ones until the wait.
            if (w.Block.Shared.Lane(w, i, lane, address, bytes, true) == null)
                continue;
            w.Block.Shared.Await(address, bytes);
            w.Async._pending.Add(new Copy(lane, w.Async._groups[lane], (uint)address, from[lane] + offset, (byte)bytes, (byte)source, (nint)i));
        }
    }

    public static void Commit(Warp w, Instruction* i, uint mask)
    {
        for (uint m = mask; m != 0; m &= m - 1)
            w.Async._groups[BitOperations.TrailingZeroCount(m)]++;
    }

    /// <summary>cp.async.wait_group: Imm groups may stay open; -1 for wait_all.</summary>
    public static void Wait(Warp w, Instruction* i, uint mask)
    {
        List<Copy> pending = w.Async._pending;
        int kept = 0;
        for (int k = 0; k < pending.Count; k++)
        {
            Copy copy = pending[k];
            bool due = (mask & (1u << copy.Lane)) != 0 && (i->Imm < 0 || copy.Group < w.Async._groups[copy.Lane] - i->Imm);
            if (due)
                Land(w, copy);
            else
                pending[kept++] = copy;
        }
        pending.RemoveRange(kept, pending.Count - kept);
    }

    private static void Land(Warp w, in Copy copy)
    {
        var i = (Instruction*)copy.Instruction;
        byte* to = w.Block.Shared.Lane(w, i, copy.Lane, copy.To, copy.Bytes, true);
        if (to == null)
            return;
        new Span<byte>(to, copy.Bytes).Clear();
        if (copy.SourceBytes == 0)
            return;
        if ((copy.From & (ulong)(copy.Bytes - 1)) != 0)
        {
            w.Report(Fault.Misaligned, i, 1u << copy.Lane, copy.From, $"cp.async of {copy.Bytes} bytes is not aligned to them");
            return;
        }
        for (int k = 0; k < copy.SourceBytes;)
        {
            int bytes = 1 << BitOperations.Log2((uint)(copy.SourceBytes - k));
            byte* from = w.Lane(i, copy.Lane, Space.Global, copy.From + (ulong)k, bytes, false);
            new Span<byte>(from, bytes).CopyTo(new Span<byte>(to + k, bytes));
            k += bytes;
        }
    }
}

internal sealed partial class Warp
{
    public AsyncCopies Async { get; } = new();
}
