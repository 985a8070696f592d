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
}
