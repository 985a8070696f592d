using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>An array in pinned host memory: copies from and to it run at the link's speed and beside the host's work.</summary>
/// <typeparam name="T">What it holds.</typeparam>
public sealed class CudaPageLockedHostMemory<T> : IDisposable
    where T : unmanaged
{
    private readonly HostMemoryHandle _memory;

    /// <summary>Allocates.</summary>
    /// <param name="size">Elements, at least one.</param>
    /// <param name="allocFlags">Properties.</param>
    /// <exception cref="CudaException">No context is current, memory does not suffice, or the driver failed.</exception>
    public unsafe CudaPageLockedHostMemory(SizeT size, CUMemHostAllocFlags allocFlags = CUMemHostAllocFlags.None)
    {
        Size = size;
        ContextHandle context = ContextHandle.RequireCurrent();
        nint address = 0;
        Native.MemoryManagement.cuMemHostAlloc(ref address, size * sizeof(T), allocFlags).ThrowIfFailed();
        _memory = new HostMemoryHandle(context, address);
    }

    /// <summary>The address; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public nint PinnedHostPointer => _memory.Value;

    /// <summary>Elements.</summary>
    public SizeT Size { get; }

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

    /// <summary>Frees the memory. Copies that use it must be done: the driver does not wait for them.</summary>
    public void Dispose() => _memory.Dispose();
}
