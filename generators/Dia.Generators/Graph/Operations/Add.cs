using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = a + x in the rows that x has. Transformers and the codec add what a product gave: a rewrite makes it that product's residual.</summary>
internal sealed record Add(Value A, Value X, string? Name = null) : Operation(OperationKind.Add, [A, X], [new(Name, A.Width, A.Rows)], [])
{
    public Value A => Inputs[0];

    public Value X => Inputs[1];

    public override bool Fits => A.Width == X.Width;

    public override Value InPlace => A;

    public override Rows Rows => X.Rows;

    public override Cost Cost => new(X.Width, 3L * X.Width);

    public override string Print(Scope s) =>
        throw new InvalidOperationException($"{X.Name} is added to {A.Name} behind what no product gave: backends add residuals only.");

    /// <summary>da = dx = dy.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is not { } dy)
            return;
        a.Set(A, dy);
        a.Set(X, dy);
    }
}
