using System.IO.Enumeration;
using Dia.Graph;

namespace Dia.Weights;

/// <summary>Weights that a conversion stores in a format of their own.</summary>
/// <param name="Pattern">Their names; * stands for any characters.</param>
/// <param name="Format">The format. One of integers is for the weights of linear layers alone.</param>
public sealed record KeptWeights(string Pattern, WeightFormat Format)
{
    /// <summary>Whether a weight is one of them.</summary>
    internal bool Contains(WeightSpec spec) => (spec.Role == WeightRole.Linear || !WeightFormats.IsQuantized(Format))
        && FileSystemName.MatchesSimpleExpression(Pattern, spec.Name, ignoreCase: false);
}

/// <summary>What a checkpoint is converted to.</summary>
/// <param name="Format">The format of the weights; one of integers is that of linear layers.</param>
public sealed record ConversionOptions(WeightFormat Format)
{
    /// <summary>Values that share a scale, of 4 bits; where rows are no whole groups, all of a row do.</summary>
    public const int GroupSize = 32;

    /// <summary>Weights of the model with a format of their own; the last that a name fits holds.</summary>
    public IReadOnlyList<KeptWeights> Keep { get; init; } = [];

    /// <summary>Where <see cref="Format"/> is one of integers: the format of everything else, the codec too, and of scales.</summary>
    public WeightFormat Kept { get; init; } = WeightFormat.BFloat16;

    /// <summary>What is added to the model's weights before they are rounded; null: nothing.</summary>
    public MergedAdapter? Adapter { get; init; }

    /// <summary>The model's parameters: which of the weights are linear layers' is known only from them. Without them no weight becomes integers.</summary>
    public IReadOnlyList<WeightSpec> Parameters { get; init; } = [];

    /// <summary>What finds integers.</summary>
    public IWeightQuantizer Quantizer { get; init; } = RoundToNearest.Instance;

    /// <summary>
    /// What a format of integers leaves in another one because of what it costs: of 4 bits the head, whose rounding alone is a third of the divergence of the
    /// logits, has 8.
    /// </summary>
    public static IReadOnlyList<KeptWeights> DefaultKeep(WeightFormat format) => format == WeightFormat.Int4 ? [new("logits_dense.weight", WeightFormat.Int8)] : [];

    /// <summary>All weights in one format.</summary>
    public static implicit operator ConversionOptions(WeightFormat format) => new(format);

    /// <summary>Whether any weight becomes integers.</summary>
    public bool Quantizes => WeightFormats.IsQuantized(Format) || Keep.Any(k => WeightFormats.IsQuantized(k.Format));

    /// <summary>What is not given a format by name.</summary>
    internal WeightFormat Rest => WeightFormats.IsQuantized(Format) ? Kept : Format;

    /// <summary>How a weight is stored.</summary>
    public WeightStorage StorageOf(WeightSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        WeightFormat format = Keep.LastOrDefault(k => k.Contains(spec))?.Format ?? (spec.Role == WeightRole.Linear ? Format : Rest);
        // A checkpoint of one format is read by every version of the library.
        if (format == WeightFormat.Int8 && (Format == WeightFormat.Int4 || Keep.Any(k => k.Format == WeightFormat.Int4)))
            format = WeightFormat.Int8Packed;
        int group = format == WeightFormat.Int4 && spec.Columns % GroupSize == 0 ? GroupSize : 0;
        return WeightFormats.IsQuantized(format) ? new WeightStorage(format, Kept, group) : format;
    }
}
