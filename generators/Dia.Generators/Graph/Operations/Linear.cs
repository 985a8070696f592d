using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x·wᵀ, plus a residual where a rewrite found one.</summary>
internal sealed record Linear(string Name, Value X, Parameter W)
    : Operation(OperationKind.Linear, [X], [new(Name, W.Shape[0], X.Rows)], [W])
{
    public Value X => Inputs[0];

    /// <summary>What it is added to, where a rewrite found it.</summary>
    public Value? Residual => Inputs.ElementAtOrDefault(1);

    public override bool Fits => W.Shape[1] == X.Width;

    public override Value? InPlace => Residual;

    public override Rows Rows => X.Rows;

    public override Cost Cost => new(2L * X.Width * Y.Width, (long)X.Width + Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("K", X.Width)];

    public override string Print(Scope s) =>
        $"b.Linear({s[Y]}, {s[X]}, {s[W]}, {s[Rows]}, n: {Y.Width}, k: {X.Width}, {s.Phase}, accumulate: {(Residual is null ? "false" : "true")});";
}
