namespace Dia.Graph;

/// <summary>Which rows of a pass a value has.</summary>
public enum Rows
{
    /// <summary>Every row.</summary>
    All,

    /// <summary>The rows of conditional sequences: they come first and see the text.</summary>
    Conditional,

    /// <summary>The unconditional rows of guidance: they come last.</summary>
    Unconditional,
}
