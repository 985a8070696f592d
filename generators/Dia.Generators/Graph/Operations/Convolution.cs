using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>
/// y = convolution of x, plus a residual and through Snake where rewrites found these. A tile of more rows than one is for devices that filter minimally.
/// </summary>
internal sealed record Convolution(Value X, Parameter W, Parameter Bias, int Padding = 0, int Stride = 1, int Dilation = 1, int Tile = 1)
    : Operation(OperationKind.Convolution, [X], [new(null, W.Shape[0])], [W, Bias])
{
    public Value X => Inputs[0];

    /// <summary>What it is added to, where a rewrite found it.</summary>
    public Value? Residual => Inputs.ElementAtOrDefault(1);

    public override bool Fits => W.Shape[1] == X.Width && Bias.Shape[0] == W.Shape[0];

    public override Value? InPlace => Residual;

    public override ConvolutionWindow Window => new(W.Shape[2], Stride, Dilation, Padding, false, Tile);

    public override Cost Cost => new(2L * Window.Kernel * X.Width * Y.Width, (long)Stride * X.Width + Outputs.Sum(y => (long)y.Width));

    public override IEnumerable<(string, string)> Sizes =>
    [
        Size("K", X.Width), Size("Kernel", Window.Kernel), Size("Stride", Stride), Size("Dilation", Dilation), Size("Padding", Padding),
        Size("Tile", Tile > 1 ? Tile : 0),
    ];

    /// <summary>Its window as arguments.</summary>
    public string Taps => $"kernel: {Window.Kernel}, stride: {Stride}, dilation: {Dilation}, padding: {Padding}";

    public override string Print(Scope s) =>
        $"{s[Y]}.Convolution(b, {s[X]}, {s[W]}, {s[Bias]}, {Taps}{(Residual is null ? "" : $", residual: {s[Residual]}")}{Snake.Arguments(this, s)});";

    /// <summary>
    /// With row r of y reading row at(r, t) of x by tap t: dx[at(r, t)] += dy[r]·w[t], dw[t] += Σ dy[r]ᵀ·x[at(r, t)], dbias += Σ dy[r].
    /// </summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is not { } dy)
            return;
        a.Add(new ConvolutionWeightGradient(dy, X, this));
        a.Add(X, (_, sum) => new ConvolutionInputGradient(dy, this, sum));
    }
}

/// <summary>The gradient of what a convolution reads, added to what other operations gave.</summary>
internal sealed record ConvolutionInputGradient(Value Dy, Convolution Forward, Value? Sum)
    : Operation(OperationKind.ConvolutionInputGradient, Sum is null ? [Dy] : [Dy, Sum], [Forward.X.Gradient()], [Forward.W])
{
    public Value Dy => Inputs[0];

    public Value? Sum => Inputs.ElementAtOrDefault(1);

    public override bool Fits => Forward.W.Shape[0] == Dy.Width && (Sum is null || Sum.Width == Y.Width);

    public override Value? InPlace => Sum;

    public override string Print(Scope s) =>
        $"{s[Y]}.ConvolutionInputGradient(b, {s[Dy]}, {s[Forward.W]}, {Forward.Taps}, accumulate: {(Sum is null ? "false" : "true")});";
}

/// <summary>The gradients of a convolution's kernel and bias, where they are trained.</summary>
internal sealed record ConvolutionWeightGradient(Value Dy, Value X, Convolution Forward)
    : Operation(OperationKind.ConvolutionWeightGradient, [Dy, X], [], [Forward.W, Forward.Bias])
{
    public Value Dy => Inputs[0];

    public Value X => Inputs[1];

    public override bool Fits => Forward.W.Shape[0] == Dy.Width && Forward.W.Shape[1] == X.Width;

    public override string Print(Scope s) =>
        $"{s[Dy]}.ConvolutionWeightGradient(b, {s.Gradient(Forward.W)}, {s.Gradient(Forward.Bias)}, {s[X]}, {Forward.Taps});";
}
