namespace Dia.Text;

/// <summary>How the items of a batch are brought to one length.</summary>
public enum PaddingStrategy
{
    /// <summary>Not at all: every item keeps its own length.</summary>
    DoNotPad,

    /// <summary>To the longest item of the batch.</summary>
    Longest,

    /// <summary>To the <c>maxLength</c> given.</summary>
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
