using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = 0.</summary>
internal sealed record Zeros(string Name, int Width) : Operation(OperationKind.Zeros, [], [new(Name, Width)], [])
{
    public override Cost Cost => new(0, Y.Width);

    public override string Print(Scope s) => $"b.Memory.Zero({s[Y]}, (long){s[Rows]} * {Y.Width});";
}
