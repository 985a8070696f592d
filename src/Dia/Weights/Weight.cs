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
}

/// <summary>What an emitted class says of one weight: the name in the checkpoint, its shape, and how it is used.</summary>
/// <param name="Name">The parameter's name in the checkpoint.</param>
/// <param name="Shape">Its shape, outermost dimension first.</param>
/// <param name="Role">What the backends use it for.</param>
public sealed record WeightSpec(string Name, int[] Shape, WeightRole Role)
{
    /// <summary>Number of values.</summary>
    public long Count => Shape.Aggregate(1L, (count, d) => count * d);
}

/// <summary>A weight as the checkpoint holds it: mapped, not copied.</summary>
public readonly unsafe struct StoredWeight
{
    /// <summary>First value, row-major in the spec's shape.</summary>
    public void* Data { get; init; }

    /// <summary>How the values are stored.</summary>
    public WeightFormat Format { get; init; }

    /// <summary>Whether there are no values: the model that it is of does without this weight.</summary>
    internal bool IsMissing => Data is null;

    /// <summary>The weight whose first value is this one's value <paramref name="index"/>.</summary>
    public StoredWeight From(long index) => this with { Data = (byte*)Data + WeightFormats.Bytes(Format, index) };
}
