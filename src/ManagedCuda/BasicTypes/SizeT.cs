namespace ManagedCuda.BasicTypes;

/// <summary>A size in the width of a pointer (<c>size_t</c>), which converts from and to the integer types.</summary>
public readonly struct SizeT
{
    private readonly nuint _value;

    private SizeT(nuint value) => _value = value;

    /// <summary>From an integer; a negative one is an <see cref="OverflowException"/>.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator SizeT(int value) => new(checked((nuint)value));

    /// <summary>From an integer; a negative one is an <see cref="OverflowException"/>.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator SizeT(long value) => new(checked((nuint)value));

    /// <summary>From a native integer.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator SizeT(nuint value) => new(value);

    /// <summary>To an integer; what does not fit is an <see cref="OverflowException"/>.</summary>
    /// <param name="size">The size.</param>
    public static implicit operator int(SizeT size) => checked((int)size._value);

    /// <summary>To an integer; what does not fit is an <see cref="OverflowException"/>.</summary>
    /// <param name="size">The size.</param>
    public static implicit operator long(SizeT size) => checked((long)size._value);

    /// <summary>To an integer.</summary>
    /// <param name="size">The size.</param>
    public static implicit operator ulong(SizeT size) => size._value;

    /// <summary>Product; overflow is an <see cref="OverflowException"/>.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A number.</param>
    public static SizeT operator *(SizeT left, int right) => new(checked(left._value * (nuint)right));

    /// <summary>The number in decimal digits.</summary>
    public override string ToString() => _value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
