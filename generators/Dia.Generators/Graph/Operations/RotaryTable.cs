using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>cos and sin of the angles of each row's position.</summary>
internal sealed record RotaryTable(Value Cos, Value Sin) : Operation(OperationKind.RotaryTable, [], [Cos, Sin], [])
{
    public RotaryTable(int headDim)
        : this(new Value("cos", headDim / 2), new Value("sin", headDim / 2))
    {
    }

    public override Cost Cost => new(0, 3L * Cos.Width);

    public override string Print(Scope s) => $"p.RopeTable(b, {s[Cos]}, {s[Sin]}, {Cos.Width});";
}
