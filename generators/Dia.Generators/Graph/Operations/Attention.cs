using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>Which keys an attention reads.</summary>
internal enum AttentionKind
{
    /// <summary>Those of the pass's own rows, both directions (encoder).</summary>
    Rows,

    /// <summary>The cached ones of the sequence, causal (decoder).</summary>
    Self,

    /// <summary>The encoder output's (decoder).</summary>
    Cross,
}

/// <summary>y = softmax(q·keysᵀ)·values, scale 1, grouped heads.</summary>
internal sealed record Attention(string Name, Value Q, Value Keys, Value Values, AttentionKind Of, int Layer, int HeadDim, bool HasMaps = true)
    : Operation(OperationKind.Attention, Keys == Values ? [Q, Keys] : [Q, Keys, Values], [new(Name, Q.Width, Q.Rows)], [])
{
    public Value Q => Inputs[0];

    public Value Keys => Inputs[1];

    public Value Values => Inputs[Inputs.Length - 1];

    public override bool Fits => Q.Width % HeadDim == 0 && KeyWidth % HeadDim == 0 && Heads % KeyHeads == 0;

    /// <summary>A cache is keys and values side by side.</summary>
    private int KeyWidth => Keys.Home == Home.SelfCache ? Keys.Width / 2 : Keys.Width;

    private int Heads => Q.Width / HeadDim;

    private int KeyHeads => KeyWidth / HeadDim;

    public override Cost Cost => new(0, 2L * Q.Width, FlopsOfKey: 4L * Q.Width, ValuesOfKey: 2L * KeyWidth);

    public override IEnumerable<(string, string)> Sizes =>
        [Size("Heads", Heads), Size("KeyHeads", KeyHeads), Size("HeadDim", HeadDim), Size("Layer", Layer)];

    public override string Print(Scope s)
    {
        (string batch, int layer, string maps) = Of switch
        {
            AttentionKind.Rows => ($"p.SelfAttention({s[Keys]}, {s[Values]}, {Keys.Width})", 0, "SelfMaps"),
            AttentionKind.Self => ("p.SelfAttention", Layer, "SelfMaps"),
            _ => ("p.CrossAttention", Layer, "CrossMaps"),
        };
        string map = HasMaps ? $"p.{maps}(layer: {Layer}, {Heads})" : "maps: null";
        return $"b.Attention({s[Y]}, {s[Q]}, {batch}, layer: {layer}, heads: {Heads}, keyHeads: {KeyHeads}, headDim: {HeadDim}, {map});";
    }
}
