namespace Dia.Weights;

/// <summary>
/// The table of the formats of weights that are no integers, and conversions between them: to float32 exact, from it rounded to the nearest, ties to even.
/// A format more is a row here, and kernels. Integers are read here too, times their scales.
/// </summary>
public static unsafe class WeightFormats
{
    // In WeightFormat's order.
    private static readonly Row[] Rows =
    [
        Of<Float32>("f32", "float32", SafetensorsDType.F32, 32),
        Of<BFloat16>("bf16", "bfloat16", SafetensorsDType.BF16, 16),
        Of<Float16>("f16", "float16", SafetensorsDType.F16, 16),
    ];

    /// <summary>Whether values of a format are integers times scales.</summary>
    public static bool IsQuantized(WeightFormat format) => format >= WeightFormat.Int8;

    /// <summary>Bytes of so many values of a format, and so the offset of the value of that index.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The format is of integers, of which <see cref="WeightStorage"/> tells.</exception>
    /// <exception cref="OverflowException">More than fit 64 bits.</exception>
    public static long Bytes(WeightFormat format, long count) => checked(count * (Of(format).ValueBits / 8));

    /// <summary>The reference library's name of a format, as in config.json: float32, bfloat16, float16.</summary>
    public static string ReferenceName(WeightFormat format) => Of(format).ReferenceName;

    /// <summary>The format of this short name: f32, bf16, f16.</summary>
    public static bool TryParse(string name, out WeightFormat format)
    {
        int index = Array.FindIndex(Rows, r => r.Name == name);
        format = (WeightFormat)Math.Max(index, 0);
        return index >= 0;
    }

    /// <summary>The type that a safetensors file stores a format as.</summary>
    public static SafetensorsDType Type(WeightFormat format) => Of(format).Type;

    /// <summary>The format of weights of a type, or null if it is not one that can be computed with.</summary>
    public static WeightFormat? Of(SafetensorsDType type) => Array.FindIndex(Rows, r => r.Type == type) is >= 0 and var index ? (WeightFormat)index : null;

    /// <summary>The value of bfloat16 bits. Exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FromBFloat16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>The value of binary16 bits. Exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FromFloat16(ushort bits) => (float)BitConverter.UInt16BitsToHalf(bits);

    /// <summary>The bfloat16 nearest to a value, ties to even; too large is infinity; NaN stays a (quiet) NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40); // Rounding could carry a NaN into infinity.
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The binary16 nearest to a value, ties to even; too large is infinity; NaN stays a NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort ToFloat16(float value) => BitConverter.HalfToUInt16Bits((Half)value);

    /// <summary>Reads values of a format, aligned or not, as float32.</summary>
    /// <param name="source">At least <paramref name="values"/>.Length values of <paramref name="format"/>.</param>
    /// <param name="format">How the source is stored.</param>
    /// <param name="values">Receives the values.</param>
    public static void Read(void* source, WeightFormat format, Span<float> values) => Of(format).Read(source, values);

    /// <summary>Reads values of a row of integers, each times its scale in float32.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="row">The row.</param>
    /// <param name="first">The first value of the row.</param>
    /// <param name="values">Receives the values.</param>
    public static void Read(in StoredWeight weight, long row, int first, Span<float> values)
    {
        byte* integers = (byte*)weight.From(row * weight.Columns).Data;
        for (int i = 0; i < values.Length; i++)
            values[i] = Integer(weight.Format, integers, first + i) * Scale(weight, row, first + i);
    }

    /// <summary>The scale of a value of a row of integers.</summary>
    internal static float Scale(in StoredWeight weight, long row, int column)
    {
        int group = weight.Storage.Group == 0 ? 0 : column / weight.Storage.Group;
        return Of(weight.Storage.ScaleFormat).Value(weight.Scales, row * weight.Storage.Groups(weight.Columns) + group);
    }

    /// <summary>An integer of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Integer(WeightFormat format, byte* row, int index) => format switch
    {
        WeightFormat.Int8 => (sbyte)row[index],
        WeightFormat.Int8Packed => row[index] - 128,
        _ => ((row[index >> 1] >> (4 * (index & 1))) & 15) - 8,
    };

    /// <summary>Writes float32 values in a format, to memory aligned or not.</summary>
    /// <param name="values">What to write.</param>
    /// <param name="format">How to store it.</param>
    /// <param name="target">Room for <paramref name="values"/>.Length values of <paramref name="format"/>.</param>
    public static void Write(ReadOnlySpan<float> values, WeightFormat format, void* target) => Of(format).Write(values, target);

    /// <summary>A format's row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    internal static Row Of(WeightFormat format) => (uint)format < (uint)Rows.Length ? Rows[(int)format] : throw new ArgumentOutOfRangeException(nameof(format));

    /// <summary>For each format, in the enumeration's order, what is made of its row.</summary>
    internal static T[] Each<T>(Func<Row, T> make) => Array.ConvertAll(Rows, r => make(r));

    // Single values, without scales.
    private static Row Of<TValue>(string name, string referenceName, SafetensorsDType type, int bits)
        where TValue : struct, IValue =>
        new(name, referenceName, type, bits, &TValue.Read, &ReadAll<TValue>, &WriteAll<TValue>);

    private static void ReadAll<TValue>(void* source, Span<float> values)
        where TValue : struct, IValue
    {
        for (int i = 0; i < values.Length; i++)
            values[i] = TValue.Read(source, i);
    }

    private static void WriteAll<TValue>(ReadOnlySpan<float> values, void* target)
        where TValue : struct, IValue
    {
        for (int i = 0; i < values.Length; i++)
            TValue.Write(target, i, values[i]);
    }

    /// <summary>All that is said of a format outside of kernels.</summary>
    internal sealed class Row(
        string name,
        string referenceName,
        SafetensorsDType type,
        int valueBits,
        delegate*<void*, long, float> value,
        delegate*<void*, Span<float>, void> read,
        delegate*<ReadOnlySpan<float>, void*, void> write)
    {
        /// <summary>The name in options, and of the kernels that read it.</summary>
        public string Name => name;

        /// <summary>The reference library's name.</summary>
        public string ReferenceName => referenceName;

        /// <summary>What a safetensors file stores it as.</summary>
        public SafetensorsDType Type => type;

        /// <summary>Bits of a value.</summary>
        public int ValueBits => valueBits;

        /// <summary>The value of an index, which lies aligned or not.</summary>
        public delegate*<void*, long, float> Value => value;

        /// <summary>Reads values.</summary>
        public delegate*<void*, Span<float>, void> Read => read;

        /// <summary>Writes values.</summary>
        public delegate*<ReadOnlySpan<float>, void*, void> Write => write;
    }

    private interface IValue
    {
        static abstract float Read(void* source, long index);

        static abstract void Write(void* target, long index, float value);
    }

    private readonly struct Float32 : IValue
    {
        public static float Read(void* source, long index) => Unsafe.ReadUnaligned<float>((float*)source + index);

        public static void Write(void* target, long index, float value) => Unsafe.WriteUnaligned((float*)target + index, value);
    }

    private readonly struct BFloat16 : IValue
    {
        public static float Read(void* source, long index) => FromBFloat16(Unsafe.ReadUnaligned<ushort>((ushort*)source + index));

        public static void Write(void* target, long index, float value) => Unsafe.WriteUnaligned((ushort*)target + index, ToBFloat16(value));
    }

    private readonly struct Float16 : IValue
    {
        public static float Read(void* source, long index) => FromFloat16(Unsafe.ReadUnaligned<ushort>((ushort*)source + index));

        public static void Write(void* target, long index, float value) => Unsafe.WriteUnaligned((ushort*)target + index, ToFloat16(value));
    }
}
