using System.Globalization;

namespace Dia.Weights;

/// <summary>
/// The types of values in a safetensors file, in the order of the reference library's enumeration: files hold tensors of
/// later ones first. Floats of 8 bits and less and complex numbers are known, so that files with them can be read, but not computed with.
/// </summary>
public enum SafetensorsDType
{
    /// <summary>One byte, 0 or 1.</summary>
    BOOL,

    /// <summary>4-bit float; two to a byte.</summary>
    F4,

    /// <summary>6-bit float with 3 bits of fraction.</summary>
    F6_E2M3,

    /// <summary>6-bit float with 2 bits of fraction.</summary>
    F6_E3M2,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>8-bit float with 2 bits of fraction.</summary>
    F8_E5M2,

    /// <summary>8-bit float with 3 bits of fraction.</summary>
    F8_E4M3,

    /// <summary>8-bit power of two: a scale.</summary>
    F8_E8M0,

    /// <summary><see cref="F8_E4M3"/> without infinities and negative zero.</summary>
    F8_E4M3FNUZ,

    /// <summary><see cref="F8_E5M2"/> without infinities and negative zero.</summary>
    F8_E5M2FNUZ,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>IEEE 754 binary16.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>IEEE 754 binary32.</summary>
    F32,

    /// <summary>Complex number of two binary32.</summary>
    C64,

    /// <summary>IEEE 754 binary64.</summary>
    F64,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
}

/// <summary>What the header of a safetensors file says of a tensor: its name, type and shape.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="DType">The type of its values.</param>
/// <param name="Shape">Its shape, outermost dimension first; empty for a single value.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsDType DType, long[] Shape)
{
    /// <summary>Bytes of all values.</summary>
    /// <exception cref="OverflowException">More than fit 64 bits, a negative dimension, or values of less than a byte that fill no whole one.</exception>
    public long ByteLength
    {
        get
        {
            (int bytes, int values) = SafetensorsTypes.Group(DType);
            long count = 1;
            foreach (long d in Shape)
                count = d >= 0 ? checked(count * d) : throw new OverflowException();
            return count % values == 0 ? checked(count / values * bytes) : throw new OverflowException();
        }
    }
}

/// <summary>Sizes and names of <see cref="SafetensorsDType"/>.</summary>
internal static class SafetensorsTypes
{
    /// <summary>So many bytes hold so many values: one, but for types of less than a byte.</summary>
    public static (int Bytes, int Values) Group(SafetensorsDType type) => type switch
    {
        SafetensorsDType.F4 => (1, 2),
        SafetensorsDType.F6_E2M3 or SafetensorsDType.F6_E3M2 => (3, 4),
        SafetensorsDType.BOOL or SafetensorsDType.U8 or SafetensorsDType.I8 => (1, 1),
        SafetensorsDType.F8_E5M2 or SafetensorsDType.F8_E4M3 or SafetensorsDType.F8_E8M0 or SafetensorsDType.F8_E4M3FNUZ or SafetensorsDType.F8_E5M2FNUZ => (1, 1),
        SafetensorsDType.I16 or SafetensorsDType.U16 or SafetensorsDType.F16 or SafetensorsDType.BF16 => (2, 1),
        SafetensorsDType.I32 or SafetensorsDType.U32 or SafetensorsDType.F32 => (4, 1),
        SafetensorsDType.C64 or SafetensorsDType.F64 or SafetensorsDType.I64 or SafetensorsDType.U64 => (8, 1),
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    /// <summary>Bytes of one value of a type that has whole bytes.</summary>
    public static int Size(SafetensorsDType type) => Group(type) is (var bytes, 1) ? bytes : throw new ArgumentOutOfRangeException(nameof(type));

    /// <summary>Whether values of a type can be turned into numbers here.</summary>
    public static bool IsRead(SafetensorsDType type) => type is not (SafetensorsDType.F4 or SafetensorsDType.F6_E2M3 or SafetensorsDType.F6_E3M2
        or SafetensorsDType.F8_E5M2 or SafetensorsDType.F8_E4M3 or SafetensorsDType.F8_E8M0 or SafetensorsDType.F8_E4M3FNUZ or SafetensorsDType.F8_E5M2FNUZ
        or SafetensorsDType.C64);

    /// <summary>What messages call values of a type.</summary>
    public static string Kind(SafetensorsDType type) => type switch
    {
        SafetensorsDType.BOOL => "truth values",
        SafetensorsDType.F4 => "4-bit floats",
        SafetensorsDType.F6_E2M3 or SafetensorsDType.F6_E3M2 => "6-bit floats",
        SafetensorsDType.F8_E5M2 or SafetensorsDType.F8_E4M3 or SafetensorsDType.F8_E8M0 or SafetensorsDType.F8_E4M3FNUZ or SafetensorsDType.F8_E5M2FNUZ => "8-bit floats",
        SafetensorsDType.F16 or SafetensorsDType.BF16 => "16-bit floats",
        SafetensorsDType.F32 => "32-bit floats",
        SafetensorsDType.F64 => "64-bit floats",
        SafetensorsDType.C64 => "complex numbers",
        _ => "integers",
    };

    /// <summary>The type with this name in a header, or null.</summary>
    public static SafetensorsDType? Parse(string name) => name switch
    {
        "BOOL" => SafetensorsDType.BOOL,
        "F4" => SafetensorsDType.F4,
        "F6_E2M3" => SafetensorsDType.F6_E2M3,
        "F6_E3M2" => SafetensorsDType.F6_E3M2,
        "F8_E5M2" => SafetensorsDType.F8_E5M2,
        "F8_E4M3" => SafetensorsDType.F8_E4M3,
        "F8_E8M0" => SafetensorsDType.F8_E8M0,
        "F8_E4M3FNUZ" => SafetensorsDType.F8_E4M3FNUZ,
        "F8_E5M2FNUZ" => SafetensorsDType.F8_E5M2FNUZ,
        "C64" => SafetensorsDType.C64,
        "U8" => SafetensorsDType.U8,
        "I8" => SafetensorsDType.I8,
        "I16" => SafetensorsDType.I16,
        "U16" => SafetensorsDType.U16,
        "F16" => SafetensorsDType.F16,
        "BF16" => SafetensorsDType.BF16,
        "I32" => SafetensorsDType.I32,
        "U32" => SafetensorsDType.U32,
        "F32" => SafetensorsDType.F32,
        "F64" => SafetensorsDType.F64,
        "I64" => SafetensorsDType.I64,
        "U64" => SafetensorsDType.U64,
        _ => null,
    };

    /// <summary>The type that holds weights of a format.</summary>
    public static SafetensorsDType Of(WeightFormat format) => format switch
    {
        WeightFormat.Float32 => SafetensorsDType.F32,
        WeightFormat.BFloat16 => SafetensorsDType.BF16,
        WeightFormat.Float16 => SafetensorsDType.F16,
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };

    /// <summary>The format of weights of a type, or null if it is not one that can be computed with.</summary>
    public static WeightFormat? Format(SafetensorsDType type) => type switch
    {
        SafetensorsDType.F32 => WeightFormat.Float32,
        SafetensorsDType.BF16 => WeightFormat.BFloat16,
        SafetensorsDType.F16 => WeightFormat.Float16,
        _ => null,
    };

    /// <summary>A shape as messages show it: [2, 3].</summary>
    public static string Show(ReadOnlySpan<long> shape)
    {
        var parts = new string[shape.Length];
        for (int i = 0; i < parts.Length; i++)
            parts[i] = shape[i].ToString(CultureInfo.InvariantCulture);
        return $"[{string.Join(", ", parts)}]";
    }
}
