using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x·rsqrt(mean(x²) + eps)·w (Zhang and Sennrich 2019).</summary>
internal sealed record RmsNorm(Value Y, Value X, Parameter W, double Epsilon) : Operation(OperationKind.RmsNorm, [X], [Y], [W])
{
    public RmsNorm(string name, Value x, Parameter w, double epsilon, Rows rows = Rows.All)
        : this(new Value(name, x.Width, rows), x, w, epsilon) => Check(w.Shape[0] == x.Width);

    public override Cost Cost => new(4L * X.Width, 2L * X.Width);

    public override string Print(Scope s) => $"b.RmsNorm({s[Y]}, {s[X]}, {s[W]}, {s[Rows]}, {X.Width}, eps: {CodeWriter.Float(Epsilon)});";
}
