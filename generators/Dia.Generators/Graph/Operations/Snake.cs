using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>An operation that can have its result go through Snake as it is computed.</summary>
internal interface ISnaked
{
    /// <summary>The same, through Snake: to a second result, or in place of the first if nothing else reads that.</summary>
    Operation Through(Snake snake, bool keepY);
}

/// <summary>y = x + sin²(αx)/(α + 1e-9) (Ziyin et al. 2020).</summary>
internal sealed record Snake(Value X, Parameter Alpha) : Operation(OperationKind.Snake, [X], [new(null, X.Width)], [Alpha])
{
    public Value X => Inputs[0];

    public override bool Fits => Alpha.Shape[1] == X.Width;

    public override Value InPlace => X;

    public override bool MustBeInPlace => false;

    public override Cost Cost => new(6L * X.Width, 2L * X.Width);

    public override string Print(Scope s) => $"{s[Y]}.Snake(b, {s[X]}, {s[Alpha]});";

    /// <summary>The results of an operation that Snake became a part of.</summary>
    public static Value[] Results(Value y, Snake snake, bool keepY) => keepY ? [y, snake.Y] : [snake.Y];

    /// <summary>What such an operation costs: its own, and what Snake computes, which is written once more where both are kept.</summary>
    public static Cost Within(Operation o, Cost own) => AlphaOf(o) is null
        ? own : own with { Flops = own.Flops + 6L * o.Y.Width, Values = own.Values + (o.Outputs.Length - 1) * (long)o.Y.Width };

    /// <summary>What such an operation is called with more.</summary>
    public static string Argument(Operation o, Scope s) =>
        AlphaOf(o) is { } alpha ? $",\n    snake: {s[o.Outputs[o.Outputs.Length - 1]]}, alpha: {s[alpha]}" : "";

    /// <summary>α of the Snake that is a part of a convolution; null: none is.</summary>
    public static Parameter? AlphaOf(Operation o) => o is ISnaked ? o.Parameters.ElementAtOrDefault(2) : null;

    /// <summary>dx = dy·(1 + α·sin(2αx)/(α + 1e-9)), dα += Σ dy·(x·sin(2αx) − sin²(αx)/(α + 1e-9))/(α + 1e-9).</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Add(X, (_, sum) => new SnakeGradient(dy, X, Alpha, sum));
    }
}

/// <summary>The gradients of Snake's operand, added to what other operations gave, and of α, where that is trained.</summary>
internal sealed record SnakeGradient(Value Dy, Value X, Parameter Alpha, Value? Sum)
    : Operation(OperationKind.SnakeGradient, Sum is null ? [Dy, X] : [Dy, X, Sum], [X.Gradient()], [Alpha])
{
    public Value Dy => Inputs[0];

    public Value X => Inputs[1];

    public Value? Sum => Inputs.ElementAtOrDefault(2);

    public override bool Fits => Dy.Width == X.Width && Alpha.Shape[1] == X.Width && (Sum is null || Sum.Width == X.Width);

    public override Value InPlace => Sum ?? Dy;

    public override bool MustBeInPlace => Sum is not null;

    public override string Print(Scope s) =>
        $"{s[Y]}.SnakeGradient(b, {s.Gradient(Alpha)}, {s[Dy]}, {s[X]}, {s[Alpha]}, accumulate: {(Sum is null ? "false" : "true")});";
}
