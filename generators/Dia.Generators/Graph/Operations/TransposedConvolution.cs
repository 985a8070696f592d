using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = transposed convolution of x, kernel 2·stride.</summary>
internal sealed record TransposedConvolution(Value X, Parameter W, Parameter Bias, int Stride, int Padding)
    : Operation(OperationKind.TransposedConvolution, [X], [new(null, W.Shape[1])], [W, Bias])
{
    public Value X => Inputs[0];

    public override bool Fits => W.Shape[0] == X.Width && W.Shape[2] == 2 * Stride && Bias.Shape[0] == W.Shape[1];

    public override ConvolutionWindow Window => new(2 * Stride, Stride, 1, Padding, true);

    // Of an output row: two taps of each input channel, and a stride-th of an input row.
    public override Cost Cost => new(4L * X.Width * Y.Width, X.Width / Stride + Y.Width);

    public override IEnumerable<(string, string)> Sizes =>
        [Size("K", X.Width), Size("Kernel", 2 * Stride), Size("Stride", Stride), Size("Dilation", 1), Size("Padding", Padding)];

    public override string Print(Scope s) => $"{s[Y]}.TransposedConvolution(b, {s[X]}, {s[W]}, {s[Bias]}, stride: {Stride}, padding: {Padding});";
}
