using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>An array in pinned host memory: copies from and to it run at the link's speed and beside the host's work.</summary>
/// <typeparam name="T">What it holds.</typeparam>
public sealed class CudaPageLockedHostMemory<T> : IDisposable
    where T : unmanaged
{
    private readonly HostMemoryHandle? _owned;
    private readonly nint _foreign;

    /// <summary>Allocates for the current context.</summary>
    /// <param name="size">Elements, at least one.</param>
    /// <exception cref="CudaException">No context is current, memory does not suffice, or the driver failed.</exception>
    public CudaPageLockedHostMemory(SizeT size)
    {
        Size = size;
        ContextHandle context = ContextHandle.RequireCurrent();
        nint address = 0;
        Native.MemoryManagement.cuMemAllocHost_v2(ref address, SizeInBytes).ThrowIfFailed();
        _owned = new HostMemoryHandle(context, address);
    }

    /// <summary>Allocates.</summary>
    /// <param name="size">Elements, at least one.</param>
    /// <param name="allocFlags">Properties.</param>
    /// <exception cref="CudaException">No context is current, memory does not suffice, or the driver failed.</exception>
    public CudaPageLockedHostMemory(SizeT size, CUMemHostAllocFlags allocFlags)
    {
        Size = size;
        ContextHandle context = ContextHandle.RequireCurrent();
        nint address = 0;
        Native.MemoryManagement.cuMemHostAlloc(ref address, SizeInBytes, allocFlags).ThrowIfFailed();
        _owned = new HostMemoryHandle(context, address);
    }

    /// <summary>Pinned memory that belongs to someone else; disposing this leaves it alone.</summary>
    /// <param name="hostPointer">Its address.</param>
    /// <param name="size">Elements.</param>
    public CudaPageLockedHostMemory(nint hostPointer, SizeT size)
    {
        _foreign = hostPointer;
        Size = size;
    }

    /// <summary>The address; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public nint PinnedHostPointer => _owned?.Value ?? _foreign;

    /// <summary>Elements.</summary>
    public SizeT Size { get; }

    /// <summary>Bytes.</summary>
    public unsafe SizeT SizeInBytes => Size * sizeof(T);

    /// <summary>Whether disposing this frees the memory.</summary>
    public bool IsOwner => _owned != null;

    /// <summary>One element.</summary>
    /// <param name="index">Its index.</param>
    /// <exception cref="IndexOutOfRangeException">The index is outside.</exception>
    public T this[SizeT index]
    {
        get => AsSpan()[index];
        set => AsSpan()[index] = value;
    }

    /// <summary>The memory; do not use it after this object is disposed.</summary>
    /// <exception cref="OverflowException">It is too large for a span.</exception>
    public unsafe Span<T> AsSpan() => new((void*)PinnedHostPointer, Size);

    /// <summary>The address at which kernels see the memory.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    public CUdeviceptr GetDevicePointer()
    {
        CUdeviceptr address = default;
        Native.MemoryManagement.cuMemHostGetDevicePointer_v2(ref address, PinnedHostPointer, 0).ThrowIfFailed();
        GC.KeepAlive(this);
        return address;
    }

    /// <summary>Copies all of it to the device.</summary>
    /// <param name="devicePtr">The address of as much memory.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void SynchronCopyToDevice(CUdeviceptr devicePtr)
    {
        Native.SynchronousMemcpy_v2.cuMemcpyHtoD_v2(devicePtr, PinnedHostPointer, SizeInBytes).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Copies all of it to the device.</summary>
    /// <param name="devicePtr">As many elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less room.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void SynchronCopyToDevice(CudaDeviceVariable<T> devicePtr) => devicePtr.CopyToDevice(PinnedHostPointer, 0, 0, SizeInBytes);

    /// <summary>Fills all of it from the device.</summary>
    /// <param name="devicePtr">The address of as much memory.</param>
    /// <exception cref="CudaException">The driver, or a kernel before, failed.</exception>
    public void SynchronCopyToHost(CUdeviceptr devicePtr)
    {
        Native.SynchronousMemcpy_v2.cuMemcpyDtoH_v2(PinnedHostPointer, devicePtr, SizeInBytes).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Fills all of it from the device.</summary>
    /// <param name="devicePtr">As many elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer.</exception>
    /// <exception cref="CudaException">The driver, or a kernel before, failed.</exception>
    public void SynchronCopyToHost(CudaDeviceVariable<T> devicePtr) => devicePtr.CopyToHost(PinnedHostPointer, 0, 0, SizeInBytes);

    /// <summary>Copies all of it to the device, in a stream; it stays untouched until the stream got there.</summary>
    /// <param name="devicePtr">The address of as much memory.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyToDevice(CUdeviceptr devicePtr, CUstream stream) => AsyncCopyToDevice(devicePtr, 0, 0, SizeInBytes, stream);

    /// <summary>Copies all of it to the device, in a stream; it stays untouched until the stream got there.</summary>
    /// <param name="deviceVar">As many elements.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less room.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyToDevice(CudaDeviceVariable<T> deviceVar, CUstream stream)
    {
        CopyRange.Check(0, SizeInBytes, deviceVar.SizeInBytes, nameof(deviceVar));
        AsyncCopyToDevice(deviceVar.DevicePointer, stream);
        GC.KeepAlive(deviceVar);
    }

    /// <summary>Copies to the device, in a stream; the memory stays untouched until the stream got there.</summary>
    /// <param name="devicePtr">Where to.</param>
    /// <param name="offsetSrc">Bytes to skip here.</param>
    /// <param name="offsetDest">Bytes to skip there.</param>
    /// <param name="aSizeInBytes">Bytes.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is outside this memory.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyToDevice(CUdeviceptr devicePtr, SizeT offsetSrc, SizeT offsetDest, SizeT aSizeInBytes, CUstream stream)
    {
        CopyRange.Check(offsetSrc, aSizeInBytes, SizeInBytes, nameof(aSizeInBytes));
        Native.AsynchronousMemcpy_v2.cuMemcpyHtoDAsync_v2(devicePtr + offsetDest, PinnedHostPointer + (nint)(long)offsetSrc, aSizeInBytes, stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Fills all of it from the device, in a stream; it holds the elements once the stream got there.</summary>
    /// <param name="devicePtr">The address of as much memory.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyFromDevice(CUdeviceptr devicePtr, CUstream stream) => AsyncCopyFromDevice(devicePtr, 0, 0, SizeInBytes, stream);

    /// <summary>Fills all of it from the device, in a stream; it holds the elements once the stream got there.</summary>
    /// <param name="deviceVar">As many elements.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyFromDevice(CudaDeviceVariable<T> deviceVar, CUstream stream)
    {
        CopyRange.Check(0, SizeInBytes, deviceVar.SizeInBytes, nameof(deviceVar));
        AsyncCopyFromDevice(deviceVar.DevicePointer, stream);
        GC.KeepAlive(deviceVar);
    }

    /// <summary>Copies from the device, in a stream; the memory holds the elements once the stream got there.</summary>
    /// <param name="devicePtr">Where from.</param>
    /// <param name="offsetSrc">Bytes to skip there.</param>
    /// <param name="offsetDest">Bytes to skip here.</param>
    /// <param name="aSizeInBytes">Bytes.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is outside this memory.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyFromDevice(CUdeviceptr devicePtr, SizeT offsetSrc, SizeT offsetDest, SizeT aSizeInBytes, CUstream stream)
    {
        CopyRange.Check(offsetDest, aSizeInBytes, SizeInBytes, nameof(aSizeInBytes));
        Native.AsynchronousMemcpy_v2.cuMemcpyDtoHAsync_v2(PinnedHostPointer + (nint)(long)offsetDest, devicePtr + offsetSrc, aSizeInBytes, stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Frees the memory. Copies that use it must be done: the driver does not wait for them.</summary>
    public void Dispose() => _owned?.Dispose();
}
