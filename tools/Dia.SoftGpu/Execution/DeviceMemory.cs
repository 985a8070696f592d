using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Dia.SoftGpu.Execution;

internal enum MemoryKind
{
    Device, Pinned, Variable,
}

/// <summary>
/// A piece of memory that kernels may touch. Records live as long as the process, so that a freed one is recognised. Device addresses
/// are no host addresses: a host that dereferences one crashes, as it would with a real device.
/// </summary>
internal unsafe struct Allocation
{
    public ulong Base;

    /// <summary>Bytes; 0 once freed, so that every check fails.</summary>
    public ulong Size;

    public ulong OriginalSize;
    public byte* Host;

    /// <summary>0xFF for each byte that was written; null where that is not watched.</summary>
    public byte* Written;

    /// <summary>Per word: launch and block that last wrote it; null until a kernel writes here.</summary>
    public uint* Writers;

    public MemoryKind Kind;
    public int Device;
    public bool ReadOnly;
    public bool Freed;
    public int Serial;

    /// <summary>Bytes that were written in one piece from the start on: all of them means that reads need no check.</summary>
    public bool AllWritten;
}

/// <summary>All allocations of the process, by address.</summary>
internal static unsafe class DeviceMemory
{
    /// <summary>
    /// What fresh memory holds: -1.7e38 as a float or bfloat16, NaN as float16. Not a NaN for the wide types, because a test that asks
    /// "is the error larger than the tolerance" would let a NaN pass.
    /// </summary>
    public const byte Poison = 0xFE;

    // Not canonical: no host address looks like this.
    private const ulong FirstAddress = 0x0D1A_0000_0000_0000;
    private const ulong Gap = 4096;

    private static readonly List<nint> ByAddress = [];
    private static readonly Dictionary<int, ulong> Used = [];
    private static ulong _next = FirstAddress;
    private static int _serial;

    /// <summary>Live bytes of a device.</summary>
    public static ulong UsedOf(int device) => Used.GetValueOrDefault(device);

    public static IEnumerable<nint> All => ByAddress;

    public static Allocation* Allocate(ulong bytes, MemoryKind kind, int device = 0)
    {
        byte* host = (byte*)NativeMemory.AlignedAlloc((nuint)((bytes + 255) / 256 * 256), 4096);
        NativeMemory.Fill(host, (nuint)bytes, Poison);
        var a = (Allocation*)NativeMemory.AllocZeroed((nuint)sizeof(Allocation));
        a->Host = host;
        a->Size = a->OriginalSize = bytes;
        a->Kind = kind;
        a->Device = device;
        a->Serial = ++_serial;
        if (kind == MemoryKind.Pinned)
            a->Base = (ulong)host;
        else
        {
            // Addresses are never used twice; 256 bytes is what the driver promises, so nothing is aligned to more by chance.
            a->Base = _next + 256;
            _next = (a->Base + bytes + Gap) & ~4095ul;
            a->Written = (byte*)NativeMemory.AllocZeroed((nuint)bytes);
            Used[device] = UsedOf(device) + bytes;
        }
        ByAddress.Insert(IndexOf(a->Base) + 1, (nint)a);
        return a;
    }

    public static void Free(Allocation* a)
    {
        a->Freed = true;
        a->Size = 0;
        NativeMemory.AlignedFree(a->Host);
        NativeMemory.Free(a->Written);
        NativeMemory.Free(a->Writers);
        a->Host = a->Written = null;
        a->Writers = null;
        if (a->Kind == MemoryKind.Pinned)
            ByAddress.Remove((nint)a); // its address may come back
        else
            Used[a->Device] -= a->OriginalSize;
    }

    /// <summary>The allocation, live or freed, at or below an address whose extent (with nothing beyond) holds it; or null.</summary>
    public static Allocation* Find(ulong address)
    {
        Allocation* a = Below(address);
        return a != null && address - a->Base < a->OriginalSize ? a : null;
    }

    /// <summary>The last allocation that starts at or below an address: what an access past its end belongs to.</summary>
    public static Allocation* Below(ulong address)
    {
        int at = IndexOf(address);
        return at < 0 ? null : (Allocation*)ByAddress[at];
    }

    // Index of the last allocation whose base is at most the address.
    private static int IndexOf(ulong address)
    {
        int low = 0, high = ByAddress.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (((Allocation*)ByAddress[middle])->Base <= address)
                low = middle + 1;
            else
                high = middle;
        }
        return low - 1;
    }

    public static void MarkWritten(Allocation* a, ulong offset, ulong bytes)
    {
        if (a->Written == null)
            return;
        if (offset == 0 && bytes == a->Size)
            a->AllWritten = true;
        NativeMemory.Fill(a->Written + offset, (nuint)bytes, 0xFF);
    }

    /// <summary>The first byte of a range that nothing wrote, or -1.</summary>
    public static long FirstUnwritten(Allocation* a, ulong offset, ulong bytes)
    {
        if (a->Written == null || a->AllWritten)
            return -1;
        int at = new ReadOnlySpan<byte>(a->Written + offset, (int)Math.Min(bytes, int.MaxValue)).IndexOfAnyExcept((byte)0xFF);
        return at;
    }

    /// <summary>Says where an address lies, for a report.</summary>
    public static string Describe(ulong address)
    {
        Allocation* a = Below(address);
        if (a == null || (a->Kind == MemoryKind.Pinned && address - a->Base > a->OriginalSize + Gap))
            return "in no allocation";
        ulong offset = address - a->Base;
        string kind = a->Kind switch { MemoryKind.Pinned => "pinned host memory", MemoryKind.Variable => "variable", _ => "device memory" };
        string what = $"{kind} #{a->Serial} of {a->OriginalSize} bytes{(a->Freed ? ", freed" : "")}";
        return offset < a->OriginalSize ? $"byte {offset} of {what}" : $"{offset - a->OriginalSize} bytes past the end of {what}";
    }

    /// <summary>Forgets which block wrote what: the counter of launches begins anew.</summary>
    public static void ForgetWriters()
    {
        foreach (nint p in ByAddress)
        {
            var a = (Allocation*)p;
            if (a->Writers != null)
                NativeMemory.Clear(a->Writers, (nuint)((a->OriginalSize + 3) / 4 * 4));
        }
    }

    public static uint* WritersOf(Allocation* a)
    {
        if (a->Writers == null)
        {
            lock (ByAddress)
            {
                if (a->Writers == null)
                    a->Writers = (uint*)NativeMemory.AllocZeroed((nuint)((a->OriginalSize + 3) / 4 * 4));
            }
        }
        return a->Writers;
    }
}
