using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = a + x in the rows that x has. Transformers and the codec add what a product gave: a rewrite makes it that product's residual.</summary>
internal sealed record Add(Value Y, Value A, Value X) : Operation(OperationKind.Add, [A, X], [Y], [])
{
    public Add(Value a, Value x, string? name = null)
        : this(new Value(name, a.Width, a.Rows), a, x) => Check(a.Width == x.Width);

    public override Value InPlace => A;

    public override Rows Rows => X.Rows;

    public override Cost Cost => new(X.Width, 3L * X.Width);

    public override string Print(Scope s) => $"b.Add({s[A]}, {s[X]}, (long){s[Rows]} * {X.Width});";
}
