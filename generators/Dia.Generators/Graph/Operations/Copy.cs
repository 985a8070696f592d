using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = x: where an operation works in the memory of an operand that is read again later.</summary>
internal sealed record Copy(Value X) : Operation(OperationKind.Copy, [X], [X.Next()], [])
{
    public Value X => Inputs[0];

    public override Cost Cost => new(0, 2L * X.Width);

    public override string Print(Scope s) => s.HasCodecRows ? $"{s[Y]}.Copy(b, {s[X]});" : $"b.Copy({s[Y]}, {s[X]}, (long){s[Rows]} * {X.Width});";
}
