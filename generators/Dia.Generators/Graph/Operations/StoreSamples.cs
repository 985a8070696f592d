using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>Hands over the window's samples.</summary>
internal sealed record StoreSamples(Value X) : Operation(OperationKind.StoreSamples, [X], [], [])
{
    public Value X => Inputs[0];

    public override string Print(Scope s) => $"p.StoreSamples({s[X]});";

    /// <summary>Whoever got the samples knows their gradient.</summary>
    public override void Differentiate(Adjoints a) => a.Set(X, a.Add(new LoadSamples(X)));
}
