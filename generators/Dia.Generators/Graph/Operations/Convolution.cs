using Dia.Codec;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = convolution of x, plus a residual where a rewrite found one.</summary>
internal sealed record Convolution(Value Y, Value X, Parameter W, Parameter Bias, ConvolutionWindow Taps, Value? Residual = null)
    : Operation(OperationKind.Convolution, Residual is null ? [X] : [X, Residual], [Y], [W, Bias]), IProduct
{
    public Convolution(Value x, Parameter w, Parameter bias, int padding = 0, int stride = 1, int dilation = 1)
        : this(new Value(null, w.Shape[0]), x, w, bias, new ConvolutionWindow(w.Shape[2], stride, dilation, padding, false)) => Check(w.Shape[1] == x.Width && bias.Shape[0] == w.Shape[0]);

    public override Value? InPlace => Residual;

    public override ConvolutionWindow Window => Taps;

    public override Cost Cost => new(2L * Taps.Kernel * X.Width * Y.Width, ((long)Taps.Stride * X.Width) + Y.Width);

    public override IEnumerable<(string, string)> Sizes =>
        [Size("K", X.Width), Size("Kernel", Taps.Kernel), Size("Stride", Taps.Stride), Size("Dilation", Taps.Dilation), Size("Padding", Taps.Padding)];

    public Operation WithResidual(Value y, Value residual) => new Convolution(y, X, W, Bias, Taps, residual) { Remark = Remark };

    public override string Print(Scope s) =>
        $"{s[Y]}.Convolution(b, {s[X]}, {s[W]}, {s[Bias]}, kernel: {Taps.Kernel}, stride: {Taps.Stride}, dilation: {Taps.Dilation}, padding: {Taps.Padding}, accumulate: {(Residual is null ? "false" : "true")});";
}
