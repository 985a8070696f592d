using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Dia.SoftGpu.Ptx;

namespace Dia.SoftGpu.Execution;

/// <summary>
/// Finds and checks the memory behind the addresses of an instruction. The result is a pointer for each lane, or for regular accesses
/// one pointer and a stride: the fast way, which checks the whole piece at once.
/// </summary>
internal sealed unsafe partial class Warp
{
    /// <summary>Added to an offset in shared memory, this is its generic address; not canonical, and far from device memory.</summary>
    public const ulong SharedWindow = 0x0500_0000_0000_0000;

    /// <summary>The same for local memory.</summary>
    public const ulong LocalWindow = 0x0600_0000_0000_0000;

    /// <summary>Pointers that <see cref="Resolve"/> found.</summary>
    public readonly byte** Pointers = (byte**)NativeMemory.AlignedAlloc(32 * 8, 64);

    private readonly ulong* _addresses = (ulong*)NativeMemory.AlignedAlloc(32 * 8, 64);

    // What a faulty access reads, and where it writes.
    private readonly byte* _nowhere = (byte*)NativeMemory.AlignedAlloc(64, 64);

    /// <summary>Addresses of an instruction, without its offset.</summary>
    public ulong* AddressesOf(Instruction* i)
    {
        if ((i->Aux & 0x100) == 0)
            return (ulong*)(Regs + i->A);
        uint* narrow = (uint*)(Regs + i->A);
        for (int k = 0; k < 32; k++)
            _addresses[k] = narrow[k];
        return _addresses;
    }

    /// <summary>
    /// Resolves an access of <paramref name="bytes"/> bytes a lane. Not negative: lane l is at Pointers[0] + l * result, for all lanes.
    /// Negative: at Pointers[l].
    /// </summary>
    public int Resolve(Instruction* i, uint mask, int bytes, bool write)
    {
        ulong* a = AddressesOf(i);
        ulong offset = (ulong)i->Imm;
        if (mask == Full)
        {
            int stride = StrideOf(a, bytes);
            if (stride > 0 || (stride == 0 && !write))
            {
                ulong first = a[0] + offset;
                byte* p = (Space)i->Space switch
                {
                    Space.Shared => Block.Shared.Range(this, first, stride, bytes, write),
                    Space.Local => null,
                    _ => GlobalRange(i, first, stride == 0 ? (uint)bytes : 32u * (uint)bytes, bytes, write),
                };
                if (p != null)
                {
                    Pointers[0] = p;
                    return stride;
                }
            }
        }
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m);
            Pointers[lane] = Lane(i, lane, (Space)i->Space, a[lane] + offset, bytes, write);
        }
        return -1;
    }

    private static int StrideOf(ulong* a, int bytes)
    {
        ulong step = a[1] - a[0];
        if (step != 0 && step != (uint)bytes)
            return -1;
        Vector256<ulong> expected = Vector256.Create(a[0]) + Vector256.Create(0ul, 1, 2, 3) * step, increment = Vector256.Create(4 * step);
        Vector256<ulong> difference = Vector256<ulong>.Zero;
        for (int k = 0; k < 32; k += 4)
        {
            difference |= expected ^ Vector256.Load(a + k);
            expected += increment;
        }
        return difference == Vector256<ulong>.Zero ? (int)step : -1;
    }

    /// <summary>A piece of one allocation in good order, or null: then the slow way finds out what is wrong, if anything.</summary>
    private byte* GlobalRange(Instruction* i, ulong first, uint span, int bytes, bool write)
    {
        Allocation* at = i->Cache;
        if (at == null || first - at->Base >= at->Size || at->Size - (first - at->Base) < span || (first & (ulong)(bytes - 1)) != 0)
            return null;
        ulong offset = first - at->Base;
        if (write)
        {
            if (at->ReadOnly || bytes < 4 || (at->Writers == null && at->Kind == MemoryKind.Device))
                return null;
            if (at->Writers != null && !Claim(at->Writers + offset / 4, (int)(span / 4)))
                return null;
            if (at->Written != null && !at->AllWritten)
                Unsafe.InitBlockUnaligned(at->Written + offset, 0xFF, span);
        }
        else
        {
            if (at->Written != null && !at->AllWritten && !AllOnes(at->Written + offset, (int)span))
                return null;
            if (at->Writers != null && !Block.Acquired && bytes >= 4 && !MayRead(at->Writers + offset / 4, (int)(span / 4)))
                return null;
        }
        return at->Host + offset;
    }

    public static bool AllOnes(byte* p, int bytes)
    {
        int k = 0;
        Vector256<byte> all = Vector256<byte>.AllBitsSet;
        for (; k + 32 <= bytes; k += 32)
            all &= Vector256.Load(p + k);
        if (all != Vector256<byte>.AllBitsSet)
            return false;
        for (; k < bytes; k++)
            if (p[k] != 0xFF)
                return false;
        return true;
    }

    // Words last written in this launch by another block may be neither written nor read.
    private bool Claim(uint* writers, int words)
    {
        uint own = Block.Tag;
        if (words % 8 == 0)
        {
            if (!MayRead(writers, words))
                return false;
            for (int k = 0; k < words; k += 8)
                Vector256.Create(own).Store(writers + k);
            return true;
        }
        for (int k = 0; k < words; k++)
        {
            if (writers[k] != own && (writers[k] & Block.LaunchBits) == (own & Block.LaunchBits))
                return false;
            writers[k] = own;
        }
        return true;
    }

    private bool MayRead(uint* writers, int words)
    {
        uint own = Block.Tag;
        if (words % 8 == 0)
        {
            Vector256<uint> tag = Vector256.Create(own), launch = Vector256.Create(own & Block.LaunchBits), bits = Vector256.Create(Block.LaunchBits);
            Vector256<uint> bad = Vector256<uint>.Zero;
            for (int k = 0; k < words; k += 8)
            {
                Vector256<uint> x = Vector256.Load(writers + k);
                bad |= Vector256.AndNot(Vector256.Equals(x & bits, launch), Vector256.Equals(x, tag));
            }
            return bad == Vector256<uint>.Zero;
        }
        for (int k = 0; k < words; k++)
            if (writers[k] != own && (writers[k] & Block.LaunchBits) == (own & Block.LaunchBits))
                return false;
        return true;
    }

    /// <summary>One lane's access, with a report of whatever is wrong with it.</summary>
    public byte* Lane(Instruction* i, int lane, Space space, ulong address, int bytes, bool write)
    {
        if (space == Space.Generic)
        {
            space = (address >> 56) switch { SharedWindow >> 56 => Space.Shared, LocalWindow >> 56 => Space.Local, _ => Space.Global };
            address -= space == Space.Shared ? SharedWindow : space == Space.Local ? LocalWindow : 0;
        }
        if ((address & (ulong)(bytes - 1)) != 0)
        {
            Report(Fault.Misaligned, i, 1u << lane, address, $"{(write ? "write" : "read")} of {bytes} bytes is not aligned to them");
            return Nowhere();
        }
        if (space == Space.Shared)
        {
            byte* p = Block.Shared.Lane(this, i, lane, address, bytes, write);
            return p == null ? Nowhere() : p;
        }
        if (space == Space.Local)
        {
            int local = Block.LocalBytes;
            if (address + (ulong)bytes <= (ulong)local)
                return Local + lane * local + (int)address;
            Report(Fault.OutOfBounds, i, 1u << lane, address, $"{(write ? "write" : "read")} of {bytes} bytes outside the {local} bytes of local memory");
            return Nowhere();
        }
        return GlobalLane(i, lane, address, bytes, write);
    }

    private byte* GlobalLane(Instruction* i, int lane, ulong address, int bytes, bool write)
    {
        Allocation* at = i->Cache;
        if (at == null || address - at->Base >= at->Size || at->Size - (address - at->Base) < (ulong)bytes)
        {
            at = DeviceMemory.Find(address);
            if (at == null || at->Freed || at->Size - (address - at->Base) < (ulong)bytes)
            {
                string what = at != null && at->Freed ? "after it was freed" : "outside every allocation";
                Report(Fault.OutOfBounds, i, 1u << lane, address, $"{(write ? "write" : "read")} of {bytes} bytes {what}: {DeviceMemory.Describe(address)}");
                return Nowhere();
            }
            i->Cache = at;
        }
        ulong offset = address - at->Base;
        if (write && at->ReadOnly)
        {
            Report(Fault.OutOfBounds, i, 1u << lane, address, "write into constant memory");
            return Nowhere();
        }
        if (bytes >= 4 && at->Kind == MemoryKind.Device && (write || (at->Writers != null && !Block.Acquired)))
        {
            uint* writers = DeviceMemory.WritersOf(at) + offset / 4;
            if (!(write ? Claim(writers, bytes / 4) : MayRead(writers, bytes / 4)))
            {
                uint other = *writers & ~Block.LaunchBits;
                Report(Fault.Race, i, 1u << lane, address,
                    $"{(write ? "write" : "read")} of what block {other} writes in the same launch: {DeviceMemory.Describe(address)}");
            }
        }
        if (at->Written != null && !at->AllWritten)
        {
            if (write)
                Unsafe.InitBlockUnaligned(at->Written + offset, 0xFF, (uint)bytes);
            else if (!AllOnes(at->Written + offset, bytes))
                Report(Fault.Uninitialised, i, 1u << lane, address, $"read of {bytes} bytes that nothing wrote: {DeviceMemory.Describe(address)}");
        }
        return at->Host + offset;
    }

    public byte* Nowhere()
    {
        new Span<byte>(_nowhere, 64).Fill(DeviceMemory.Poison);
        return _nowhere;
    }
}
