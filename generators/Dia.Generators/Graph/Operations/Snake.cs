using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x + sin²(αx)/(α + 1e-9) (Ziyin et al. 2020).</summary>
internal sealed record Snake(Value X, Parameter Alpha) : Operation(OperationKind.Snake, [X], [new(null, X.Width)], [Alpha])
{
    public Value X => Inputs[0];

    public override bool Fits => Alpha.Shape[1] == X.Width;

    public override Value InPlace => X;

    public override bool MustBeInPlace => false;

    public override Cost Cost => new(6L * X.Width, 2L * X.Width);

    public override string Print(Scope s) => $"{s[Y]}.Snake(b, {s[X]}, {s[Alpha]});";

    /// <summary>The Snake that a rewrite made the end of a convolution: its α and its result, which are the last of that; null: there is none.</summary>
    public static (Parameter Alpha, Value Y)? EndOf(Operation o) =>
        o is Convolution or TransposedConvolution && o.Parameters.Length == 3 ? (o.Parameters[2], o.Outputs[o.Outputs.Length - 1]) : null;

    /// <summary>The arguments that a convolution has for it.</summary>
    public static string Arguments(Operation o, Scope s) => EndOf(o) is { } snake ? $",\n    snake: {s[snake.Y]}, alpha: {s[snake.Alpha]}" : "";

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
