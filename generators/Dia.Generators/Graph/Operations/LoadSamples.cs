using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>The samples of the window, zeros outside the sound.</summary>
internal sealed record LoadSamples(Value Y) : Operation(OperationKind.LoadSamples, [], [Y], [])
{
    public override string Print(Scope s) => $"p.LoadSamples({s[Y]});";
}
