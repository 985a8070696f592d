using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>cos and sin of the angles of each row's position.</summary>
internal sealed record RotaryTable(int HeadDim) : Operation(OperationKind.RotaryTable, [], [new("cos", HeadDim / 2), new("sin", HeadDim / 2)], [])
{
    public Value Cos => Outputs[0];

    public Value Sin => Outputs[1];

    public override Cost Cost => new(0, 3L * Cos.Width);

    public override string Print(Scope s) => $"p.RopeTable(b, {s[Cos]}, {s[Sin]}, {Cos.Width});";

    public override void Differentiate(Adjoints a)
    {
    }
}
