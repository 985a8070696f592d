using System.Runtime.CompilerServices;

namespace Dia.Weights;

/// <summary>Conversions between the formats of weights: to float32 exact, from it rounded to the nearest, ties to even.</summary>
public static unsafe class WeightFormats
{
    /// <summary>Bytes of one value.</summary>
    public static int ByteSize(WeightFormat format) => format == WeightFormat.Float32 ? 4 : 2;

    /// <summary>The reference library's name of a format, as in config.json: float32, bfloat16, float16.</summary>
    public static string ReferenceName(WeightFormat format) => format switch
    {
        WeightFormat.Float32 => "float32",
        WeightFormat.BFloat16 => "bfloat16",
        WeightFormat.Float16 => "float16",
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };

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
    public static void Read(void* source, WeightFormat format, Span<float> values)
    {
        ushort* halves = (ushort*)source;
        switch (format)
        {
            case WeightFormat.Float32:
                fixed (float* to = values)
                    Buffer.MemoryCopy(source, to, values.Length * 4L, values.Length * 4L);
                break;
            case WeightFormat.BFloat16:
                for (int i = 0; i < values.Length; i++)
                    values[i] = FromBFloat16(Unsafe.ReadUnaligned<ushort>(halves + i));
                break;
            case WeightFormat.Float16:
                for (int i = 0; i < values.Length; i++)
                    values[i] = FromFloat16(Unsafe.ReadUnaligned<ushort>(halves + i));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(format));
        }
    }

    /// <summary>Writes float32 values in a format, to memory aligned or not.</summary>
    /// <param name="values">What to write.</param>
    /// <param name="format">How to store it.</param>
    /// <param name="target">Room for <paramref name="values"/>.Length values of <paramref name="format"/>.</param>
    public static void Write(ReadOnlySpan<float> values, WeightFormat format, void* target)
    {
        ushort* halves = (ushort*)target;
        switch (format)
        {
            case WeightFormat.Float32:
                fixed (float* from = values)
                    Buffer.MemoryCopy(from, target, values.Length * 4L, values.Length * 4L);
                break;
            case WeightFormat.BFloat16:
                for (int i = 0; i < values.Length; i++)
                    Unsafe.WriteUnaligned(halves + i, ToBFloat16(values[i]));
                break;
            case WeightFormat.Float16:
                for (int i = 0; i < values.Length; i++)
                    Unsafe.WriteUnaligned(halves + i, ToFloat16(values[i]));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(format));
        }
    }
}
