using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>
/// The next version of a layer's cache: keys and values of this pass's rows appended. Backends do it together with the keys' rotation, which a rewrite
/// finds.
/// </summary>
internal sealed record AppendKeyValues(Value Cache, Value Keys, Value Values)
    : Operation(OperationKind.AppendKeyValues, [Cache, Keys, Values], [Cache.Next()], [])
{
    public Value Cache => Inputs[0];

    public Value Keys => Inputs[1];

    public Value Values => Inputs[2];

    /// <summary>The angles by which keys are turned on their way, where a rewrite found them.</summary>
    private Value? Cos => Inputs.ElementAtOrDefault(3);

    private Value? Sin => Inputs.ElementAtOrDefault(4);

    public override bool Fits => Keys.Width == Values.Width && Cache.Width == 2 * Keys.Width;

    public override Value InPlace => Cache;

    public override Rows Rows => Keys.Rows;

    public override Cost Cost => new(3L * Keys.Width, 5L * Keys.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("KeyHeads", KeyHeads), Size("HeadDim", 2 * Half), Size("Layer", Y.Index)];

    private int Half => Cos?.Width ?? throw new InvalidOperationException("Keys are appended as they are rotated: no backend appends them alone.");

    private int KeyHeads => Keys.Width / (2 * Half);

    public override string Print(Scope s) =>
        $"b.RopeKeyValues({s[Keys]}, {s[Values]}, {s[Cos!]}, {s[Sin!]}, p.SelfAttention, layer: {Y.Index}, keyHeads: {KeyHeads}, half: {Half});";

    /// <summary>What is appended is read there.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.OfCache(Y) is not { } d)
            return;
        a.Set(Keys, d.Keys);
        a.Set(Values, d.Values);
    }
}
