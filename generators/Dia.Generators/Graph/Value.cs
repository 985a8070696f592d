using Dia.Configuration;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>Where a value is that no plan places.</summary>
internal enum Home
{
    /// <summary>In the arena, where the plan puts it.</summary>
    Arena,

    /// <summary>A decoder layer's own keys and values, one version after the other.</summary>
    SelfCache,

    /// <summary>Keys of a decoder layer's cross-attention.</summary>
    CrossKeys,

    /// <summary>Values of a decoder layer's cross-attention.</summary>
    CrossValues,

    /// <summary>The gradient of <see cref="CrossKeys"/>, of all texts of a pass.</summary>
    CrossKeyGradients,

    /// <summary>The gradient of <see cref="CrossValues"/>, of all texts of a pass.</summary>
    CrossValueGradients,

    /// <summary>What a decoder layer's cross-attention adds to rows without text.</summary>
    UnconditionalCross,

    /// <summary>Where the caller of Logits wants them.</summary>
    Logits,

    /// <summary>A column of the codec's codes.</summary>
    Codes,
}

/// <summary>What one operation computes, once: [rows, width].</summary>
/// <param name="name">Its name in the emitted code; null: its number.</param>
/// <param name="width">Values of a row.</param>
/// <param name="rows">Which rows of the pass it has.</param>
/// <param name="home">Where it is; the plan places what is at home in the arena.</param>
/// <param name="index">Which of those at its home: a layer, a codebook.</param>
internal sealed class Value(string? name, int width, Rows rows = Rows.All, Home home = Home.Arena, int index = 0)
{
    public string Name => name ?? (GradientOf is { } value ? Differentiation.Adjoints.NameOf(value) : "v" + Number);

    public int Width => width;

    public Rows Rows => rows;

    public Home Home => home;

    public int Index => index;

    /// <summary>Its number among the values that share an arena, in order of computation.</summary>
    public int Number { get; set; } = -1;

    /// <summary>What it is the gradient of, where it has that one's name and rows.</summary>
    public Value? GradientOf { get; init; }

    /// <summary>A state's next version; the same value computed again.</summary>
    public Value Next() => new(name, width, rows, home, index) { GradientOf = GradientOf };

    /// <summary>Its gradient, or what it is so far.</summary>
    public Value Gradient() => new(null, width, rows) { GradientOf = this };
}

/// <summary>A parameter of the checkpoint.</summary>
/// <param name="Name">Its name there.</param>
/// <param name="Role">How it is used.</param>
/// <param name="Shape">Its shape, outermost dimension first.</param>
internal sealed record Parameter(string Name, WeightRole Role, EquatableArray<int> Shape);
