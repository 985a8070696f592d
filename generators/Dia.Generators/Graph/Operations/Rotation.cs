using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>The heads of x, turned by the angles of the row's position (halves convention).</summary>
internal sealed record Rotation(string Name, Value X, RotaryTable Angles)
    : Operation(OperationKind.Rotation, [X, Angles.Cos, Angles.Sin], [new(Name, X.Width, X.Rows)], [])
{
    public Value X => Inputs[0];

    public Value Cos => Inputs[1];

    public Value Sin => Inputs[2];

    public override bool Fits => X.Width % (2 * Half) == 0;

    public override Value InPlace => X;

    public override Cost Cost => new(3L * X.Width, 2L * X.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Heads", Heads), Size("HeadDim", 2 * Half)];

    private int Half => Cos.Width;

    private int Heads => X.Width / (2 * Half);

    public override string Print(Scope s) => $"b.Rope({s[X]}, {s[Cos]}, {s[Sin]}, {s[Rows]}, heads: {Heads}, half: {Half});";

    /// <summary>The inverse turn.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Set(X, a.Add(new RotationGradient(Adjoints.NameOf(X), dy, Cos, Sin)));
    }
}

/// <summary>The gradient of what was turned: turned back where it is.</summary>
internal sealed record RotationGradient(string Name, Value Dy, Value Cos, Value Sin)
    : Operation(OperationKind.RotationGradient, [Dy, Cos, Sin], [new(Name, Dy.Width, Dy.Rows, Dy.Home, Dy.Index)], [])
{
    public Value Dy => Inputs[0];

    public Value Cos => Inputs[1];

    public Value Sin => Inputs[2];

    public override bool Fits => Dy.Width % (2 * Half) == 0;

    public override Value InPlace => Dy;

    public override Cost Cost => new(3L * Dy.Width, 2L * Dy.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Heads", Heads), Size("HeadDim", 2 * Half)];

    private int Half => Cos.Width;

    private int Heads => Dy.Width / (2 * Half);

    public override string Print(Scope s) => $"b.RopeGradient({s[Dy]}, {s[Cos]}, {s[Sin]}, {s[Rows]}, heads: {Heads}, half: {Half});";
}
