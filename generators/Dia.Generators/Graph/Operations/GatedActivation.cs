using Dia.Configuration;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = up·act(gate), x = (gate, up).</summary>
internal sealed record GatedActivation(string Name, Value X, HiddenActivation Activation)
    : Operation(OperationKind.GatedActivation, [X], [new(Name, X.Width / 2, X.Rows)], [])
{
    public Value X => Inputs[0];

    public override bool Fits => X.Width % 2 == 0;

    public override Cost Cost => new(5L * Y.Width, 3L * Y.Width);

    public override IEnumerable<(string, string)> Sizes => [("Activation", "HiddenActivation." + Activation)];

    public override string Print(Scope s) => $"b.GatedActivation({s[Y]}, {s[X]}, {s[Rows]}, {Y.Width}, HiddenActivation.{Activation});";
}
