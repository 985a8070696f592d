using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>
/// The next version of a layer's cache: keys and values of this pass's rows appended. Backends do it together with the keys' rotation, which a rewrite
/// finds: <see cref="Angles"/>.
/// </summary>
internal sealed record AppendKeyValues(Value Cache, Value Keys, Value Values, RotaryTable? Angles = null)
    : Operation(OperationKind.AppendKeyValues, Angles is null ? [Cache, Keys, Values] : [Cache, Keys, Values, Angles.Cos, Angles.Sin], [Cache.Next()], [])
{
    public override bool Fits => Keys.Width == Values.Width && Cache.Width == 2 * Keys.Width;

    public override Value InPlace => Cache;

    public override Rows Rows => Keys.Rows;

    public override Cost Cost => new(3L * Keys.Width, 5L * Keys.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("KeyHeads", KeyHeads), Size("HeadDim", 2 * Half), Size("Layer", Y.Index)];

    private int Half => Angles?.Cos.Width ?? throw new InvalidOperationException("Keys are appended as they are rotated: no backend appends them alone.");

    private int KeyHeads => Keys.Width / (2 * Half);

    public override string Print(Scope s) =>
        $"b.RopeKeyValues({s[Keys]}, {s[Values]}, {s[Angles!.Cos]}, {s[Angles.Sin]}, p.SelfAttention, layer: {Y.Index}, keyHeads: {KeyHeads}, half: {Half});";
}
