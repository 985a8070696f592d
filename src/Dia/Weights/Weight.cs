using Dia.Graph;

namespace Dia.Weights;

/// <summary>How the values of a weight are stored. Computation is always in float32.</summary>
public enum WeightFormat
{
    /// <summary>IEEE 754 binary32, 4 bytes.</summary>
    Float32,

    /// <summary>bfloat16: the upper half of a binary32, 2 bytes.</summary>
    BFloat16,

    /// <summary>IEEE 754 binary16, 2 bytes.</summary>
    Float16,

    /// <summary>Integers of 8 bits in two's complement, times a scale.</summary>
    Int8,

    /// <summary>Integers of 8 bits as bytes of value + 128, times a scale; rows are filled up to whole words of four.</summary>
    Int8Packed,

    /// <summary>Integers of 4 bits as value + 8, times a scale; the first of a byte in its lower half, rows filled up to whole words of eight.</summary>
    Int4,
}

/// <summary>How a weight is stored: the format of its values and, of integers, that of their scales and how many share one.</summary>
/// <param name="Format">The format of the values.</param>
/// <param name="ScaleFormat">The format of the scales of integers: one that is not of integers.</param>
/// <param name="Group">Integers of a row that share a scale, a multiple of 32; 0: all of a row do.</param>
public readonly record struct WeightStorage(WeightFormat Format, WeightFormat ScaleFormat = WeightFormat.Float32, int Group = 0)
{
    /// <summary>Whether values are integers times scales.</summary>
    public bool IsQuantized => WeightFormats.IsQuantized(Format);

    /// <summary>The reference library's name of the format, or int8, int4.</summary>
    public string Name => Format switch
    {
        WeightFormat.Int8 or WeightFormat.Int8Packed => "int8",
        WeightFormat.Int4 => "int4",
        _ => WeightFormats.ReferenceName(Format),
    };

    /// <summary>Values that are no integers have no scales.</summary>
    public static implicit operator WeightStorage(WeightFormat format) => new(format);

    /// <summary>Scales of a row of so many values.</summary>
    public int Groups(int columns) => !IsQuantized ? 0 : Group == 0 ? 1 : (columns + Group - 1) / Group;

    /// <summary>Bytes of a row of so many values, without its scales.</summary>
    public long RowBytes(int columns) => Format switch
    {
        WeightFormat.Int8 => columns,
        WeightFormat.Int8Packed => (columns + 3L) / 4 * 4,
        WeightFormat.Int4 => (columns + 7L) / 8 * 4,
        _ => WeightFormats.Bytes(Format, columns),
    };

    /// <summary>Bytes of the scales of a row of so many values.</summary>
    public long ScaleBytes(int columns) => IsQuantized ? WeightFormats.Bytes(ScaleFormat, Groups(columns)) : 0;

    /// <summary>Bytes of a weight, with its scales.</summary>
    /// <exception cref="OverflowException">More than fit 64 bits.</exception>
    public long Bytes(WeightSpec spec) => IsQuantized
        ? checked(spec.Shape[0] * (RowBytes(spec.Columns) + ScaleBytes(spec.Columns))) : WeightFormats.Bytes(Format, spec.Count);
}

/// <summary>What an emitted class says of one weight: the name in the checkpoint, its shape, and how it is used.</summary>
/// <param name="Name">The parameter's name in the checkpoint.</param>
/// <param name="Shape">Its shape, outermost dimension first.</param>
/// <param name="Role">What the backends use it for.</param>
public sealed record WeightSpec(string Name, int[] Shape, WeightRole Role)
{
    /// <summary>
    /// Whether a device that can (<see cref="Dia.Backends.Device.FiltersConvolutions"/>) is to prepare it for minimal filtering: of a convolution's kernel.
    /// </summary>
    internal bool IsFiltered { get; init; }

    /// <summary>Number of values.</summary>
    public long Count => Shape.Aggregate(1L, (count, d) => count * d);

    /// <summary>Values of a row: the weights of an output, of a linear layer.</summary>
    internal int Columns => Shape[^1];
}

/// <summary>A weight as the checkpoint holds it: mapped, not copied.</summary>
public readonly unsafe struct StoredWeight
{
    /// <summary>First value, row-major in the spec's shape.</summary>
    public void* Data { get; init; }

    /// <summary>How the values are stored.</summary>
    public WeightStorage Storage { get; init; }

    /// <summary>The first scale of integers, [rows, groups of a row]; null: there are none.</summary>
    public void* Scales { get; init; }

    /// <summary>Values of a row, of integers.</summary>
    public int Columns { get; init; }

    /// <summary>The format of the values.</summary>
    public WeightFormat Format
    {
        get => Storage.Format;
        init => Storage = value;
    }

    /// <summary>Whether there are no values: the model that it is of does without this weight.</summary>
    internal bool IsMissing => Data is null;

    /// <summary>The weight whose first value is this one's value <paramref name="index"/>; of integers, the first of a row.</summary>
    /// <exception cref="ArgumentException">It is within a row of integers.</exception>
    public StoredWeight From(long index)
    {
        if (!Storage.IsQuantized)
            return this with { Data = (byte*)Data + WeightFormats.Bytes(Format, index) };
        (long row, long rest) = Math.DivRem(index, Columns);
        return rest == 0
            ? this with { Data = (byte*)Data + row * Storage.RowBytes(Columns), Scales = (byte*)Scales + row * Storage.ScaleBytes(Columns) }
            : throw new ArgumentException($"Value {index} is not the first of a row of {Columns}.", nameof(index));
    }

    /// <summary>Reads values from one of an index on; of integers, each times its scale.</summary>
    internal void Read(long first, Span<float> values)
    {
        if (!Storage.IsQuantized)
        {
            WeightFormats.Read(From(first).Data, Format, values);
            return;
        }

        for (int done = 0; done < values.Length;)
        {
            (long row, long column) = Math.DivRem(first + done, Columns);
            int count = (int)Math.Min(Columns - column, values.Length - done);
            WeightFormats.Read(this, row, (int)column, values.Slice(done, count));
            done += count;
        }
    }
}
