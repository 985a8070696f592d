using Dia.Weights;

namespace Dia.Backends;

/// <summary>
/// How the rows of a key-value cache in the host's memory lie there. Those of float32 lie in order. Of float16, blocks of two SIMD vectors have value i of
/// the first beside value i of the second in one 32-bit lane, so that shifts and a mask give two vectors in order. What is left of a row is in order.
/// </summary>
/// <remarks>
/// A value below 2^-14 is stored as 0: it would be subnormal, which makes a multiply-add sixty times slower on some processors (measured). What is not finite
/// in float16 is refused, so that kernels need not look for it.
/// </remarks>
internal static unsafe class CacheRows
{
    /// <summary>Exponent and fraction of a float16, moved into a float32's place, are the value divided by this.</summary>
    public const float Float16Factor = 5.192296858534828e33f; // 2^112

    /// <summary>The sign, five bits of exponent and ten of fraction, where they are in a float32.</summary>
    public const int Float16Bits = unchecked((int)0x8fffe000);

    private const uint SmallestNormal = 0x38800000, Rebias = 112 << 23, LargestCode = 0x7bff;

    private static int Block => 2 * Vector<float>.Count;

    /// <summary>Puts a row where it lies, each value rounded to the nearest of the format, ties to even.</summary>
    /// <param name="to">The row in the cache.</param>
    /// <param name="format">The cache's format.</param>
    /// <param name="from">The row [width].</param>
    /// <param name="width">Values of a row.</param>
    /// <exception cref="DiaException">Model: a value is not finite, or is too large for the format.</exception>
    public static void Store(void* to, WeightFormat format, float* from, int width)
    {
        if (format == WeightFormat.Float32)
        {
            Unsafe.CopyBlockUnaligned(to, from, checked((uint)width * sizeof(float)));
            return;
        }

        ushort* codes = (ushort*)to;
        Vector<uint> largest = default;
        int i = 0;
        for (; i <= width - Block; i += Block)
        {
            Vector<uint> first = Code(Vector.Load(from + i), ref largest), second = Code(Vector.Load(from + i + Vector<float>.Count), ref largest);
            Vector.Store(first | Vector.ShiftLeft(second, 16), (uint*)(codes + i));
        }
        for (; i < width; i++)
            codes[i] = (ushort)Code(new Vector<float>(from[i]), ref largest)[0];
        if (Vector.GreaterThanAny(largest, new Vector<uint>(LargestCode)))
            throw new DiaException(DiaErrorKind.Model,
                "A key or value of the model is not a finite number, or above 65504, the most that a cache of 16 bits holds. Check that the checkpoint is intact; if it is, keep caches in float32 (--exact).");
    }

    /// <summary>A row as it lies in a cache, as float32: exact.</summary>
    /// <param name="to">Receives the row [width].</param>
    /// <param name="from">The row in the cache.</param>
    /// <param name="format">The cache's format.</param>
    /// <param name="width">Values of a row.</param>
    public static void Load(float* to, void* from, WeightFormat format, int width)
    {
        if (format == WeightFormat.Float32)
        {
            Unsafe.CopyBlockUnaligned(to, from, checked((uint)width * sizeof(float)));
            return;
        }

        ushort* codes = (ushort*)from;
        Vector<float> factor = new(Float16Factor);
        int i = 0;
        for (; i <= width - Block; i += Block)
        {
            Vector<int> pairs = Vector.Load((int*)(codes + i));
            Vector.Store(Divided(Vector.ShiftLeft(pairs, 16)) * factor, to + i);
            Vector.Store(Divided(pairs) * factor, to + i + Vector<float>.Count);
        }
        for (; i < width; i++)
            to[i] = WeightFormats.FromFloat16(codes[i]);
    }

    /// <summary>The values whose float16 are the upper halves of lanes, divided by <see cref="Float16Factor"/>: the shift copies the sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Divided(Vector<int> upper) => Vector.AsVectorSingle(Vector.ShiftRightArithmetic(upper, 3) & new Vector<int>(Float16Bits));

    /// <summary>Float32 values that <see cref="Widen"/> of a sequence fills.</summary>
    public static long WidenedSize(in AttentionItem item, int width) => 2L * item.KeyCount * width;

    /// <summary>A sequence whose keys and values of one layer are float32, to be found at layer 0.</summary>
    /// <param name="to">Where they go, <see cref="WidenedSize"/> values.</param>
    /// <param name="item">The sequence.</param>
    /// <param name="format">The format of its caches.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="width">Values of a row.</param>
    public static AttentionItem Widen(float* to, in AttentionItem item, WeightFormat format, int layer, int width)
    {
        AttentionItem result = item;
        result.Keys = to;
        result.Values = to + (long)item.KeyCount * width;
        result.LayerStride = 0;
        for (int j = 0; j < item.KeyCount; j++)
        {
            Load((float*)result.Keys + (long)j * width, Row(item.Keys, item, format, layer, j, width), format, width);
            Load((float*)result.Values + (long)j * width, Row(item.Values, item, format, layer, j, width), format, width);
        }

        return result;
    }

    /// <summary>Where a row of a sequence's keys or values lies.</summary>
    /// <param name="part">Its keys or its values.</param>
    /// <param name="item">The sequence.</param>
    /// <param name="format">The format of its caches.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="row">The row.</param>
    /// <param name="width">Values of a row.</param>
    public static void* Row(void* part, in AttentionItem item, WeightFormat format, int layer, long row, int width) =>
        (byte*)part + WeightFormats.Bytes(format, layer * item.LayerStride + row * width);

    /// <summary>The float16 of each lane; the largest one without its sign is kept, which is beyond the format's where a value is not finite in it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> Code(Vector<float> x, ref Vector<uint> largest)
    {
        Vector<uint> bits = Vector.AsVectorUInt32(x), size = bits & new Vector<uint>(0x7fffffff), odd = Vector.ShiftRightLogical(size, 13) & Vector<uint>.One;
        Vector<uint> code = Vector.ShiftRightLogical(size + odd + new Vector<uint>(0xfff) - new Vector<uint>(Rebias), 13)
            & Vector.GreaterThanOrEqual(size, new Vector<uint>(SmallestNormal));
        largest = Vector.Max(largest, code);
        return code | (Vector.ShiftRightLogical(bits, 16) & new Vector<uint>(0x8000));
    }
}
