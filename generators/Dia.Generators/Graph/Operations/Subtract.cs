using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = a − x.</summary>
internal sealed record Subtract(Value A, Value X) : Operation(OperationKind.Subtract, [A, X], [new(null, A.Width)], [])
{
    public Value A => Inputs[0];

    public Value X => Inputs[1];

    public override bool Fits => A.Width == X.Width;

    public override Value InPlace => A;

    public override Cost Cost => new(X.Width, 3L * X.Width);

    public override string Print(Scope s) => $"{s[Y]}.Subtract(b, {s[X]});";

    /// <summary>da = dy, dx = −dy.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is not { } dy)
            return;
        a.Set(X, a.Add(new SubtractGradient(dy, X)));
        a.Set(A, dy);
    }
}

/// <summary>dx = −dy.</summary>
internal sealed record SubtractGradient(Value Dy, Value X) : Operation(OperationKind.SubtractGradient, [Dy], [X.Gradient()], [])
{
    public Value Dy => Inputs[0];

    public override bool Fits => Dy.Width == Y.Width;

    public override string Print(Scope s) => $"{s[Y]}.SubtractGradient(b, {s[Dy]});";
}
