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
}
