using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x + sin²(αx)/(α + 1e-9) (Ziyin et al. 2020).</summary>
internal sealed record Snake(Value X, Parameter Alpha) : Operation(OperationKind.Snake, [X], [new(null, X.Width)], [Alpha])
{
    public Value X => Inputs[0];

    public override bool Fits => Alpha.Shape[1] == X.Width;

    public override Value InPlace => X;

    public override bool MustBeInPlace => false;

    public override Cost Cost => new(6L * X.Width, 2L * X.Width);

    public override string Print(Scope s) => $"{s[Y]}.Snake(b, {s[X]}, {s[Alpha]});";
}
