using Dia.Generators.Differentiation;
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
        (string batch, int layer) = Batch(s, Of, Layer, Keys, Values);
        string maps = Of == AttentionKind.Cross ? "CrossMaps" : "SelfMaps";
        string map = HasMaps ? $"p.{maps}(layer: {Layer}, {Heads})" : "maps: null";
        return $"b.Attention({s[Y]}, {s[Q]}, {batch}, layer: {layer}, heads: {Heads}, keyHeads: {KeyHeads}, headDim: {HeadDim}, {map});";
    }

    /// <summary>With p = softmax(q·keysᵀ): ds = p·(dy·valuesᵀ − Σ dy·y), dq = ds·keys, dkeys = dsᵀ·q, dvalues = pᵀ·dy.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is not { } dy)
            return;
        var gradient = new AttentionGradient(dy, this, KeyWidth);
        a.Set(Q, a.Add(gradient));
        switch (Of)
        {
            case AttentionKind.Self:
                a.Set(Keys, gradient.Keys, gradient.Values);
                break;
            case AttentionKind.Cross:
                a.Add(new Store(gradient.Keys, Home.CrossKeyGradients, Layer));
                a.Add(new Store(gradient.Values, Home.CrossValueGradients, Layer));
                break;
            default:
                a.Set(Keys, gradient.Keys);
                a.Set(Values, gradient.Values);
                break;
        }
    }

    /// <summary>The sequences and the layer whose keys are read, as the emitted code names them.</summary>
    public static (string Batch, int Layer) Batch(Scope s, AttentionKind of, int layer, Value keys, Value values) => of switch
    {
        AttentionKind.Rows => ($"p.SelfAttention({s[keys]}, {s[values]}, {keys.Width})", 0),
        AttentionKind.Self => ("p.SelfAttention", layer),
        _ => ("p.CrossAttention", layer),
    };
}

/// <summary>The gradients of queries, keys and values; the probabilities are computed again.</summary>
internal sealed record AttentionGradient(Value Dy, Attention Forward, int KeyWidth) : Operation(
    OperationKind.AttentionGradient,
    [Dy, Forward.Y, .. Forward.Inputs],
    [
        new(Adjoints.NameOf(Forward.Q), Forward.Q.Width, Forward.Q.Rows),
        new(Forward.Of == AttentionKind.Cross ? "dCrossKeys" : "dKey", KeyWidth),
        new(Forward.Of == AttentionKind.Cross ? "dCrossValues" : "dValue", KeyWidth),
    ],
    [])
{
    public Value Dy => Inputs[0];

    public Value Q => Inputs[2];

    /// <summary>The keys' gradient.</summary>
    public Value Keys => Outputs[1];

    /// <summary>The values' gradient.</summary>
    public Value Values => Outputs[2];

    public override bool Fits => Dy.Width == Q.Width;

    public override Cost Cost => new(2L * Q.Width, 4L * Q.Width, FlopsOfKey: 10L * Q.Width, ValuesOfKey: 4L * KeyWidth);

    public override IEnumerable<(string, string)> Sizes =>
        [Size("Heads", Q.Width / Forward.HeadDim), Size("KeyHeads", KeyWidth / Forward.HeadDim), Size("HeadDim", Forward.HeadDim),
            Size("Layer", Forward.Layer)];

    public override string Print(Scope s)
    {
        (string batch, int layer) = Attention.Batch(s, Forward.Of, Forward.Layer, Inputs[3], Inputs[Inputs.Length - 1]);
        return $"b.AttentionGradient({s[Y]}, {s[Keys]}, {s[Values]}, {s[Dy]}, {s[Q]}, {s[Inputs[1]]}, {batch}, layer: {layer}, heads: {Q.Width / Forward.HeadDim}, keyHeads: {KeyWidth / Forward.HeadDim}, headDim: {Forward.HeadDim});";
    }
}
