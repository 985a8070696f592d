namespace ManagedCuda;

/// <summary>
/// An argument of a kernel; those of a launch lie on the stack and allocate nothing. The driver copies each with the size that the kernel's
/// parameter has, so the types must be exactly those: an <c>int</c> parameter takes an int.
/// </summary>
public readonly unsafe struct KernelArgument
{
    private readonly ulong _bits;

    private KernelArgument(ulong bits) => _bits = bits;

    /// <summary>A number.</summary>
    public static implicit operator KernelArgument(int value) => new((uint)value);

    /// <summary>A number.</summary>
    public static implicit operator KernelArgument(long value) => new((ulong)value);

    /// <summary>A number.</summary>
    public static implicit operator KernelArgument(ulong value) => new(value);

    /// <summary>A number.</summary>
    public static implicit operator KernelArgument(float value) => new(BitConverter.SingleToUInt32Bits(value));

    /// <summary>An address in device memory.</summary>
    public static implicit operator KernelArgument(void* value) => new((ulong)value);
}
