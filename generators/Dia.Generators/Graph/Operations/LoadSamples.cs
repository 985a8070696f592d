using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>The samples of the window, zeros outside the sound; or their gradient, which the caller has.</summary>
internal sealed record LoadSamples(Value? GradientOf = null) : Operation(OperationKind.LoadSamples, [], [GradientOf?.Gradient() ?? new(null, 1)], [])
{
    public override string Print(Scope s) => $"p.LoadSamples({s[Y]});";

    public override void Differentiate(Adjoints a)
    {
    }
}
