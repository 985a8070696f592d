using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = tanh(x).</summary>
internal sealed record Tanh(Value Y, Value X) : Operation(OperationKind.Tanh, [X], [Y], [])
{
    public Tanh(Value x)
        : this(new Value(null, x.Width), x)
    {
    }

    public override Value InPlace => X;

    public override bool MustBeInPlace => false;

    public override Cost Cost => new(X.Width, 2L * X.Width);

    public override string Print(Scope s) => $"{s[Y]}.Tanh(b, {s[X]});";
}
