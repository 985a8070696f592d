using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x·wᵀ, plus a residual where a rewrite found one.</summary>
internal sealed record Linear(Value Y, Value X, Parameter W, Value? Residual = null)
    : Operation(OperationKind.Linear, Residual is null ? [X] : [X, Residual], [Y], [W]), IProduct
{
    public Linear(string name, Value x, Parameter w)
        : this(new Value(name, w.Shape[0], x.Rows), x, w) => Check(w.Shape[1] == x.Width);

    public override Value? InPlace => Residual;

    public override Rows Rows => X.Rows;

    public override Cost Cost => new(2L * X.Width * Y.Width, (long)X.Width + Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("K", X.Width)];

    public Operation WithResidual(Value y, Value residual) => new Linear(y, X, W, residual) { Remark = Remark };

    public override string Print(Scope s) =>
        $"b.Linear({s[Y]}, {s[X]}, {s[W]}, {s[Rows]}, n: {Y.Width}, k: {X.Width}, {s.Phase}, accumulate: {(Residual is null ? "false" : "true")});";
}
