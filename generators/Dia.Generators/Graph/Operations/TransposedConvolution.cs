using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = transposed convolution of x, kernel 2·stride, through Snake where a rewrite found one.</summary>
internal sealed record TransposedConvolution(Value X, Parameter W, Parameter Bias, int Stride, int Padding)
    : Operation(OperationKind.TransposedConvolution, [X], [new(null, W.Shape[1])], [W, Bias])
{
    public Value X => Inputs[0];

    public override bool Fits => W.Shape[0] == X.Width && W.Shape[2] == 2 * Stride && Bias.Shape[0] == W.Shape[1];

    public override ConvolutionWindow Window => new(2 * Stride, Stride, 1, Padding, true);

    // Of an output row: two taps of each input channel, and a stride-th of an input row.
    public override Cost Cost => new(4L * X.Width * Y.Width, X.Width / Stride + Outputs.Sum(y => (long)y.Width));

    public override IEnumerable<(string, string)> Sizes =>
        [Size("K", X.Width), Size("Kernel", 2 * Stride), Size("Stride", Stride), Size("Dilation", 1), Size("Padding", Padding)];

    public override string Print(Scope s) =>
        $"{s[Y]}.TransposedConvolution(b, {s[X]}, {s[W]}, {s[Bias]}, stride: {Stride}, padding: {Padding}{Snake.Arguments(this, s)});";

    /// <summary>The convolution that it transposes: dx = that of dy, dw += Σ xᵀ·dy tap by tap, dbias += Σ dy.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is not { } dy)
            return;
        a.Add(new TransposedConvolutionWeightGradient(dy, X, this));
        a.Set(X, a.Add(new TransposedConvolutionInputGradient(dy, this)));
    }
}

/// <summary>The gradient of what a transposed convolution reads.</summary>
internal sealed record TransposedConvolutionInputGradient(Value Dy, TransposedConvolution Forward)
    : Operation(OperationKind.TransposedConvolutionInputGradient, [Dy], [Forward.X.Gradient()], [Forward.W])
{
    public Value Dy => Inputs[0];

    public override bool Fits => Forward.W.Shape[1] == Dy.Width;

    public override string Print(Scope s) =>
        $"{s[Y]}.TransposedConvolutionInputGradient(b, {s[Dy]}, {s[Forward.W]}, stride: {Forward.Stride}, padding: {Forward.Padding});";
}

/// <summary>The gradients of a transposed convolution's kernel and bias, where they are trained.</summary>
internal sealed record TransposedConvolutionWeightGradient(Value Dy, Value X, TransposedConvolution Forward)
    : Operation(OperationKind.TransposedConvolutionWeightGradient, [Dy, X], [], [Forward.W, Forward.Bias])
{
    public Value Dy => Inputs[0];

    public Value X => Inputs[1];

    public override bool Fits => Forward.W.Shape[1] == Dy.Width && Forward.W.Shape[0] == X.Width;

    public override string Print(Scope s) =>
        $"{s[Dy]}.TransposedConvolutionWeightGradient(b, {s.Gradient(Forward.W)}, {s.Gradient(Forward.Bias)}, {s[X]}, stride: {Forward.Stride}, padding: {Forward.Padding});";
}
