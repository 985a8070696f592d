using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x·rsqrt(mean(x²) + eps)·w (Zhang and Sennrich 2019).</summary>
internal sealed record RmsNorm(string Name, Value X, Parameter W, double Epsilon, Rows Of = Rows.All)
    : Operation(OperationKind.RmsNorm, [X], [new(Name, X.Width, Of)], [W])
{
    public Value X => Inputs[0];

    public override bool Fits => W.Shape[0] == X.Width;

    public override Cost Cost => new(4L * X.Width, 2L * X.Width);

    public override string Print(Scope s) => $"b.RmsNorm({s[Y]}, {s[X]}, {s[W]}, {s[Rows]}, {X.Width}, eps: {CodeWriter.Float(Epsilon)});";

    /// <summary>With r = rsqrt(mean(x²) + eps): dx = r·w·dy − x·r³·mean(x·w·dy), dw += dy·x·r.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Add(X, (name, sum) => new RmsNormGradient(name, dy, X, W, Epsilon, sum));
    }
}

/// <summary>The gradients of a norm's operand, added to what other operations gave, and of its weight, where that is trained.</summary>
internal sealed record RmsNormGradient(string Name, Value Dy, Value X, Parameter W, double Epsilon, Value? Sum)
    : Operation(OperationKind.RmsNormGradient, Sum is null ? [Dy, X] : [Dy, X, Sum], [new(Name, X.Width, X.Rows)], [W])
{
    public Value Dy => Inputs[0];

    public Value X => Inputs[1];

    public Value? Sum => Inputs.ElementAtOrDefault(2);

    public override bool Fits => Dy.Width == X.Width && W.Shape[0] == X.Width && (Sum is null || Sum.Width == X.Width);

    public override Value? InPlace => Sum;

    public override Cost Cost => new(11L * X.Width, 4L * X.Width);

    public override string Print(Scope s) =>
        $"b.RmsNormGradient({s[Y]}, {s.Gradient(W)}, {s[Dy]}, {s[X]}, {s[W]}, {s[Rows]}, {X.Width}, eps: {CodeWriter.Float(Epsilon)}, accumulate: {(Sum is null ? "false" : "true")});";
}
