namespace ManagedCuda.BasicTypes;

/// <summary>A size in the width of a pointer (<c>size_t</c>), which converts from and to the integer types.</summary>
public readonly struct SizeT : IEquatable<SizeT>, IComparable<SizeT>
{
    private readonly nuint _value;

    /// <summary>A size.</summary>
    /// <param name="value">The value.</param>
    public SizeT(nuint value) => _value = value;

    /// <summary>A size.</summary>
    /// <param name="value">The value.</param>
    /// <exception cref="OverflowException">It is negative.</exception>
    public SizeT(int value) => _value = checked((nuint)value);

    /// <summary>A size.</summary>
    /// <param name="value">The value.</param>
    /// <exception cref="OverflowException">It is negative.</exception>
    public SizeT(long value) => _value = checked((nuint)value);

    /// <summary>A size.</summary>
    /// <param name="value">The value.</param>
    public SizeT(ulong value) => _value = checked((nuint)value);

    /// <summary>From an integer; a negative one is an <see cref="OverflowException"/>.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator SizeT(int value) => new(value);

    /// <summary>From an integer.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator SizeT(uint value) => new((nuint)value);

    /// <summary>From an integer; a negative one is an <see cref="OverflowException"/>.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator SizeT(long value) => new(value);

    /// <summary>From an integer.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator SizeT(ulong value) => new(value);

    /// <summary>To an integer; what does not fit is an <see cref="OverflowException"/>.</summary>
    /// <param name="size">The size.</param>
    public static implicit operator int(SizeT size) => checked((int)size._value);

    /// <summary>To an integer; what does not fit is an <see cref="OverflowException"/>.</summary>
    /// <param name="size">The size.</param>
    public static implicit operator uint(SizeT size) => checked((uint)size._value);

    /// <summary>To an integer; what does not fit is an <see cref="OverflowException"/>.</summary>
    /// <param name="size">The size.</param>
    public static implicit operator long(SizeT size) => checked((long)size._value);

    /// <summary>To an integer.</summary>
    /// <param name="size">The size.</param>
    public static implicit operator ulong(SizeT size) => size._value;

    /// <summary>To a native integer.</summary>
    /// <param name="size">The size.</param>
    public static explicit operator nuint(SizeT size) => size._value;

    /// <summary>Sum; overflow is an <see cref="OverflowException"/>.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static SizeT operator +(SizeT left, SizeT right) => new(checked(left._value + right._value));

    /// <summary>Difference; a negative one is an <see cref="OverflowException"/>.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static SizeT operator -(SizeT left, SizeT right) => new(checked(left._value - right._value));

    /// <summary>Product; overflow is an <see cref="OverflowException"/>.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static SizeT operator *(SizeT left, SizeT right) => new(checked(left._value * right._value));

    /// <summary>Quotient, rounded down.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static SizeT operator /(SizeT left, SizeT right) => new(left._value / right._value);

    /// <summary>Whether two sizes are equal.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static bool operator ==(SizeT left, SizeT right) => left._value == right._value;

    /// <summary>Whether two sizes differ.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static bool operator !=(SizeT left, SizeT right) => left._value != right._value;

    /// <summary>Whether the first is smaller.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static bool operator <(SizeT left, SizeT right) => left._value < right._value;

    /// <summary>Whether the first is larger.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static bool operator >(SizeT left, SizeT right) => left._value > right._value;

    /// <summary>Whether the first is not larger.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static bool operator <=(SizeT left, SizeT right) => left._value <= right._value;

    /// <summary>Whether the first is not smaller.</summary>
    /// <param name="left">A size.</param>
    /// <param name="right">A size.</param>
    public static bool operator >=(SizeT left, SizeT right) => left._value >= right._value;

    /// <inheritdoc/>
    public bool Equals(SizeT other) => _value == other._value;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is SizeT other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _value.GetHashCode();

    /// <inheritdoc/>
    public int CompareTo(SizeT other) => _value.CompareTo(other._value);

    /// <summary>The number in decimal digits.</summary>
    public override string ToString() => _value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
