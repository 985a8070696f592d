using Dia.Configuration;

namespace Dia.Weights;

/// <summary>
/// The tensors that hold a linear layer's weight as integers, checked: NAME.weight (I8), or NAME.weight_packed (I32) with NAME.weight_shape; and
/// NAME.weight_scale. Their values are not read but for the shape and zero points.
/// </summary>
/// <param name="Values">The integers.</param>
/// <param name="Scales">Their scales [rows, groups].</param>
/// <param name="Storage">How they are stored.</param>
/// <param name="Shape">The weight's shape [rows, columns].</param>
internal sealed record QuantizedTensors(StoredTensor Values, StoredTensor Scales, WeightStorage Storage, long[] Shape)
{
    public const string Packed = "_packed", Scale = "_scale", ShapeOf = "_shape", ZeroPoint = "_zero_point", Order = "_g_idx";

    private const int MaxDimension = 1 << 30;

    /// <summary>The names that the tensors of a weight may have.</summary>
    public static IEnumerable<string> Names(string weight) => new[] { "", Packed, Scale, ShapeOf, ZeroPoint, Order }.Select(end => weight + end);

    /// <summary>The tensors that a weight is stored in, as the compressed-tensors library names them.</summary>
    /// <param name="weight">The weight's name.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="storage">How it is stored.</param>
    public static (SafetensorsEntry Values, SafetensorsEntry Scales, SafetensorsEntry? Shape) Entries(string weight, int[] shape, WeightStorage storage)
    {
        bool isPacked = IsPacked(storage.Format);
        SafetensorsDType type = Type(storage.Format);
        return (new SafetensorsEntry(isPacked ? weight + Packed : weight, type, [shape[0], storage.RowBytes(shape[1]) / SafetensorsTypes.Size(type)]),
            new SafetensorsEntry(weight + Scale, WeightFormats.Type(storage.ScaleFormat), [shape[0], storage.Groups(shape[1])]),
            isPacked ? new SafetensorsEntry(weight + ShapeOf, SafetensorsDType.I64, [2]) : null);
    }

    /// <summary>Writes a row of integers as it is stored.</summary>
    /// <param name="integers">The integers.</param>
    /// <param name="format">Their format.</param>
    /// <param name="row">Receives the row's bytes.</param>
    public static void Pack(ReadOnlySpan<sbyte> integers, WeightFormat format, Span<byte> row)
    {
        row.Clear(); // What fills up the last word is zero bits.
        for (int i = 0; i < integers.Length; i++)
        {
            if (format == WeightFormat.Int4)
                row[i >> 1] |= (byte)((integers[i] + 8) << (4 * (i & 1)));
            else
                row[i] = (byte)(format == WeightFormat.Int8 ? integers[i] : integers[i] + 128);
        }
    }

    /// <summary>What integers of a scheme are stored as.</summary>
    public static WeightFormat Format(QuantizationScheme scheme) =>
        scheme.Bits == 4 ? WeightFormat.Int4 : scheme.IsPacked ? WeightFormat.Int8Packed : WeightFormat.Int8;

    /// <summary>Finds the tensors of a weight.</summary>
    /// <param name="tensors">All tensors of the checkpoint.</param>
    /// <param name="weight">The weight's name.</param>
    /// <param name="scheme">How its configuration says that it is stored.</param>
    /// <param name="shape">The shape that it must have; null: any.</param>
    /// <param name="complain">Gets what is wrong, with the name of the tensor.</param>
    /// <returns>The tensors; null after a complaint.</returns>
    public static QuantizedTensors? Find(IReadOnlyDictionary<string, StoredTensor> tensors, string weight, QuantizationScheme scheme, long[]? shape,
        Action<string> complain)
    {
        WeightFormat format = Format(scheme);
        string name = scheme.IsPacked ? weight + Packed : weight;
        if (!tensors.TryGetValue(name, out StoredTensor? values) || values.DType != Type(format))
            return Wrong(name, values is not null ? $"{values.DType} where {Type(format)} is needed" : tensors.ContainsKey(weight)
                ? "missing, though its layer is to be quantised" : "missing");
        if (values.Shape.Length != 2 || values.Shape.Any(d => d is < 1 or > MaxDimension))
            return Wrong(name, $"of shape {SafetensorsTypes.Show(values.Shape)}");
        if (scheme.IsPacked && shape is null && (shape = ReadShape(tensors, weight + ShapeOf)) is null)
            return Wrong(weight + ShapeOf, "not two integers above 0");
        shape ??= values.Shape;
        if (scheme.IsPacked && ReadShape(tensors, weight + ShapeOf)?.AsSpan().SequenceEqual(shape) != true)
            return Wrong(weight + ShapeOf, $"not {SafetensorsTypes.Show(shape)}");
        var storage = new WeightStorage(format, Group: scheme.GroupSize);
        long[] stored = [shape[0], storage.RowBytes((int)shape[1]) / SafetensorsTypes.Size(values.DType)];
        if (!values.Shape.AsSpan().SequenceEqual(stored))
            return Wrong(name, $"{SafetensorsTypes.Show(values.Shape)} where {SafetensorsTypes.Show(stored)} is needed");
        foreach (string end in new[] { Order, ZeroPoint })
            if (tensors.TryGetValue(weight + end, out StoredTensor? other) && !(end == ZeroPoint && IsZero(other)))
                return Wrong(other.Name, end == Order ? "columns in another order are not supported" : "zero points other than 0 are not supported");
        return FindScales(tensors, weight, shape, storage, Wrong) is { } scales
            ? new QuantizedTensors(values, scales, storage with { ScaleFormat = WeightFormats.Of(scales.DType)!.Value }, shape) : null;

        QuantizedTensors? Wrong(string tensor, string what)
        {
            complain($"{SafetensorsHeader.Show(tensor)}: {what}");
            return null;
        }
    }

    /// <summary>The weight, where it is mapped.</summary>
    public unsafe StoredWeight Mapped => new() { Data = Values.Data, Scales = Scales.Data, Storage = Storage, Columns = (int)Shape[1] };

    /// <summary>Checks the scales, each of which must be a number from 0.</summary>
    /// <exception cref="DiaException">One is not (Model).</exception>
    public unsafe void CheckScales(string file)
    {
        byte* data = Scales.Data;
        WeightFormat format = Storage.ScaleFormat;
        const int Step = 1 << 28;
        for (long at = 0; at < Scales.Count; at += Step)
        {
            int count = (int)Math.Min(Step, Scales.Count - at);
            int bad = format switch
            {
                WeightFormat.Float32 => Bad(new ReadOnlySpan<uint>((uint*)data + at, count), 0x7F800000u, 0x80000000u),
                WeightFormat.BFloat16 => Bad(new ReadOnlySpan<ushort>((ushort*)data + at, count), (ushort)0x7F80, (ushort)0x8000),
                _ => Bad(new ReadOnlySpan<ushort>((ushort*)data + at, count), (ushort)0x7C00, (ushort)0x8000),
            };
            if (bad >= 0)
                throw new DiaException(DiaErrorKind.Model, string.Create(CultureInfo.InvariantCulture,
                    $"{file}: value {at + bad} of {SafetensorsHeader.Show(Scales.Name)} is {WeightFormats.Of(format).Value(data, at + bad)}: a scale is a number from 0. The file is damaged, or what wrote it went wrong: fetch or make it again."));
        }
    }

    /// <summary>The first of some floats, as bits, that is infinite, NaN or below zero; minus zero is zero.</summary>
    private static int Bad<T>(ReadOnlySpan<T> bits, T infinity, T minusZero)
        where T : unmanaged, INumber<T>, IMinMaxValue<T>
    {
        for (int from = 0; from < bits.Length;)
        {
            int at = bits[from..].IndexOfAnyInRange(infinity, T.MaxValue);
            if (at < 0 || bits[from + at] != minusZero)
                return at < 0 ? -1 : from + at;
            from += at + 1;
        }

        return -1;
    }

    /// <summary>The type of the tensor of integers.</summary>
    public static SafetensorsDType Type(WeightFormat format) => IsPacked(format) ? SafetensorsDType.I32 : SafetensorsDType.I8;

    /// <summary>Whether integers lie in words of 32 bits.</summary>
    public static bool IsPacked(WeightFormat format) => format != WeightFormat.Int8;

    private static StoredTensor? FindScales(IReadOnlyDictionary<string, StoredTensor> tensors, string weight, long[] shape, WeightStorage storage,
        Func<string, string, QuantizedTensors?> wrong)
    {
        string name = weight + Scale;
        long[] needed = [shape[0], storage.Groups((int)shape[1])];
        string? what = !tensors.TryGetValue(name, out StoredTensor? scales) ? "missing"
            : WeightFormats.Of(scales.DType) is null ? $"{scales.DType} where F32, BF16 or F16 is needed"
            : !scales.Shape.AsSpan().SequenceEqual(needed) ? $"{SafetensorsTypes.Show(scales.Shape)} where {SafetensorsTypes.Show(needed)} is needed" : null;
        if (what is not null)
            wrong(name, what);
        return what is null ? scales : null;
    }

    private static unsafe long[]? ReadShape(IReadOnlyDictionary<string, StoredTensor> tensors, string name)
    {
        if (!tensors.TryGetValue(name, out StoredTensor? tensor) || tensor.Count != 2
            || tensor.DType is not (SafetensorsDType.I64 or SafetensorsDType.I32))
            return null;
        long[] shape = tensor.DType == SafetensorsDType.I64 ? [Unsafe.ReadUnaligned<long>(tensor.Data), Unsafe.ReadUnaligned<long>(tensor.Data + 8)]
            : [Unsafe.ReadUnaligned<int>(tensor.Data), Unsafe.ReadUnaligned<int>(tensor.Data + 4)];
        return Array.TrueForAll(shape, d => d is >= 1 and <= MaxDimension) ? shape : null;
    }

    private static unsafe bool IsZero(StoredTensor tensor)
    {
        const int Step = 1 << 20;
        for (long at = 0; at < tensor.ByteLength; at += Step)
            if (new ReadOnlySpan<byte>(tensor.Data + at, (int)Math.Min(Step, tensor.ByteLength - at)).ContainsAnyExcept((byte)0))
                return false;
        return true;
    }
}
