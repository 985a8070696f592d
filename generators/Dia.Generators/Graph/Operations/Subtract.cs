using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = a − x.</summary>
internal sealed record Subtract(Value Y, Value A, Value X) : Operation(OperationKind.Subtract, [A, X], [Y], [])
{
    public Subtract(Value a, Value x)
        : this(new Value(null, a.Width), a, x) => Check(a.Width == x.Width);

    public override Value InPlace => A;

    public override Cost Cost => new(X.Width, 3L * X.Width);

    public override string Print(Scope s) => $"{s[Y]}.Subtract(b, {s[X]});";
}
