using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>
/// The sum of log Σ exp(logits) − logit of the label over rows and channels, and how many labels count. Computed on the host in double for every device:
/// the reply needs the logits there anyway.
/// </summary>
internal sealed record CrossEntropy(Value X, int Channels) : Operation(OperationKind.CrossEntropy, [X], [], [])
{
    public Value X => Inputs[0];

    public override Cost Cost => new(3L * X.Width, X.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Heads", Channels)];

    public override string Print(Scope s) => $"loss.Add(b.Memory, {s[X]}, labels, {s[Rows]}, channels: {Channels}, vocabulary: {X.Width / Channels});";

    /// <summary>dx = (softmax(x) − 1 at the label) times what the loss is divided by; 0 without a label.</summary>
    public override void Differentiate(Adjoints a) => a.Set(X, a.Add(new CrossEntropyGradient(Adjoints.NameOf(X), X, Channels)));
}

/// <summary>The gradient of logits.</summary>
internal sealed record CrossEntropyGradient(string Name, Value X, int Channels)
    : Operation(OperationKind.CrossEntropyGradient, [X], [new(Name, X.Width, X.Rows)], [])
{
    public Value X => Inputs[0];

    public override Cost Cost => new(5L * X.Width, 2L * X.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Heads", Channels)];

    public override string Print(Scope s) =>
        $"b.CrossEntropyGradient({s[Y]}, {s[X]}, labels, {s[Rows]}, channels: {Channels}, vocabulary: {X.Width / Channels}, scale);";
}
