using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>Which of a quantizer's losses (van den Oord et al. 2017).</summary>
internal enum QuantizerLoss
{
    /// <summary>Of what is quantized to its code vector.</summary>
    Commitment,

    /// <summary>Of a code vector to what is quantized.</summary>
    Codebook,
}

/// <summary>
/// Adds mean((x − target)²), times the weight that the checkpoint's configuration gives it, to the loss; the target is a constant. Computed on the host in
/// double for every device: these values are the smallest there are.
/// </summary>
internal sealed record MeanSquaredError(Value X, Value Target, QuantizerLoss Loss) : Operation(OperationKind.MeanSquaredError, [X, Target], [], [])
{
    public Value X => Inputs[0];

    public Value Target => Inputs[1];

    public override bool Fits => X.Width == Target.Width;

    public override string Print(Scope s) => $"p.AddMeanSquaredError({s[X]}, {s[Target]}, p.{Loss}LossWeight);";

    /// <summary>dx = 2·(x − target)/count, times that weight and the gradient of the loss.</summary>
    public override void Differentiate(Adjoints a) => a.Add(X, (_, sum) => new MeanSquaredErrorGradient(X, Target, Loss, sum));
}

/// <summary>The gradient of a value with a mean squared error, added to what other operations gave.</summary>
internal sealed record MeanSquaredErrorGradient(Value X, Value Target, QuantizerLoss Loss, Value? Sum)
    : Operation(OperationKind.MeanSquaredErrorGradient, Sum is null ? [X, Target] : [X, Target, Sum], [X.Gradient()], [])
{
    public Value X => Inputs[0];

    public Value Target => Inputs[1];

    public Value? Sum => Inputs.ElementAtOrDefault(2);

    public override bool Fits => X.Width == Target.Width && (Sum is null || Sum.Width == X.Width);

    public override Value? InPlace => Sum;

    public override string Print(Scope s) =>
        $"{s[Y]}.MeanSquaredErrorGradient(b, {s[X]}, {s[Target]}, p.LossGradient * p.{Loss}LossWeight, accumulate: {(Sum is null ? "false" : "true")});";
}
