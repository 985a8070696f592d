using Dia.IO;

namespace Dia.Weights;

/// <summary>A tensor of an open <see cref="MappedTensorFile"/>, where it lies in the mapped file.</summary>
public sealed unsafe class StoredTensor
{
    private readonly MappedTensorFile _file;
    private readonly TensorView[] _parts;

    /// <summary>A tensor whose values lie one after the other.</summary>
    internal StoredTensor(MappedTensorFile file, SafetensorsEntry entry, long offset)
        : this(entry, [new TensorView(file, offset, entry.Shape, TensorView.RowMajor(entry.Shape))])
    {
    }

    /// <summary>A tensor whose values lie in some order.</summary>
    /// <param name="entry">What it is.</param>
    /// <param name="parts">Its values: those of one after those of the other, at least one.</param>
    internal StoredTensor(SafetensorsEntry entry, TensorView[] parts)
    {
        (_file, _parts, Entry) = (parts[0].File, parts, entry);
        ByteLength = entry.ByteLength;
        IsContiguous = parts.Length == 1 && parts[0].IsContiguous;
    }

    /// <summary>The tensor's name.</summary>
    public string Name => Entry.Name;

    /// <summary>The type of its values.</summary>
    public SafetensorsDType DType => Entry.DType;

    /// <summary>Its shape, outermost dimension first; empty for a single value.</summary>
    public long[] Shape => Entry.Shape;

    /// <summary>Bytes of all values.</summary>
    public long ByteLength { get; }

    /// <summary>Number of values.</summary>
    public long Count => SafetensorsTypes.Group(DType) is var (bytes, values) ? ByteLength / bytes * values : 0;

    /// <summary>
    /// First byte, row-major, little-endian; valid until the file is disposed. Not always aligned to the size of a value: files
    /// of early writers are not.
    /// </summary>
    /// <exception cref="DiaException">The values do not lie in that order (<see cref="IsContiguous"/>).</exception>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    public byte* Data => IsContiguous ? _file.At(_parts[0].Offset) : throw new DiaException(_file.Kind,
        $"{_file.Description}: the values of tensor {SafetensorsHeader.Show(Name)} do not lie in its order. Convert the checkpoint first: dia convert.");

    /// <summary>Whether the values lie in the file one after the other, row-major. Those of a view, or of an older layout, may not.</summary>
    public bool IsContiguous { get; }

    /// <summary>Whether <see cref="Data"/> is there, and aligned to the size of a value.</summary>
    public bool IsAligned => IsContiguous && (SafetensorsTypes.Group(DType) is not (var size, 1) || (nuint)Data % (nuint)size == 0);

    /// <summary>Its values where they lie.</summary>
    internal IReadOnlyList<TensorView> Parts => _parts;

    /// <summary>What the file's header says of it.</summary>
    internal SafetensorsEntry Entry { get; }

    /// <summary>Reads bytes of its values from the file, without touching the mapping.</summary>
    /// <param name="first">The first byte.</param>
    /// <param name="into">Takes them; there are as many.</param>
    /// <exception cref="DiaException">The file cannot be read, or became shorter.</exception>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    internal void Read(long first, Span<byte> into) => _file.Read(_parts[0].Offset + first, into);

    /// <summary>Copies all values, row-major.</summary>
    /// <param name="to">Takes <see cref="ByteLength"/> bytes.</param>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    internal void CopyTo(byte* to)
    {
        using MappedRange.Lease hold = _file.Hold();
        if (IsContiguous)
        {
            Buffer.MemoryCopy(Data, to, ByteLength, ByteLength);
            return;
        }

        int size = SafetensorsTypes.Size(DType);
        foreach (TensorView part in _parts)
        {
            part.CopyTo(to, size);
            to += part.Count * size;
        }
    }

    /// <summary>The values in order: where they are mapped, else a copy that goes with the result.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    internal OrderedValues Ordered()
    {
        if (IsContiguous)
            return new OrderedValues(Data, false);
        byte* copy = (byte*)HostMemory.AllocateBytes(ByteLength);
        CopyTo(copy);
        return new OrderedValues(copy, true);
    }

    /// <summary>Gives the memory of its mapped pages back for now.</summary>
    internal void Forget()
    {
        foreach (TensorView part in _parts)
            MappedRange.Forget(part.File.At(part.Offset), part.Extent * SafetensorsTypes.Size(DType));
    }

    /// <summary>Values of a tensor, row-major.</summary>
    internal readonly struct OrderedValues(byte* data, bool isCopy) : IDisposable
    {
        /// <summary>The first.</summary>
        public byte* Data => data;

        /// <inheritdoc/>
        public void Dispose()
        {
            if (isCopy)
                HostMemory.Free(data);
        }
    }

    /// <summary>All values as int32, row-major.</summary>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    /// <exception cref="DiaException">A value is not an integer of 32 bits, there are too many values, or their type is not read.</exception>
    public int[] ToInt32()
    {
        int[] values = new int[ArrayLength()];
        using MappedRange.Lease hold = _file.Hold();
        using OrderedValues ordered = Ordered();
        byte* data = ordered.Data;
        for (int i = 0; i < values.Length; i++)
        {
            double value = Value(data, i);
            if (!(value is >= int.MinValue and <= int.MaxValue && Math.Floor(value) == value))
                throw Error(i, value, "is not an integer of 32 bits");
            values[i] = (int)value;
        }

        return values;
    }

    /// <summary>All values as float32, row-major; those of wider types are rounded.</summary>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    /// <exception cref="DiaException">A finite value is too large for float32, there are too many values, or their type is not read.</exception>
    public float[] ToSingle()
    {
        float[] values = new float[ArrayLength()];
        using MappedRange.Lease hold = _file.Hold();
        using OrderedValues ordered = Ordered();
        byte* data = ordered.Data;
        if (WeightFormats.Of(DType) is { } format)
        {
            WeightFormats.Read(data, format, values);
            return values;
        }

        for (int i = 0; i < values.Length; i++)
        {
            double value = Value(data, i);
            values[i] = DType switch
            {
                // Straight from 64 bits: by way of double they would be rounded twice.
                SafetensorsDType.I64 => Unsafe.ReadUnaligned<long>(data + i * 8L),
                SafetensorsDType.U64 => Unsafe.ReadUnaligned<ulong>(data + i * 8L),
                _ => (float)value,
            };
            if (float.IsInfinity(values[i]) && double.IsFinite(value))
                throw Error(i, value, "is too large for float32");
        }

        return values;
    }

    /// <summary>The number of values, of a tensor that can be read.</summary>
    private int ArrayLength()
    {
        if (!SafetensorsTypes.IsRead(DType))
            throw new DiaException(_file.Kind,
                $"{_file.Description}: tensor {SafetensorsHeader.Show(Name)} is stored as {DType}: {SafetensorsTypes.Kind(DType)} are not supported. Store it in another type.");
        return Count <= Array.MaxLength
            ? (int)Count
            : throw new DiaException(_file.Kind,
                $"{_file.Description}: tensor {SafetensorsHeader.Show(Name)} has {Count} values, more than can be read into an array.");
    }

    /// <summary>Value i as double: exact but for 64-bit integers past 2^53, whose rounding cannot bring them into 32 bits.</summary>
    private double Value(byte* data, int i)
    {
        byte* at = data + (long)i * SafetensorsTypes.Size(DType);
        return DType switch
        {
            SafetensorsDType.BOOL or SafetensorsDType.U8 => *at,
            SafetensorsDType.I8 => *(sbyte*)at,
            SafetensorsDType.I16 => Unsafe.ReadUnaligned<short>(at),
            SafetensorsDType.U16 => Unsafe.ReadUnaligned<ushort>(at),
            SafetensorsDType.I32 => Unsafe.ReadUnaligned<int>(at),
            SafetensorsDType.U32 => Unsafe.ReadUnaligned<uint>(at),
            SafetensorsDType.I64 => Unsafe.ReadUnaligned<long>(at),
            SafetensorsDType.U64 => Unsafe.ReadUnaligned<ulong>(at),
            SafetensorsDType.F64 => Unsafe.ReadUnaligned<double>(at),
            _ => WeightFormats.Of(DType) is { } format ? WeightFormats.Of(format).Value(data, i) : throw new InvalidOperationException(),
        };
    }

    private DiaException Error(int index, double value, string what) =>
        new(_file.Kind, string.Create(CultureInfo.InvariantCulture,
            $"{_file.Description}: value {index} of tensor {SafetensorsHeader.Show(Name)} is {value}, which {what}."));
}
