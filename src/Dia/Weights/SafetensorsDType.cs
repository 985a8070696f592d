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

/// <summary>What is known of each <see cref="SafetensorsDType"/>.</summary>
internal static class SafetensorsTypes
{
    // In the enumeration's order. So many bytes hold so many values: one, but for types of less than a byte. Not all that can be read in a
    // file can be turned into numbers here.
    private static readonly (string Name, int Bytes, int Values, string Kind, bool IsRead)[] Table =
    [
        ("BOOL", 1, 1, "truth values", true),
        ("F4", 1, 2, "4-bit floats", false),
        ("F6_E2M3", 3, 4, "6-bit floats", false),
        ("F6_E3M2", 3, 4, "6-bit floats", false),
        ("U8", 1, 1, "integers", true),
        ("I8", 1, 1, "integers", true),
        ("F8_E5M2", 1, 1, "8-bit floats", false),
        ("F8_E4M3", 1, 1, "8-bit floats", false),
        ("F8_E8M0", 1, 1, "8-bit floats", false),
        ("F8_E4M3FNUZ", 1, 1, "8-bit floats", false),
        ("F8_E5M2FNUZ", 1, 1, "8-bit floats", false),
        ("I16", 2, 1, "integers", true),
        ("U16", 2, 1, "integers", true),
        ("F16", 2, 1, "16-bit floats", true),
        ("BF16", 2, 1, "16-bit floats", true),
        ("I32", 4, 1, "integers", true),
        ("U32", 4, 1, "integers", true),
        ("F32", 4, 1, "32-bit floats", true),
        ("C64", 8, 1, "complex numbers", false),
        ("F64", 8, 1, "64-bit floats", true),
        ("I64", 8, 1, "integers", true),
        ("U64", 8, 1, "integers", true),
    ];

    /// <summary>So many bytes hold so many values.</summary>
    public static (int Bytes, int Values) Group(SafetensorsDType type) => (Table[(int)type].Bytes, Table[(int)type].Values);

    /// <summary>Bytes of one value of a type that has whole bytes.</summary>
    public static int Size(SafetensorsDType type) => Group(type) is (var bytes, 1) ? bytes : throw new ArgumentOutOfRangeException(nameof(type));

    /// <summary>Whether values of a type can be turned into numbers here.</summary>
    public static bool IsRead(SafetensorsDType type) => Table[(int)type].IsRead;

    /// <summary>What messages call values of a type.</summary>
    public static string Kind(SafetensorsDType type) => Table[(int)type].Kind;

    /// <summary>The type with this name in a header, or null.</summary>
    public static SafetensorsDType? Parse(string name) => Array.FindIndex(Table, row => row.Name == name) is >= 0 and int type ? (SafetensorsDType)type : null;

    /// <summary>A shape as messages show it: [2, 3].</summary>
    public static string Show(long[] shape) => $"[{string.Join(", ", shape)}]";
}
