using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = convolution of x, plus a residual where a rewrite found one.</summary>
internal sealed record Convolution(Value X, Parameter W, Parameter Bias, int Padding = 0, int Stride = 1, int Dilation = 1)
    : Operation(OperationKind.Convolution, [X], [new(null, W.Shape[0])], [W, Bias])
{
    public Value X => Inputs[0];

    /// <summary>What it is added to, where a rewrite found it.</summary>
    public Value? Residual => Inputs.ElementAtOrDefault(1);

    public override bool Fits => W.Shape[1] == X.Width && Bias.Shape[0] == W.Shape[0];

    public override Value? InPlace => Residual;

    public override ConvolutionWindow Window => new(W.Shape[2], Stride, Dilation, Padding, false);

    public override Cost Cost => new(2L * Window.Kernel * X.Width * Y.Width, (long)Stride * X.Width + Y.Width);

    public override IEnumerable<(string, string)> Sizes =>
        [Size("K", X.Width), Size("Kernel", Window.Kernel), Size("Stride", Stride), Size("Dilation", Dilation), Size("Padding", Padding)];

    public override string Print(Scope s) =>
        $"{s[Y]}.Convolution(b, {s[X]}, {s[W]}, {s[Bias]}, kernel: {Window.Kernel}, stride: {Stride}, dilation: {Dilation}, padding: {Padding}, accumulate: {(Residual is null ? "false" : "true")});";
}
