using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x, whose gradient passes by x to what x stands for (the straight-through estimator: Bengio et al. 2013).</summary>
internal sealed record StraightThrough(Value X, Value StandsFor) : Operation(OperationKind.StraightThrough, [X], [new(null, X.Width)], [])
{
    public Value X => Inputs[0];

    public override bool Fits => X.Width == StandsFor.Width;

    public override Value InPlace => X;

    public override string Print(Scope s) => "";

    /// <summary>Of what x stands for, d = dy; of x, nothing.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Set(StandsFor, dy);
    }
}
