using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x, plus what cross-attention is for rows without text (numerics.md, the exact saving) in these rows.</summary>
internal sealed record AddConstant(Value Y, Value X, Value Constant) : Operation(OperationKind.AddConstant, [X, Constant], [Y], [])
{
    public AddConstant(string name, Value x, Value constant)
        : this(new Value(name, x.Width, x.Rows), x, constant) => Check(x.Width == constant.Width);

    public override Value InPlace => X;

    public override Rows Rows => Rows.Unconditional;

    public override Cost Cost => new(X.Width, 3L * X.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Layer", Constant.Index)];

    public override string Print(Scope s) => $"b.AddRow({s[X]} + ((long)p.ConditionalRows * {X.Width}), {s[Constant]}, {s[Rows]}, {X.Width});";
}
