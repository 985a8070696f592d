using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x·wᵀ, plus a residual where a rewrite found one, plus what the weight's adapter gives where it has one at run time.</summary>
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
        $"b.Linear({s[Y]}, {s[X]}, {s[W]}, {s[Rows]}, n: {Y.Width}, k: {X.Width}, {s.Phase}, accumulate: {(Residual is null ? "false" : "true")});\n" +
        $"Adapter?.Add(b, {s[Y]}, {s[X]}, {s.Index(W)}, {s[Rows]}, n: {Y.Width}, k: {X.Width}, {s.Phase});";

    /// <summary>dx = dy·w, dw += dyᵀ·x; the same through the adapter.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is not { } dy)
            return;
        a.Add(new LinearWeightGradient(dy, X, W));
        a.Add(X, (name, sum) => new LinearInputGradient(name, dy, W, sum));
    }
}

/// <summary>dx = dy·w, added to what other operations gave.</summary>
internal sealed record LinearInputGradient(string Name, Value Dy, Parameter W, Value? Sum)
    : Operation(OperationKind.LinearInputGradient, Sum is null ? [Dy] : [Dy, Sum], [new(Name, W.Shape[1], Dy.Rows)], [W])
{
    public Value Dy => Inputs[0];

    public Value? Sum => Inputs.ElementAtOrDefault(1);

    public override bool Fits => W.Shape[0] == Dy.Width && (Sum is null || Sum.Width == Y.Width);

    public override Value? InPlace => Sum;

    public override Cost Cost => new(2L * Dy.Width * Y.Width, (long)Dy.Width + Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("K", Dy.Width)];

    public override string Print(Scope s) =>
        $"b.LinearInputGradient({s[Y]}, {s[Dy]}, {s[W]}, {s[Rows]}, n: {Dy.Width}, k: {Y.Width}, accumulate: {(Sum is null ? "false" : "true")});\n" +
        $"Adapter?.AddInputGradient(b, {s[Y]}, {s[Dy]}, {s.Index(W)}, {s[Rows]}, n: {Dy.Width}, k: {Y.Width});";
}

/// <summary>dw += dyᵀ·x, where the parameter is trained; those of its adapter.</summary>
internal sealed record LinearWeightGradient(Value Dy, Value X, Parameter W) : Operation(OperationKind.LinearWeightGradient, [Dy, X], [], [W])
{
    public Value Dy => Inputs[0];

    public Value X => Inputs[1];

    public override bool Fits => W.Shape[0] == Dy.Width && W.Shape[1] == X.Width;

    public override Cost Cost => new(2L * Dy.Width * X.Width, (long)Dy.Width + X.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("K", X.Width)];

    public override string Print(Scope s) =>
        s.IfTrained(W, $"b.LinearWeightGradient({s.Gradient(W)}, {s[Dy]}, {s[X]}, {s[Rows]}, n: {Dy.Width}, k: {X.Width});") +
        $"\nAdapter?.AddWeightGradients(b, g, {s[Dy]}, {s[X]}, {s.Index(W)}, {s[Rows]}, n: {Dy.Width}, k: {X.Width});";
}
