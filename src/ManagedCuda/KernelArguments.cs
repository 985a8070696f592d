using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;
using ManagedCuda.VectorTypes;

namespace ManagedCuda;

/// <summary>
/// A kernel's arguments in the order of its parameters, on the stack: a launch with them allocates nothing. The driver copies each
/// with the size that the kernel's parameter has, so the types must be exactly those: an <c>int</c> parameter takes an int.
/// </summary>
public unsafe ref struct KernelArguments
{
    /// <summary>Most arguments.</summary>
    public const int MaxCount = 32;

    /// <summary>Most bytes of all arguments together.</summary>
    public const int MaxBytes = 512;

    private fixed ulong _values[MaxBytes / 8];
    private fixed ushort _offsets[MaxCount];
    private int _count;
    private int _used;

    /// <summary>Arguments so far.</summary>
    public readonly int Count => _count;

    /// <summary>Adds an argument.</summary>
    /// <typeparam name="T">The parameter's type: a number, an address, or a struct that is laid out like the kernel's.</typeparam>
    /// <param name="value">The argument.</param>
    /// <exception cref="InvalidOperationException">There are too many.</exception>
    public void Add<T>(T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(Next(sizeof(T)), in value);
    }

    /// <summary>Adds the address of an array.</summary>
    /// <typeparam name="T">What it holds.</typeparam>
    /// <param name="value">The array; it must not be collected or disposed before the launch is done.</param>
    /// <exception cref="InvalidOperationException">There are too many.</exception>
    public void Add<T>(CudaDeviceVariable<T> value)
        where T : unmanaged => Add(value.DevicePointer);

    /// <summary>Adds arguments whose types are known only when the program runs.</summary>
    /// <param name="values">Numbers, truth values, characters, addresses, sizes, extents and arrays in device memory.</param>
    /// <exception cref="ArgumentException">One is of another type.</exception>
    /// <exception cref="InvalidOperationException">There are too many.</exception>
    public void AddBoxed(scoped ReadOnlySpan<object> values)
    {
        foreach (object value in values)
            AddBoxed(value);
    }

    /// <summary>The byte at which an argument lies.</summary>
    /// <param name="index">The argument, from 0.</param>
    internal readonly int OffsetOf(int index) => _offsets[index];

    /// <summary>The address of each argument.</summary>
    /// <param name="pointers">Room for <see cref="Count"/> addresses.</param>
    /// <param name="values">Where the arguments' bytes lie.</param>
    internal readonly void Point(void** pointers, byte* values)
    {
        for (int i = 0; i < _count; i++)
            pointers[i] = values + _offsets[i];
    }

    /// <summary>The arguments' bytes, to be pinned while their addresses are used.</summary>
    [UnscopedRef]
    internal readonly ref readonly ulong GetPinnableReference() => ref _values[0];

    private Span<byte> Next(int size)
    {
        // Numbers lie at multiples of their size, as in the kernel's parameter space; the driver itself accepts any address.
        int alignment = size >= 8 ? 8 : (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)size);
        int at = (_used + alignment - 1) & -alignment;
        if (_count == MaxCount || size > MaxBytes - at)
            throw new InvalidOperationException($"A kernel takes up to {MaxCount} arguments of {MaxBytes} bytes together here.");

        _offsets[_count++] = (ushort)at;
        _used = at + size;
        return MemoryMarshal.CreateSpan(ref Unsafe.AddByteOffset(ref Unsafe.As<ulong, byte>(ref _values[0]), at), size);
    }

    // A switch instead of the runtime's marshalling, which is not there in an executable compiled ahead of time.
    private void AddBoxed(object value)
    {
        switch (value)
        {
            case CUdeviceptr v: Add(v); break;
            case IDevicePointer v: Add(v.DevicePointer); break;
            case int v: Add(v); break;
            case uint v: Add(v); break;
            case float v: Add(v); break;
            case long v: Add(v); break;
            case ulong v: Add(v); break;
            case double v: Add(v); break;
            case nint v: Add(v); break;
            case nuint v: Add(v); break;
            case SizeT v: Add(v); break;
            case bool v: Add(v); break;
            case byte v: Add(v); break;
            case sbyte v: Add(v); break;
            case short v: Add(v); break;
            case ushort v: Add(v); break;
            case char v: Add(v); break;
            case Half v: Add(v); break;
            case dim3 v: Add(v); break;
            default:
                throw new ArgumentException($"An argument of type {value?.GetType().Name ?? "null"} cannot be passed as an object: launch with {nameof(KernelArguments)}.");
        }
    }
}
