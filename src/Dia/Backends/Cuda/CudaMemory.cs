using ManagedCuda;
using ManagedCuda.BasicTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace Dia.Backends.Cuda;

/// <summary>
/// A GPU's memory. Copies go through pinned buffers, since the device reaches no other host memory at full speed: a copy to the device
/// returns when the buffer has the bytes, and a buffer is not used again before its copy is done.
/// </summary>
internal sealed unsafe class CudaMemory : DeviceMemory, IDisposable
{
    private const int BufferBytes = 4 << 20;
    private const int Transfers = 4;

    private readonly CudaDevice _device;
    private readonly Transfer[] _transfers; // null where the constructor failed before
    private readonly HashSet<nint> _allocations = []; // the driver's, the arena among them
    private int _next;
    private ArenaPieces? _pieces;
    private void* _arena;

    /// <summary>Takes the pinned buffers.</summary>
    /// <param name="device">A device that has its context and stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public CudaMemory(CudaDevice device)
    {
        _device = device;
        _transfers = new Transfer[Transfers];
        try
        {
            for (int i = 0; i < Transfers; i++)
                _transfers[i] = new Transfer(BufferBytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The GPU it is of.</summary>
    public CudaDevice Device => _device;

    /// <summary>The arena's pieces; null: there is none.</summary>
    public ArenaPieces? Pieces => _pieces;

    /// <summary>Bytes that were allocated although there is an arena, because it had no room for them.</summary>
    public long BytesOutsideArena { get; private set; }

    /// <inheritdoc/>
    public override bool IsHost => false;

    /// <inheritdoc/>
    public override float* Allocate(long count)
    {
        float* memory = (float*)AllocateBytes(checked(count * sizeof(float)), "activations and caches");
        try
        {
            Zero(memory, count);
            return memory;
        }
        catch
        {
            Free(memory);
            throw;
        }
    }

    /// <summary>
    /// Takes memory in one allocation, from which everything is placed from now on, as far as there is room. Checks of kernels go without:
    /// in an arena a kernel that leaves its operand meets the next one, where a debugger of memory (compute-sanitizer, the tests' software
    /// GPU) sees nothing wrong; past the end of an allocation of its own it does.
    /// </summary>
    /// <param name="bytes">How much.</param>
    /// <exception cref="InvalidOperationException">There is an arena.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Reserve(long bytes)
    {
        if (_pieces is not null)
            throw new InvalidOperationException("The GPU's memory has been reserved.");
        _arena = AllocateBytes(bytes, "weights, caches and activations, as `dia info --device cuda` lists them");
        _pieces = new ArenaPieces(bytes);
    }

    /// <summary>Memory of so many bytes, aligned to 256; what is in it is not defined.</summary>
    /// <param name="bytes">How much; 0 takes a little all the same, so that the address is one of its own.</param>
    /// <param name="what">What it is for, to tell the user.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void* AllocateBytes(long bytes, string what)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (_pieces is not null)
        {
            long start = _pieces.Take(bytes);
            if (start >= 0)
                return (byte*)_arena + start;
            BytesOutsideArena += bytes;
        }

        _device.MakeCurrent();
        CUResult result = Native.cuMemAlloc_v2(out void* memory, (nuint)Math.Max(bytes, 16));
        if (result == CUResult.ErrorOutOfMemory)
        {
            throw new DiaException(DiaErrorKind.Device, string.Create(CultureInfo.InvariantCulture,
                $"The GPU {_device.Name} has no memory for {bytes} bytes ({what}): {_device.FreeMemory} of {_device.TotalMemory} bytes are free. End other programs that use it, generate less at once, or use --device cpu."));
        }

        Check(result, "give memory");
        _allocations.Add((nint)memory);
        return memory;
    }

    /// <inheritdoc/>
    public override void Free(void* memory)
    {
        // What a device had went with it.
        if (memory is null || _device.IsDisposed)
            return;
        try
        {
            // Work that was started may still use it; so may copies in streams of their own, which the device's stream waits for only when
            // more comes in it: not where a failure keeps that from coming.
            _device.Synchronize();
            foreach (Transfer? transfer in _transfers)
                if (transfer is not null)
                    _device.Try("finish a copy", transfer.Stream, static stream => stream.Synchronize());
            if (_pieces is not null && (byte*)memory >= (byte*)_arena && (byte*)memory < (byte*)_arena + _pieces.Bytes)
                _pieces.Return((byte*)memory - (byte*)_arena);
            else if (_allocations.Remove((nint)memory))
                Check(Native.cuMemFree_v2(memory), "free memory");
        }
        catch (DiaException)
        {
            // The device failed, and every later operation says so. Memory is freed where things are disposed of, often because of that
            // very failure: a second exception would hide the first.
        }
    }

    /// <inheritdoc/>
    public override void Upload(void* to, void* from, long bytes) => Upload(to, from, bytes, own: false);

    /// <summary>
    /// The same for much at a time, to memory that no earlier work uses: the pieces go in streams of their own, side by side; the device's
    /// stream waits for them.
    /// </summary>
    public void UploadParallel(void* to, void* from, long bytes)
    {
        Upload(to, from, bytes, own: true);
        foreach (Transfer transfer in _transfers)
            _device.Try("copy weights", (_device.Stream, transfer.Done), static on => on.Stream.WaitEvent(on.Done));
    }

    /// <inheritdoc/>
    public override void Download(void* to, void* from, long bytes)
    {
        _device.MakeCurrent();
        byte* target = (byte*)to, source = (byte*)from;
        for (long done = 0, piece; done < bytes; done += piece)
        {
            Transfer transfer = Next(out piece, bytes - done);
            Check(Native.cuMemcpyDtoHAsync_v2(transfer.Host, source + done, (nuint)piece, _device.Stream.Stream), "copy results");
            _device.Synchronize();
            Buffer.MemoryCopy(transfer.Host, target + done, piece, piece);
        }
    }

    /// <inheritdoc/>
    public override void Zero(float* memory, long count)
    {
        if (count == 0)
            return;
        _device.MakeCurrent();
        Check(Native.cuMemsetD32Async(memory, 0, (nuint)count, _device.Stream.Stream), "zero memory");
    }

    /// <summary>Copies within the device.</summary>
    public void Copy(void* to, void* from, long bytes)
    {
        _device.MakeCurrent();
        Check(Native.cuMemcpyDtoDAsync_v2(to, from, (nuint)bytes, _device.Stream.Stream), "copy memory");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // All of it: what lives on the device may be disposed later, and then has nothing to free.
        _pieces = null;
        foreach (nint memory in _allocations.ToArray())
            Free((void*)memory);
        foreach (Transfer? transfer in _transfers)
            transfer?.Dispose();
    }

    private void Upload(void* to, void* from, long bytes, bool own)
    {
        _device.MakeCurrent();
        byte* target = (byte*)to, source = (byte*)from;
        for (long done = 0, piece; done < bytes; done += piece)
        {
            Transfer transfer = Next(out piece, bytes - done);
            Buffer.MemoryCopy(source + done, transfer.Host, piece, piece);
            CudaStream stream = own ? transfer.Stream : _device.Stream;
            Check(Native.cuMemcpyHtoDAsync_v2(target + done, transfer.Host, (nuint)piece, stream.Stream), "copy data");
            _device.Try("copy data", (transfer.Done, stream), static on => on.Done.Record(on.stream));
        }
    }

    /// <summary>The next buffer, when its last copy is done.</summary>
    private Transfer Next(out long piece, long left)
    {
        Transfer transfer = _transfers[_next];
        _next = (_next + 1) % _transfers.Length;
        _device.Try("finish a copy", transfer.Done, static done => done.Synchronize());
        piece = Math.Min(left, BufferBytes);
        return transfer;
    }

    private void Check(CUResult result, string doing)
    {
        if (result != CUResult.Success)
            throw _device.Failure(doing, new CudaException(result));
    }

    /// <summary>A pinned buffer with a stream of its own and the end of its last copy.</summary>
    private sealed class Transfer : IDisposable
    {
        private readonly CudaPageLockedHostMemory<byte> _host;

        public Transfer(int bytes)
        {
            _host = new CudaPageLockedHostMemory<byte>(bytes);
            try
            {
                Stream = new CudaStream(CUStreamFlags.NonBlocking);
                Done = new CudaEvent(CUEventFlags.DisableTiming);
            }
            catch
            {
                Stream?.Dispose();
                _host.Dispose();
                throw;
            }
        }

        public byte* Host => (byte*)_host.PinnedHostPointer;

        public CudaStream Stream { get; }

        public CudaEvent Done { get; }

        public void Dispose()
        {
            try
            {
                Stream.Synchronize();
            }
            catch (CudaException)
            {
                // The device failed: that was thrown where it was found, and nothing is copied any more.
            }

            Done.Dispose();
            Stream.Dispose();
            _host.Dispose();
        }
    }
}
