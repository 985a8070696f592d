using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>Something that a kernel receives as an address.</summary>
internal interface IDevicePointer
{
    CUdeviceptr DevicePointer { get; }
}

/// <summary>An array in device memory. Fresh memory has undefined contents.</summary>
/// <typeparam name="T">What it holds.</typeparam>
public sealed partial class CudaDeviceVariable<T> : IDevicePointer, IDisposable
    where T : unmanaged
{
    private readonly DeviceMemoryHandle? _owned;
    private readonly CUdeviceptr _address;

    /// <summary>Allocates in the current context.</summary>
    /// <param name="size">Elements, at least one.</param>
    /// <exception cref="CudaException">No context is current, memory does not suffice, or the driver failed.</exception>
    public unsafe CudaDeviceVariable(SizeT size)
    {
        Size = size;
        ContextHandle context = ContextHandle.RequireCurrent();
        Native.MemoryManagement.cuMemAlloc_v2(ref _address, size * sizeof(T)).ThrowIfFailed();
        _owned = new DeviceMemoryHandle(context, _address);
    }

    /// <summary>Memory that belongs to someone else; disposing this leaves it alone.</summary>
    /// <param name="devPtr">Its address.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <exception cref="CudaException">The size is not a multiple of an element's.</exception>
    public CudaDeviceVariable(CUdeviceptr devPtr, SizeT size)
        : this(devPtr, false, size)
    {
    }

    /// <summary>Memory that was allocated elsewhere.</summary>
    /// <param name="devPtr">Its address.</param>
    /// <param name="isOwner">Whether disposing this frees it; then its context is the current one.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <exception cref="CudaException">The size is not a multiple of an element's.</exception>
    public CudaDeviceVariable(CUdeviceptr devPtr, bool isOwner, SizeT size)
    {
        _address = devPtr;
        Size = ElementsOf(size);
        _owned = isOwner ? new DeviceMemoryHandle(ContextHandle.RequireCurrent(), devPtr) : null;
    }

    /// <summary>A module's global or constant variable.</summary>
    /// <param name="module">The module.</param>
    /// <param name="name">The variable's name in the PTX.</param>
    /// <exception cref="CudaException">There is no such variable, or its size is not a multiple of an element's.</exception>
    public CudaDeviceVariable(CUmodule module, string name)
    {
        SizeT bytes = default;
        Native.ModuleManagement.cuModuleGetGlobal_v2(ref _address, ref bytes, module, name).ThrowIfFailed();
        Size = ElementsOf(bytes);
    }

    /// <summary>A global or constant variable of a kernel's module.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="name">The variable's name in the PTX.</param>
    /// <exception cref="CudaException">There is no such variable, or its size is not a multiple of an element's.</exception>
    public CudaDeviceVariable(CudaKernel kernel, string name)
        : this(kernel.CUModule, name)
    {
    }

    /// <summary>The address; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public CUdeviceptr DevicePointer => _owned == null ? _address : (CUdeviceptr)(ulong)_owned.Value;

    /// <summary>Elements.</summary>
    public SizeT Size { get; }

    /// <summary>Bytes.</summary>
    public SizeT SizeInBytes => Size * TypeSize;

    /// <summary>Bytes of an element.</summary>
    public unsafe SizeT TypeSize => sizeof(T);

    /// <summary>Whether disposing this frees the memory.</summary>
    public bool IsOwner => _owned != null;

    /// <summary>One element, copied at once: for tests and for reading a flag.</summary>
    /// <param name="index">Its index.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is outside.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public unsafe T this[SizeT index]
    {
        get
        {
            T value = default;
            ToHost((nint)(&value), index * TypeSize, TypeSize);
            return value;
        }
        set => ToDevice((nint)(&value), index * TypeSize, TypeSize);
    }

    /// <summary>A new array on the device with these elements.</summary>
    /// <param name="array">The elements.</param>
    public static implicit operator CudaDeviceVariable<T>(T[] array)
    {
        var variable = new CudaDeviceVariable<T>(array.Length);
        variable.CopyToDevice(array);
        return variable;
    }

    /// <summary>The elements, on the host.</summary>
    /// <param name="variable">The array on the device.</param>
    public static implicit operator T[](CudaDeviceVariable<T> variable)
    {
        var array = new T[(int)variable.Size];
        variable.CopyToHost(array);
        return array;
    }

    /// <summary>Fills with a byte.</summary>
    /// <param name="aValue">The byte.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void Memset(byte aValue)
    {
        Native.Memset.cuMemsetD8_v2(DevicePointer, aValue, SizeInBytes).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Fills with a word of 32 bits.</summary>
    /// <param name="aValue">The word.</param>
    /// <exception cref="ArgumentException">The size is not a multiple of 4 bytes.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void Memset(uint aValue)
    {
        Native.Memset.cuMemsetD32_v2(DevicePointer, aValue, Words()).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Fills with a byte, in a stream.</summary>
    /// <param name="aValue">The byte.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void MemsetAsync(byte aValue, CUstream stream)
    {
        Native.MemsetAsync.cuMemsetD8Async(DevicePointer, aValue, SizeInBytes, stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Fills with a word of 32 bits, in a stream.</summary>
    /// <param name="aValue">The word.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="ArgumentException">The size is not a multiple of 4 bytes.</exception>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void MemsetAsync(uint aValue, CUstream stream)
    {
        Native.MemsetAsync.cuMemsetD32Async(DevicePointer, aValue, Words(), stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Frees the memory, after the work that uses it.</summary>
    public void Dispose() => _owned?.Dispose();

    private static unsafe SizeT ElementsOf(SizeT bytes)
    {
        ulong size = bytes, element = (ulong)sizeof(T);
        return size % element == 0
            ? size / element
            : throw new CudaException($"{size} bytes are not a whole number of elements of {element} bytes.");
    }

    private SizeT Words()
    {
        ulong bytes = SizeInBytes;
        return bytes % 4 == 0 ? bytes / 4 : throw new ArgumentException($"{bytes} bytes are not a whole number of words of 4 bytes.");
    }
}
