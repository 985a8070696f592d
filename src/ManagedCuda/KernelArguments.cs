using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

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

    /// <summary>Adds an argument.</summary>
    /// <typeparam name="T">The parameter's type: a number, an address, or a struct that is laid out like the kernel's.</typeparam>
    /// <param name="value">The argument.</param>
    /// <exception cref="InvalidOperationException">There are too many.</exception>
    public void Add<T>(T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(Next(sizeof(T)), in value);
    }

    /// <summary>The address of each argument.</summary>
    /// <param name="pointers">Room for as many addresses.</param>
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
}
