namespace Dia.Text;

/// <summary>How the items of a batch are brought to one length.</summary>
public enum PaddingStrategy
{
    /// <summary>Not at all: every item keeps its own length (<c>False</c>, <c>do_not_pad</c>).</summary>
    DoNotPad,

    /// <summary>To the longest item of the batch (<c>True</c>, <c>longest</c>).</summary>
    Longest,

    /// <summary>To a length that is given (<c>max_length</c>).</summary>
    MaxLength,
}

/// <summary>On which side of an item the padding goes.</summary>
public enum PaddingSide
{
    /// <summary>After the item.</summary>
    Right,

    /// <summary>Before the item.</summary>
    Left,
}

/// <summary>What of a text, or of a pair of texts, is cut off at its end where it is too long.</summary>
public enum TruncationStrategy
{
    /// <summary>Nothing (<c>False</c>, <c>do_not_truncate</c>).</summary>
    DoNotTruncate,

    /// <summary>Of a pair first what the longer one has more, then of both alike (<c>True</c>, <c>longest_first</c>).</summary>
    LongestFirst,

    /// <summary>The first of a pair (<c>only_first</c>).</summary>
    OnlyFirst,

    /// <summary>The second of a pair (<c>only_second</c>).</summary>
    OnlySecond,
}
