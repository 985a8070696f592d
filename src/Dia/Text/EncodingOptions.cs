namespace Dia.Text;

/// <summary>How a <see cref="DiaTokenizer"/> pads and truncates, and what it returns beside the ids. Names and defaults are the reference's.</summary>
public sealed record EncodingOptions
{
    /// <summary>How to bring the texts to one length; null: not at all, and in a <c>DiaProcessor</c> to the longest.</summary>
    public PaddingStrategy? Padding { get; init; }

    /// <summary>
    /// What to cut (at a byte, not at a character); null: nothing, but <see cref="TruncationStrategy.LongestFirst"/> where <see cref="MaxLength"/> is
    /// given and nothing is padded.
    /// </summary>
    public TruncationStrategy? Truncation { get; init; }

    /// <summary>The length in ids that padding and truncation aim at, at least 1; null: <see cref="DiaTokenizer.ModelMaxLength"/>.</summary>
    public int? MaxLength { get; init; }

    /// <summary>How many ids before the cut are repeated in the overflowing tokens.</summary>
    public int Stride { get; init; }

    /// <summary>Round the padded length up to a multiple of this.</summary>
    public int? PadToMultipleOf { get; init; }

    /// <summary>Where the padding goes; null: <see cref="DiaTokenizer.PaddingSide"/>.</summary>
    public PaddingSide? PaddingSide { get; init; }

    /// <summary>Whether to return which text of a pair an id is of.</summary>
    public bool ReturnTokenTypeIds { get; init; }

    /// <summary>Whether to return the mask of what is no padding.</summary>
    public bool ReturnAttentionMask { get; init; } = true;

    /// <summary>Whether to return what truncation cut off.</summary>
    public bool ReturnOverflowingTokens { get; init; }

    /// <summary>Whether to return the mask of padding.</summary>
    public bool ReturnSpecialTokensMask { get; init; }

    /// <summary>Whether to return the lengths before padding.</summary>
    public bool ReturnLength { get; init; }

    /// <summary>Whether a length is needed.</summary>
    internal bool AimsAtLength => Padding == PaddingStrategy.MaxLength || Truncation is not (null or TruncationStrategy.DoNotTruncate);

    /// <summary>The same with every default resolved, and refused where it contradicts itself.</summary>
    /// <param name="padding">How is padded where this does not say.</param>
    /// <param name="modelMaxLength">The length where none is given; null: there is none.</param>
    /// <param name="pair">Whether there are pairs of texts.</param>
    /// <exception cref="DiaException">Usage.</exception>
    internal EncodingOptions Resolve(PaddingStrategy padding, int? modelMaxLength, bool pair)
    {
        padding = Padding ?? padding;
        bool pads = padding != PaddingStrategy.DoNotPad;
        TruncationStrategy truncation = Truncation ?? (MaxLength is not null && !pads ? TruncationStrategy.LongestFirst : TruncationStrategy.DoNotTruncate);
        bool truncates = truncation != TruncationStrategy.DoNotTruncate, aims = truncates || padding == PaddingStrategy.MaxLength;
        int? length = MaxLength ?? (aims ? modelMaxLength : null);
        string? wrong =
            MaxLength < 1 ? $"MaxLength is {MaxLength}; it must be at least 1."
            : Stride < 0 ? $"Stride is {Stride}; it must not be negative."
            : PadToMultipleOf < 1 ? $"PadToMultipleOf is {PadToMultipleOf}; it must be at least 1."
            : aims && length is null ? "Padding or truncation needs a length, and the tokenizer has no ModelMaxLength: give MaxLength."
            : length is not null && !aims ? $"MaxLength is {length}, but nothing is truncated, and padded only to the longest text: leave it out, or set Truncation."
            : PadToMultipleOf is not null && !pads ? $"PadToMultipleOf is {PadToMultipleOf}, but nothing is padded: set Padding."
            : truncates && pads && length % PadToMultipleOf is > 0
                ? $"Truncation and Padding are both on: MaxLength ({length}) must be a multiple of PadToMultipleOf ({PadToMultipleOf})."
            : ReturnOverflowingTokens && !truncates ? "ReturnOverflowingTokens needs Truncation."
            : ReturnOverflowingTokens && pair && truncation == TruncationStrategy.LongestFirst
                ? "Of pairs that are truncated by LongestFirst no overflowing tokens can be told: set Truncation to OnlyFirst or OnlySecond."
            : truncation == TruncationStrategy.OnlySecond && !pair ? "Truncation is OnlySecond, but there are no second texts: give textPair."
            : null;
        return wrong is null
            ? this with { Padding = padding, Truncation = truncation, MaxLength = length }
            : throw new DiaException(DiaErrorKind.Usage, wrong);
    }
}
