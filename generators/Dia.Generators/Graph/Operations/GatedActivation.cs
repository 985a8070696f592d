using Dia.Configuration;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = up·act(gate), x = (gate, up).</summary>
internal sealed record GatedActivation(Value Y, Value X, HiddenActivation Activation) : Operation(OperationKind.GatedActivation, [X], [Y], [])
{
    public GatedActivation(string name, Value x, HiddenActivation activation)
        : this(new Value(name, x.Width / 2, x.Rows), x, activation) => Check(x.Width % 2 == 0);

    public override Cost Cost => new(5L * Y.Width, 3L * Y.Width);

    public override IEnumerable<(string, string)> Sizes => [("Activation", "HiddenActivation." + Activation)];

    public override string Print(Scope s) => $"b.GatedActivation({s[Y]}, {s[X]}, {s[Rows]}, {Y.Width}, HiddenActivation.{Activation});";
}
