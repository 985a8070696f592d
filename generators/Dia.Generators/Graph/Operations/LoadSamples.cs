using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>The samples of the window, zeros outside the sound.</summary>
internal sealed record LoadSamples() : Operation(OperationKind.LoadSamples, [], [new(null, 1)], [])
{
    public override string Print(Scope s) => $"p.LoadSamples({s[Y]});";
}
