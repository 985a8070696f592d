using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>x is what the function was asked for: the plan computes it right where it goes, so that nothing is emitted.</summary>
internal sealed record Store(Value X, Home Home, int Index) : Operation(OperationKind.Store, [X], [], [])
{
    public Value X => Inputs[0];

    public override string Print(Scope s) => "";
}
