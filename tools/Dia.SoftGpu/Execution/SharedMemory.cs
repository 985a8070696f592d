using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Dia.SoftGpu.Execution;

/// <summary>
/// Shared memory of a block, and who touched it. Two accesses of one cell race where at least one writes and nothing orders them:
/// a barrier of the block orders everything before it with everything after it; bar.warp.sync, shuffles, votes and the other .sync
/// instructions order the lanes of their warp. Lockstep orders nothing: a GPU may run the lanes of a warp apart.
/// </summary>
/// <remarks>
/// A cell is as wide as the kernel's narrowest access. For each there are two tags: the last writer and the last reader (or "several").
/// Bits of a tag: 31..21 epoch of the block, 20..12 epoch of the warp, 11 read by several warps, 10 by several lanes, 9..0 thread.
/// </remarks>
internal sealed unsafe class SharedMemory
{
    public const uint WarpEpochs = 1 << 9;
    private const int BlockShift = 21, WarpShift = 12;
    private const uint BlockMask = uint.MaxValue << BlockShift, WarpMask = (WarpEpochs - 1) << WarpShift;
    private const uint ManyWarps = 1 << 11, ManyLanes = 1 << 10, ThreadMask = 1023, ThreadWarp = 1023 & ~31;
    private const int Capacity = 228 * 1024;

    private readonly byte* _data = (byte*)NativeMemory.AlignedAlloc(Capacity, 64);
    private readonly byte* _written = (byte*)NativeMemory.AlignedAlloc(Capacity, 64);
    private uint* _writers;
    private uint* _readers;
    private int _cells;
    private int _shift = 2;
    private uint _epoch = 1;

    public int Size { get; private set; }

    public void Start(int size, int cellShift)
    {
        Size = size;
        if (size == 0)
            return;
        NativeMemory.Fill(_data, (nuint)size, DeviceMemory.Poison);
        NativeMemory.Clear(_written, (nuint)size);
        int cells = (Capacity >> cellShift) + 64;
        if (cells > _cells)
        {
            NativeMemory.AlignedFree(_writers);
            NativeMemory.AlignedFree(_readers);
            _writers = (uint*)NativeMemory.AlignedAlloc((nuint)cells * 4, 64);
            _readers = (uint*)NativeMemory.AlignedAlloc((nuint)cells * 4, 64);
            _cells = cells;
            Forget();
        }
        _shift = cellShift;
        NextEpoch();
    }

    /// <summary>A barrier of the block, or a new block.</summary>
    public void NextEpoch()
    {
        if (++_epoch == 1u << (32 - BlockShift))
            Forget();
    }

    /// <summary>Epochs begin anew: all tags go. Races across this moment are missed.</summary>
    public void Forget()
    {
        NativeMemory.Clear(_writers, (nuint)_cells * 4);
        NativeMemory.Clear(_readers, (nuint)_cells * 4);
        _epoch = 1;
    }

    private uint TagOf(Warp w, int lane) => (_epoch << BlockShift) | (w.Epoch << WarpShift) | (uint)(w.Index * 32 + lane);

    /// <summary>32 lanes side by side, or all at one address: a pointer where nothing is wrong, else null.</summary>
    public byte* Range(Warp w, ulong first, int stride, int bytes, bool write)
    {
        uint span = stride == 0 ? (uint)bytes : 32u * (uint)bytes;
        if (first >= (uint)Size || (uint)Size - first < span || (first & (ulong)(bytes - 1)) != 0)
            return null;
        if (bytes < 1 << _shift)
            return null;
        int cells = (int)(span >> _shift), perLane = System.Numerics.BitOperations.Log2((uint)(bytes >> _shift));
        if (stride == 0)
            return Broadcast(w, (int)first, bytes);
        if (!write && !Warp.AllOnes(_written + first, (int)span))
            return null;
        uint own = TagOf(w, 0);
        uint* writers = _writers + (first >> _shift), readers = _readers + (first >> _shift);
        Vector256<uint> lanes = Vector256.Create(0u, 1, 2, 3, 4, 5, 6, 7), block = Vector256.Create(own & BlockMask);
        // Whatever was touched in this epoch needs a closer look, unless it is only read again.
        Vector256<uint> touched = Vector256<uint>.Zero;
        for (int k = 0; k < cells; k += 8)
        {
            touched |= Vector256.Equals(Vector256.Load(writers + k) & Vector256.Create(BlockMask), block);
            if (write)
                touched |= Vector256.Equals(Vector256.Load(readers + k) & Vector256.Create(BlockMask), block);
        }
        if (touched != Vector256<uint>.Zero)
            return null;
        for (int k = 0; k < cells; k += 8)
        {
            Vector256<uint> tag = Vector256.Create(own) + Vector256.ShiftRightLogical(lanes + Vector256.Create((uint)k), perLane);
            if (write)
            {
                tag.Store(writers + k);
                continue;
            }
            Merge(Vector256.Load(readers + k), tag).Store(readers + k);
        }
        if (write)
            NativeMemory.Fill(_written + first, span, 0xFF);
        return _data + first;
    }

    // All lanes read one place: fine where it was not written in this epoch.
    private byte* Broadcast(Warp w, int first, int bytes)
    {
        if (!Warp.AllOnes(_written + first, bytes))
            return null;
        uint tag = TagOf(w, 0);
        int last = (first + bytes - 1) >> _shift;
        for (int cell = first >> _shift; cell <= last; cell++)
            if (((_writers[cell] ^ tag) & BlockMask) == 0)
                return null;
        for (int cell = first >> _shift; cell <= last; cell++)
            _readers[cell] = MergeOne(_readers[cell], tag) | ManyLanes;
        return _data + first;
    }

    // The tag of a read, remembering that others read in the same epoch.
    private static Vector256<uint> Merge(Vector256<uint> old, Vector256<uint> tag)
    {
        Vector256<uint> zero = Vector256<uint>.Zero, d = old ^ tag;
        Vector256<uint> sameBlock = Vector256.Equals(d & Vector256.Create(BlockMask), zero);
        Vector256<uint> sameThread = Vector256.Equals(d & Vector256.Create(ThreadMask), zero);
        Vector256<uint> sameWarp = Vector256.Equals(d & Vector256.Create(ThreadWarp), zero);
        Vector256<uint> sameMoment = Vector256.Equals(d & Vector256.Create(WarpMask), zero) & sameWarp;
        Vector256<uint> flags = old & (Vector256.Create(ManyWarps) | (sameMoment & Vector256.Create(ManyLanes)));
        flags |= Vector256.AndNot(sameMoment & Vector256.Create(ManyLanes), sameThread);
        flags |= Vector256.AndNot(Vector256.Create(ManyWarps | ManyLanes), sameWarp);
        return tag | (flags & sameBlock);
    }

    /// <summary>One lane's access, with a report of what is wrong; null outside.</summary>
    public byte* Lane(Warp w, Instruction* i, int lane, ulong address, int bytes, bool write)
    {
        string access = write ? "write" : "read";
        if (address >= (uint)Size || (uint)Size - address < (uint)bytes)
        {
            w.Report(Fault.OutOfBounds, i, 1u << lane, address, $"{access} of {bytes} bytes outside the {Size} bytes of shared memory");
            return null;
        }
        if (write)
            new Span<byte>(_written + address, bytes).Fill(0xFF);
        else if (!Warp.AllOnes(_written + address, bytes))
            w.Report(Fault.Uninitialised, i, 1u << lane, address, $"read of {bytes} bytes of shared memory that nothing wrote (or a cp.async still writes)");
        // Narrower than the cells: only by a generic address, which the kernel's code did not show. Such accesses are not watched.
        if (bytes < 1 << _shift)
            return _data + address;
        uint tag = TagOf(w, lane);
        int first = (int)address >> _shift, last = (int)(address + (uint)bytes - 1) >> _shift;
        for (int cell = first; cell <= last; cell++)
        {
            uint writer = _writers[cell], reader = _readers[cell];
            uint other = 0;
            if (Races(writer, tag))
                other = writer;
            else if (write && Races(reader, tag))
                other = reader;
            if (other != 0)
                w.Report(Fault.Race, i, 1u << lane, address,
                    $"{access} of shared memory that thread {other & ThreadMask} {(other == writer ? "writes" : "reads")}, with no barrier between");
            if (write)
                _writers[cell] = tag;
            else
                _readers[cell] = MergeOne(reader, tag);
            if (other != 0)
                break;
        }
        return _data + address;
    }

    private static uint MergeOne(uint old, uint tag) => Merge(Vector256.CreateScalar(old), Vector256.CreateScalar(tag)).ToScalar();

    private static bool Races(uint other, uint tag)
    {
        uint d = other ^ tag;
        if ((d & BlockMask) != 0)
            return false;
        if ((other & ManyWarps) != 0 || (d & ThreadWarp) != 0)
            return true;
        return (d & WarpMask) == 0 && ((d & ThreadMask) != 0 || (other & ManyLanes) != 0);
    }

    /// <summary>Bytes that a cp.async will write: until its wait they hold nothing.</summary>
    public void Await(ulong address, int bytes)
    {
        if (address < (uint)Size && (uint)Size - address >= (uint)bytes)
        {
            new Span<byte>(_written + address, bytes).Clear();
            new Span<byte>(_data + address, bytes).Fill(DeviceMemory.Poison);
        }
    }

    /// <summary>An atomic access: checked for bounds only, since atomics order themselves.</summary>
    public byte* Atomic(Warp w, Instruction* i, int lane, ulong address, int bytes)
    {
        if (address >= (uint)Size || (uint)Size - address < (uint)bytes)
        {
            w.Report(Fault.OutOfBounds, i, 1u << lane, address, $"atomic of {bytes} bytes outside the {Size} bytes of shared memory");
            return null;
        }
        if (!Warp.AllOnes(_written + address, bytes))
            w.Report(Fault.Uninitialised, i, 1u << lane, address, "atomic on shared memory that nothing wrote");
        uint writer = _writers[(int)address >> _shift];
        if (Races(writer, TagOf(w, lane)))
            w.Report(Fault.Race, i, 1u << lane, address, $"atomic on shared memory that thread {writer & ThreadMask} writes, with no barrier between");
        return _data + address;
    }
}
