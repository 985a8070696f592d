using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>
/// x is what the function was asked for: the plan computes it right where it goes, so that nothing is emitted, but that a cache takes up a layer's keys and
/// values when both are there.
/// </summary>
internal sealed record Store(Value X, Home Home, int Index) : Operation(OperationKind.Store, [X], [], [])
{
    public Value X => Inputs[0];

    public override string Print(Scope s) => Home == Home.CrossValues ? $"cache.Store({Index});" : "";

    /// <summary>What is stored for another function has its gradient from there.</summary>
    public override void Differentiate(Adjoints a)
    {
        Home? gradient = Home switch { Home.CrossKeys => Home.CrossKeyGradients, Home.CrossValues => Home.CrossValueGradients, _ => null };
        if (gradient is { } home)
            a.Set(X, new Value(Adjoints.NameOf(X), X.Width, X.Rows, home, Index));
    }
}
