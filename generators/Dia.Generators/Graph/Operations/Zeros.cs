using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = 0.</summary>
internal sealed record Zeros(Value Y) : Operation(OperationKind.Zeros, [], [Y], [])
{
    public Zeros(string name, int width)
        : this(new Value(name, width))
    {
    }

    public override Cost Cost => new(0, Y.Width);

    public override string Print(Scope s) => $"b.Memory.Zero({s[Y]}, (long){s[Rows]} * {Y.Width});";
}
