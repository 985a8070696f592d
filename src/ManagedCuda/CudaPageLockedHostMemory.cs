using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>An array in pinned host memory: copies from and to it run at the link's speed and beside the host's work.</summary>
/// <typeparam name="T">What it holds.</typeparam>
public sealed class CudaPageLockedHostMemory<T> : IDisposable
    where T : unmanaged
{
    private readonly ContextResource _memory;

    /// <summary>Allocates.</summary>
    /// <param name="size">Elements, at least one.</param>
    /// <param name="allocFlags">Properties.</param>
    /// <exception cref="CudaException">No context is current, memory does not suffice, or the driver failed.</exception>
    public unsafe CudaPageLockedHostMemory(int size, CUMemHostAllocFlags allocFlags = CUMemHostAllocFlags.None)
    {
        Size = size;
        ContextHandle context = ContextHandle.RequireCurrent();
        Native.cuMemHostAlloc(out nint address, checked((nuint)size * (nuint)sizeof(T)), allocFlags).ThrowIfFailed();
        _memory = new ContextResource(context, address, static a => Native.cuMemFreeHost(a));
    }

    /// <summary>The address; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public nint PinnedHostPointer => _memory.Value;

    /// <summary>Elements.</summary>
    public int Size { get; }

    /// <summary>The memory; do not use it after this object is disposed.</summary>
    public unsafe Span<T> AsSpan() => new((void*)PinnedHostPointer, Size);

    /// <summary>The address at which kernels see the memory.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    public unsafe void* GetDevicePointer()
    {
        Native.cuMemHostGetDevicePointer_v2(out void* address, PinnedHostPointer, 0).ThrowIfFailed();
        GC.KeepAlive(this);
        return address;
    }

    /// <summary>Frees the memory. Copies that use it must be done: the driver does not wait for them.</summary>
    public void Dispose() => _memory.Dispose();
}
