using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x, plus what cross-attention is for rows without text (numerics.md, the exact saving) in these rows.</summary>
internal sealed record AddConstant(string Name, Value X, Value Constant) : Operation(OperationKind.AddConstant, [X, Constant], [new(Name, X.Width, X.Rows)], [])
{
    public Value X => Inputs[0];

    public Value Constant => Inputs[1];

    public override bool Fits => X.Width == Constant.Width;

    public override Value InPlace => X;

    public override Rows Rows => Rows.Unconditional;

    public override Cost Cost => new(X.Width, 3L * X.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Layer", Constant.Index)];

    public override string Print(Scope s) => $"b.AddRow({s[X]} + ((long)p.ConditionalRows * {X.Width}), {s[Constant]}, {s[Rows]}, {X.Width});";
}
