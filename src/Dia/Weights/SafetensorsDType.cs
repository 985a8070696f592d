using System.Globalization;

namespace Dia.Weights;

/// <summary>
/// The types of values in a safetensors file, in the order of the reference library's enumeration: files hold tensors of
/// later ones first.
/// </summary>
public enum SafetensorsDType
{
    /// <summary>One byte, 0 or 1.</summary>
    BOOL,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

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
    /// <exception cref="OverflowException">More than fit 64 bits, or a negative dimension.</exception>
    public long ByteLength
    {
        get
        {
            long bytes = SafetensorsTypes.Size(DType);
            foreach (long d in Shape)
                bytes = d >= 0 ? checked(bytes * d) : throw new OverflowException();
            return bytes;
        }
    }
}

/// <summary>Sizes and names of <see cref="SafetensorsDType"/>.</summary>
internal static class SafetensorsTypes
{
    /// <summary>Bytes of one value.</summary>
    public static int Size(SafetensorsDType type) => type switch
    {
        SafetensorsDType.BOOL or SafetensorsDType.U8 or SafetensorsDType.I8 => 1,
        SafetensorsDType.I16 or SafetensorsDType.U16 or SafetensorsDType.F16 or SafetensorsDType.BF16 => 2,
        SafetensorsDType.I32 or SafetensorsDType.U32 or SafetensorsDType.F32 => 4,
        SafetensorsDType.F64 or SafetensorsDType.I64 or SafetensorsDType.U64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    /// <summary>The type with this name in a header, or null.</summary>
    public static SafetensorsDType? Parse(string name) => name switch
    {
        "BOOL" => SafetensorsDType.BOOL,
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
