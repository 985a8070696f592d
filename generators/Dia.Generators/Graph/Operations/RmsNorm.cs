using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x·rsqrt(mean(x²) + eps)·w (Zhang and Sennrich 2019).</summary>
internal sealed record RmsNorm(string Name, Value X, Parameter W, double Epsilon, Rows Of = Rows.All)
    : Operation(OperationKind.RmsNorm, [X], [new(Name, X.Width, Of)], [W])
{
    public Value X => Inputs[0];

    public override bool Fits => W.Shape[0] == X.Width;

    public override Cost Cost => new(4L * X.Width, 2L * X.Width);

    public override string Print(Scope s) => $"b.RmsNorm({s[Y]}, {s[X]}, {s[W]}, {s[Rows]}, {X.Width}, eps: {CodeWriter.Float(Epsilon)});";
}
