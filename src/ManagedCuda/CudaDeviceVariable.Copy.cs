using ManagedCuda.BasicTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

// Copies. Every range is checked against the memory's size before the driver sees it.
public sealed partial class CudaDeviceVariable<T>
{
    /// <summary>Copies from the host; the shorter of both counts.</summary>
    /// <param name="source">The elements.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public unsafe void CopyToDevice(T[] source)
    {
        fixed (T* from = source)
            ToDevice((nint)from, 0, Shorter(source.LongLength));
    }

    /// <summary>Copies from the host.</summary>
    /// <param name="source">The elements.</param>
    /// <param name="offsetSrc">Bytes to skip there.</param>
    /// <param name="offsetDest">Bytes to skip here.</param>
    /// <param name="sizeInBytes">Bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">A range is outside.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public unsafe void CopyToDevice(T[] source, SizeT offsetSrc, SizeT offsetDest, SizeT sizeInBytes)
    {
        Check(offsetSrc, sizeInBytes, source.LongLength * TypeSize, nameof(source));
        fixed (T* from = source)
            ToDevice((nint)((byte*)from + (ulong)offsetSrc), offsetDest, sizeInBytes);
    }

    /// <summary>Copies from the host; all of it.</summary>
    /// <param name="source">The elements.</param>
    /// <param name="offsetDest">Bytes to skip here.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less room.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public unsafe void CopyToDevice(ReadOnlySpan<T> source, SizeT offsetDest = default)
    {
        fixed (T* from = source)
            ToDevice((nint)from, offsetDest, source.Length * TypeSize);
    }

    /// <summary>Copies one element from the host.</summary>
    /// <param name="source">The element.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public unsafe void CopyToDevice(T source) => ToDevice((nint)(&source), 0, TypeSize);

    /// <summary>Copies from the host.</summary>
    /// <param name="source">Address of host memory, at least <paramref name="offsetSrc"/> + <paramref name="sizeInBytes"/> bytes.</param>
    /// <param name="offsetSrc">Bytes to skip there.</param>
    /// <param name="offsetDest">Bytes to skip here.</param>
    /// <param name="sizeInBytes">Bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less room.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void CopyToDevice(nint source, SizeT offsetSrc, SizeT offsetDest, SizeT sizeInBytes) =>
        ToDevice(source + (nint)(long)offsetSrc, offsetDest, sizeInBytes);

    /// <summary>Copies from the device; the shorter of both counts.</summary>
    /// <param name="source">Another array.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void CopyToDevice(CudaDeviceVariable<T> source) => CopyToDevice(source, 0, 0, Shorter(source.Size));

    /// <summary>Copies from the device.</summary>
    /// <param name="source">Another array.</param>
    /// <param name="offsetSrc">Bytes to skip there.</param>
    /// <param name="offsetDest">Bytes to skip here.</param>
    /// <param name="sizeInBytes">Bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">A range is outside.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void CopyToDevice(CudaDeviceVariable<T> source, SizeT offsetSrc, SizeT offsetDest, SizeT sizeInBytes)
    {
        Check(offsetSrc, sizeInBytes, source.SizeInBytes, nameof(source));
        Check(offsetDest, sizeInBytes, SizeInBytes, nameof(offsetDest));
        Native.SynchronousMemcpy_v2.cuMemcpyDtoD_v2(DevicePointer + offsetDest, source.DevicePointer + offsetSrc, sizeInBytes).ThrowIfFailed();
        GC.KeepAlive(this);
        GC.KeepAlive(source);
    }

    /// <summary>Copies to the host; the shorter of both counts.</summary>
    /// <param name="dest">Where the elements go.</param>
    /// <exception cref="CudaException">The driver, or a kernel before, failed.</exception>
    public unsafe void CopyToHost(T[] dest)
    {
        fixed (T* to = dest)
            ToHost((nint)to, 0, Shorter(dest.LongLength));
    }

    /// <summary>Copies to the host.</summary>
    /// <param name="dest">Where the elements go.</param>
    /// <param name="offsetSrc">Bytes to skip here.</param>
    /// <param name="offsetDest">Bytes to skip there.</param>
    /// <param name="sizeInBytes">Bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">A range is outside.</exception>
    /// <exception cref="CudaException">The driver, or a kernel before, failed.</exception>
    public unsafe void CopyToHost(T[] dest, SizeT offsetSrc, SizeT offsetDest, SizeT sizeInBytes)
    {
        Check(offsetDest, sizeInBytes, dest.LongLength * TypeSize, nameof(dest));
        fixed (T* to = dest)
            ToHost((nint)((byte*)to + (ulong)offsetDest), offsetSrc, sizeInBytes);
    }

    /// <summary>Copies to the host; as much as there is room for.</summary>
    /// <param name="dest">Where the elements go.</param>
    /// <param name="offsetSrc">Bytes to skip here.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer elements.</exception>
    /// <exception cref="CudaException">The driver, or a kernel before, failed.</exception>
    public unsafe void CopyToHost(Span<T> dest, SizeT offsetSrc = default)
    {
        fixed (T* to = dest)
            ToHost((nint)to, offsetSrc, dest.Length * TypeSize);
    }

    /// <summary>Copies one element to the host.</summary>
    /// <param name="dest">The element.</param>
    /// <exception cref="CudaException">The driver, or a kernel before, failed.</exception>
    public void CopyToHost(ref T dest) => dest = this[0];

    /// <summary>Copies to the host.</summary>
    /// <param name="dest">Address of host memory, at least <paramref name="offsetDest"/> + <paramref name="sizeInBytes"/> bytes.</param>
    /// <param name="offsetSrc">Bytes to skip here.</param>
    /// <param name="offsetDest">Bytes to skip there.</param>
    /// <param name="sizeInBytes">Bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less memory.</exception>
    /// <exception cref="CudaException">The driver, or a kernel before, failed.</exception>
    public void CopyToHost(nint dest, SizeT offsetSrc, SizeT offsetDest, SizeT sizeInBytes) =>
        ToHost(dest + (nint)(long)offsetDest, offsetSrc, sizeInBytes);

    /// <summary>Copies from the device, in a stream; the shorter of both counts.</summary>
    /// <param name="source">Another array.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyToDevice(CudaDeviceVariable<T> source, CUstream stream)
    {
        Native.AsynchronousMemcpy_v2.cuMemcpyDtoDAsync_v2(DevicePointer, source.DevicePointer, Shorter(source.Size), stream).ThrowIfFailed();
        GC.KeepAlive(this);
        GC.KeepAlive(source);
    }

    /// <summary>Copies from the device, in a stream.</summary>
    /// <param name="source">The address of memory of the same size.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyToDevice(CUdeviceptr source, CUstream stream)
    {
        Native.AsynchronousMemcpy_v2.cuMemcpyDtoDAsync_v2(DevicePointer, source, SizeInBytes, stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Copies from pinned host memory, in a stream.</summary>
    /// <param name="source">Its address; it stays untouched until the stream got there.</param>
    /// <param name="offsetDest">Bytes to skip here.</param>
    /// <param name="sizeInBytes">Bytes.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less room.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyToDevice(nint source, SizeT offsetDest, SizeT sizeInBytes, CUstream stream)
    {
        Check(offsetDest, sizeInBytes, SizeInBytes, nameof(sizeInBytes));
        Native.AsynchronousMemcpy_v2.cuMemcpyHtoDAsync_v2(DevicePointer + offsetDest, source, sizeInBytes, stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Copies to pinned host memory, in a stream.</summary>
    /// <param name="dest">Its address; it holds the elements once the stream got there.</param>
    /// <param name="offsetSrc">Bytes to skip here.</param>
    /// <param name="sizeInBytes">Bytes.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less memory.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void AsyncCopyToHost(nint dest, SizeT offsetSrc, SizeT sizeInBytes, CUstream stream)
    {
        Check(offsetSrc, sizeInBytes, SizeInBytes, nameof(sizeInBytes));
        Native.AsynchronousMemcpy_v2.cuMemcpyDtoHAsync_v2(dest, DevicePointer + offsetSrc, sizeInBytes, stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    private void ToDevice(nint source, SizeT offset, SizeT bytes)
    {
        Check(offset, bytes, SizeInBytes, nameof(source));
        Native.SynchronousMemcpy_v2.cuMemcpyHtoD_v2(DevicePointer + offset, source, bytes).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    private void ToHost(nint dest, SizeT offset, SizeT bytes)
    {
        Check(offset, bytes, SizeInBytes, nameof(dest));
        Native.SynchronousMemcpy_v2.cuMemcpyDtoH_v2(dest, DevicePointer + offset, bytes).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    private SizeT Shorter(SizeT elements) => (elements < Size ? elements : Size) * TypeSize;

    private static void Check(SizeT offset, SizeT bytes, SizeT size, string name) => CopyRange.Check(offset, bytes, size, name);
}

/// <summary>Ranges of copies.</summary>
internal static class CopyRange
{
    /// <summary>Throws where a range is not inside.</summary>
    /// <param name="offset">Its first byte.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="size">Bytes there are.</param>
    /// <param name="name">The argument.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public static void Check(ulong offset, ulong bytes, ulong size, string name)
    {
        if (offset > size || bytes > size - offset)
            throw new ArgumentOutOfRangeException(name, $"{bytes} bytes from byte {offset} on are not within {size} bytes.");
    }
}
