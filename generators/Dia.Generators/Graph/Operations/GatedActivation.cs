using Dia.Configuration;
using Dia.Generators.Differentiation;
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

    /// <summary>dgate = dy·up·act′(gate), dup = dy·act(gate).</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Set(X, a.Add(new GatedActivationGradient(Adjoints.NameOf(X), dy, X, Activation)));
    }
}

/// <summary>The gradient of a gate's operand.</summary>
internal sealed record GatedActivationGradient(string Name, Value Dy, Value X, HiddenActivation Activation)
    : Operation(OperationKind.GatedActivationGradient, [Dy, X], [new(Name, X.Width, X.Rows)], [])
{
    public Value Dy => Inputs[0];

    public Value X => Inputs[1];

    public override bool Fits => 2 * Dy.Width == X.Width;

    public override Cost Cost => new(10L * Dy.Width, 5L * Dy.Width);

    public override IEnumerable<(string, string)> Sizes => [("Activation", "HiddenActivation." + Activation)];

    public override string Print(Scope s) => $"b.GatedActivationGradient({s[Y]}, {s[Dy]}, {s[X]}, {s[Rows]}, {Dy.Width}, HiddenActivation.{Activation});";
}
