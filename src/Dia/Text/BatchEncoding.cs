namespace Dia.Text;

/// <summary>What <see cref="DiaTokenizer"/> makes of texts: one array for each; all of one length where padding was asked for.</summary>
public sealed class BatchEncoding
{
    /// <summary>Token ids, of a pair of texts one after the other, [texts][length].</summary>
    public required int[][] InputIds { get; init; }

    /// <summary>1 on text, 0 on padding, shaped as <see cref="InputIds"/>; null where not asked for.</summary>
    public int[][]? AttentionMask { get; init; }

    /// <summary>1 on the second text of a pair, 0 elsewhere, shaped as <see cref="InputIds"/>; null where not asked for.</summary>
    public int[][]? TokenTypeIds { get; init; }

    /// <summary>0 on text (typed tags included), 1 on padding, shaped as <see cref="InputIds"/>; null where not asked for.</summary>
    public int[][]? SpecialTokensMask { get; init; }

    /// <summary>Length of each item after truncation and before padding; null where not asked for.</summary>
    public int[]? Length { get; init; }

    /// <summary>What truncation cut off each text, with <c>Stride</c> ids before it; null where not asked for.</summary>
    public int[][]? OverflowingTokens { get; init; }

    /// <summary>Each item's length minus the length that truncation aims at (negative where it was shorter); null where not asked for.</summary>
    public int[]? NumTruncatedTokens { get; init; }
}
