using Dia.Weights;

namespace Dia.Backends;

/// <summary>
/// A weight as a backend prepared it (<see cref="IBackend.Prepare"/>). What it points to is that backend's business: nobody else looks inside.
/// </summary>
public readonly unsafe struct Weight
{
    internal Weight(void* data, WeightFormat format)
        : this(new StoredWeight { Data = data, Format = format })
    {
    }

    internal Weight(in StoredWeight stored) => Stored = stored;

    /// <summary>Its values and scales, in the order and the memory that the backend's kernels read.</summary>
    internal StoredWeight Stored { get; }

    /// <summary>The values.</summary>
    internal void* Data => Stored.Data;

    /// <summary>How they are stored there.</summary>
    internal WeightFormat Format => Stored.Format;

    /// <summary>Whether values are integers times scales.</summary>
    internal bool IsQuantized => Stored.Storage.IsQuantized;

    /// <summary>Whether it is a convolution's kernel that was prepared for minimal filtering (<see cref="WeightSpec.IsFiltered"/>).</summary>
    internal bool IsFiltered { get; init; }

    /// <summary>Whether it was not prepared: the model that it is of does without it.</summary>
    internal bool IsMissing => Data is null;
}

/// <summary>What is asked of a phase.</summary>
internal static class PhaseExtensions
{
    /// <summary>Whether it is a decoding step's.</summary>
    public static bool IsStep(this Phase phase) => phase is Phase.Decode or Phase.RoundedDecode;
}

/// <summary>Which work a product is part of: what its kernel is bound by.</summary>
public enum Phase
{
    /// <summary>Many rows (encoder, prompts): bound by arithmetic.</summary>
    Prefill,

    /// <summary>
    /// The same, where products with weights of 16 bits and less may take their input, and weights that are not, rounded to bfloat16. How many rows there are
    /// does not matter.
    /// </summary>
    RoundedPrefill,

    /// <summary>The few rows of a decoding step: streams the weight once, bound by memory. A row's result does not depend on the rows beside it.</summary>
    Decode,

    /// <summary>The same, where products with integer weights may take their input rounded to 8 bits (<see cref="RoundedRow"/>).</summary>
    RoundedDecode,
}
