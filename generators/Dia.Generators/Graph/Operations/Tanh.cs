using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = tanh(x).</summary>
internal sealed record Tanh(Value X) : Operation(OperationKind.Tanh, [X], [new(null, X.Width)], [])
{
    public Value X => Inputs[0];

    public override Value InPlace => X;

    public override bool MustBeInPlace => false;

    public override Cost Cost => new(X.Width, 2L * X.Width);

    public override string Print(Scope s) => $"{s[Y]}.Tanh(b, {s[X]});";

    /// <summary>dx = dy·(1 − y²).</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Set(X, a.Add(new TanhGradient(dy, this)));
    }
}

/// <summary>The gradient of a hyperbolic tangent's operand, from its result.</summary>
internal sealed record TanhGradient(Value Dy, Tanh Forward) : Operation(OperationKind.TanhGradient, [Dy, Forward.Y], [Forward.X.Gradient()], [])
{
    public Value Dy => Inputs[0];

    /// <summary>The result.</summary>
    public Value Result => Inputs[1];

    public override bool Fits => Dy.Width == Result.Width;

    public override Value InPlace => Dy;

    public override bool MustBeInPlace => false;

    public override string Print(Scope s) => $"{s[Y]}.TanhGradient(b, {s[Dy]}, {s[Result]});";
}
