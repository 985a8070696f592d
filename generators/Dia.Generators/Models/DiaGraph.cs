using Dia.Configuration;
using Dia.Generators.Differentiation;
using Dia.Generators.Fusion;
using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Models;

/// <summary>Dia: the functions of a configuration.</summary>
internal sealed class DiaGraph
{
    private readonly GraphBuilder _text = new(), _audio = new();
    private readonly bool _training;

    /// <summary>Writes the functions.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="kept">
    /// Bytes of an audio row that training may keep for the backward functions, which are written then; null: they are not. In training every row has a
    /// text (one without words is one of zeros), nobody observes values, and logits stay in the arena.
    /// </param>
    public DiaGraph(DiaConfig config, long? kept = null)
    {
        _training = kept is not null;
        EncoderOutput = BuildEncoder(config.EncoderConfig);
        DecoderOutput = BuildDecoder(config.DecoderConfig, config.IsFirstGeneration);
        BuildCrossKeyValues(config);
        if (!_training)
            BuildUnconditionalCross(config.DecoderConfig);
        Logits = BuildLogits(config.DecoderConfig);
        Text = kept is { } bytes ? Trained.Of(_text, [EncoderOutput], bytes / sizeof(float)) : Rewrites.Apply(_text.Functions);
        Audio = kept is { } most ? Trained.Of(_audio, [DecoderOutput, Logits], most / sizeof(float)) : Rewrites.Apply(_audio.Functions);
    }

    /// <summary>The functions over text rows: encoder, and what the decoder's cross-attention makes of its output.</summary>
    public IReadOnlyList<FunctionGraph> Text { get; }

    /// <summary>The functions over audio rows: decoder, logits, loss.</summary>
    public IReadOnlyList<FunctionGraph> Audio { get; }

    public Value EncoderOutput { get; }

    public Value DecoderOutput { get; }

    public Value Logits { get; }

    private Value BuildEncoder(DiaEncoderConfig c)
    {
        GraphBuilder g = _text;
        g.Function(Function.Encode);
        g.Stage("Embed", $"Text embedding: ids [rows] to the hidden state [rows, {c.HiddenSize}].");
        Value hidden = g.Add(new Embedding("hidden", DiaNames.TextEmbedding(c.VocabSize, c.HiddenSize)));
        var angles = new RotaryTable(c.HeadDim);
        g.Add(angles);
        Observe(g, hidden, Observed.EncoderHiddenState, 0);
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            g.Stage($"Layer{i:00}", $"Encoder layer {i} of {c.NumHiddenLayers}: hidden state [rows, {c.HiddenSize}]; " +
                $"{c.NumAttentionHeads} query heads over {c.NumKeyValueHeads} key-value heads of {c.HeadDim}.");
            var (query, key, value) =
                SelfProjections(g, DiaNames.Encoder, i, hidden, c.NumAttentionHeads * c.HeadDim, c.NumKeyValueHeads * c.HeadDim, c.NormEps);
            query = g.Add(new Rotation("query", query, angles));
            key = g.Add(new Rotation("key", key, angles));
            Value mixed = g.Add(new Attention("mixed", query, key, value, AttentionKind.Rows, i, c.HeadDim));
            hidden = AddProjected(g, hidden, mixed, DiaNames.Attention(DiaNames.Encoder, i, "self_attention", "o_proj", c.HiddenSize, mixed.Width));
            hidden = Mlp(g, DiaNames.Encoder, i, "post_sa_norm", hidden, c.IntermediateSize, c.HiddenAct, c.NormEps);
            if (i < c.NumHiddenLayers - 1)
                Observe(g, hidden, Observed.EncoderHiddenState, i + 1);
        }

        g.Stage("Norm", $"The encoder output [rows, {c.HiddenSize}].");
        Value output = g.Add(new RmsNorm("output", hidden, DiaNames.Norm(DiaNames.Encoder, c.HiddenSize), c.NormEps));
        Observe(g, output, Observed.EncoderHiddenState, c.NumHiddenLayers);
        return output;
    }

    /// <param name="c">The decoder.</param>
    /// <param name="turned">Whether queries and keys of cross-attention are turned by their positions.</param>
    private Value BuildDecoder(DiaDecoderConfig c, bool turned)
    {
        GraphBuilder g = _audio;
        g.Function(Function.Decode);
        g.Stage("Embed", $"Audio embedding: ids [rows, {c.NumChannels}] to the hidden state [rows, {c.HiddenSize}].");
        Value hidden = g.Add(new EmbeddingSum("hidden", DiaNames.AudioEmbeddings(c.NumChannels * c.VocabSize, c.HiddenSize), c.NumChannels));
        var angles = new RotaryTable(c.HeadDim);
        g.Add(angles);
        Observe(g, hidden, Observed.DecoderHiddenState, 0);
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            g.Stage($"Layer{i:00}", $"Decoder layer {i} of {c.NumHiddenLayers}: hidden state [rows, {c.HiddenSize}]; " +
                $"{c.NumAttentionHeads} query heads over {c.NumKeyValueHeads} key-value heads of {c.HeadDim}, " +
                $"cross-attention {c.CrossNumAttentionHeads} over {c.CrossNumKeyValueHeads} of {c.CrossHeadDim}.");
            hidden = CachedSelfAttention(c, i, hidden, angles);
            hidden = CrossAttention(c, i, hidden, turned ? angles : null);
            hidden = Mlp(g, DiaNames.Decoder, i, "pre_mlp_norm", hidden, c.IntermediateSize, c.HiddenAct, c.NormEps);
            if (i < c.NumHiddenLayers - 1)
                Observe(g, hidden, Observed.DecoderHiddenState, i + 1);
        }

        g.Stage("Norm", $"The decoder output [rows, {c.HiddenSize}].");
        Value output = g.Add(new RmsNorm("output", hidden, DiaNames.Norm(DiaNames.Decoder, c.HiddenSize), c.NormEps));
        Observe(g, output, Observed.DecoderHiddenState, c.NumHiddenLayers);
        return output;
    }

    private Value CachedSelfAttention(DiaDecoderConfig c, int layer, Value hidden, RotaryTable angles)
    {
        GraphBuilder g = _audio;
        var (query, key, value) =
            SelfProjections(g, DiaNames.Decoder, layer, hidden, c.NumAttentionHeads * c.HeadDim, c.NumKeyValueHeads * c.HeadDim, c.NormEps);
        query = g.Add(new Rotation("query", query, angles));
        key = g.Add(new Rotation("key", key, angles));
        Value cache = g.Add(new AppendKeyValues(new Value("cache", 2 * key.Width, home: Home.SelfCache, index: layer), key, value));
        Value mixed = g.Add(new Attention("mixed", query, cache, cache, AttentionKind.Self, layer, c.HeadDim));
        return AddProjected(g, hidden, mixed, DiaNames.Attention(DiaNames.Decoder, layer, "self_attention", "o_proj", c.HiddenSize, mixed.Width));
    }

    /// <summary>Rows that see the text attend to it; to the others it is a constant.</summary>
    private Value CrossAttention(DiaDecoderConfig c, int layer, Value hidden, RotaryTable? angles)
    {
        GraphBuilder g = _audio;
        int width = c.CrossNumAttentionHeads * c.CrossHeadDim, keyWidth = c.CrossNumKeyValueHeads * c.CrossHeadDim;
        g.Remark("cross-attention over the encoder output: hidden += o_proj(attention(pre_ca_norm(hidden))); rows without text: += a constant");
        Value normed =
            g.Add(new RmsNorm("crossNormed", hidden, DiaNames.Norm(DiaNames.Decoder, layer, "pre_ca_norm", c.HiddenSize), c.NormEps, Rows.Conditional));
        Value query = g.Add(new Linear("crossQuery", normed, DiaNames.Attention(DiaNames.Decoder, layer, "cross_attention", "q_proj", width, c.HiddenSize)));
        if (angles is not null)
            query = g.Add(new Rotation("crossQuery", query, angles));
        Value keys = new("crossKeys", keyWidth, home: Home.CrossKeys, index: layer),
            values = new("crossValues", keyWidth, home: Home.CrossValues, index: layer);
        Value mixed = g.Add(new Attention("crossMixed", query, keys, values, AttentionKind.Cross, layer, c.CrossHeadDim));
        hidden = AddProjected(g, hidden, mixed, CrossOutput(c, layer));
        return _training ? hidden : g.Add(new AddConstant("hidden", hidden, new Value("constant", c.HiddenSize, home: Home.UnconditionalCross, index: layer)));
    }

    private void Observe(GraphBuilder g, Value x, Observed what, int index)
    {
        if (!_training)
            g.Add(new Observe(x, what, index));
    }

    private static (Value Query, Value Key, Value Value) SelfProjections(GraphBuilder g, string part, int layer, Value hidden, int width,
        int keyWidth, double eps)
    {
        const string Norm = "pre_sa_norm", Attention = "self_attention";
        g.Remark($"self-attention: hidden += o_proj(attention({Norm}(hidden)))");
        Value normed = g.Add(new RmsNorm("normed", hidden, DiaNames.Norm(part, layer, Norm, hidden.Width), eps));
        return (
            g.Add(new Linear("query", normed, DiaNames.Attention(part, layer, Attention, "q_proj", width, hidden.Width))),
            g.Add(new Linear("key", normed, DiaNames.Attention(part, layer, Attention, "k_proj", keyWidth, hidden.Width))),
            g.Add(new Linear("value", normed, DiaNames.Attention(part, layer, Attention, "v_proj", keyWidth, hidden.Width))));
    }

    private static Value Mlp(GraphBuilder g, string part, int layer, string norm, Value hidden, int intermediate, HiddenActivation activation, double eps)
    {
        g.Remark($"MLP: hidden += down_proj(up · {activation.ToString().ToLowerInvariant()}(gate)), (gate, up) = gate_up_proj({norm}(hidden))");
        Value normed = g.Add(new RmsNorm("mlpNormed", hidden, DiaNames.Norm(part, layer, norm, hidden.Width), eps));
        Value gateUp = g.Add(new Linear("gateUp", normed, DiaNames.Mlp(part, layer, "gate_up_proj", 2 * intermediate, hidden.Width)));
        Value gated = g.Add(new GatedActivation("gated", gateUp, activation));
        return AddProjected(g, hidden, gated, DiaNames.Mlp(part, layer, "down_proj", hidden.Width, intermediate));
    }

    private static Value AddProjected(GraphBuilder g, Value hidden, Value x, Parameter w) =>
        g.Add(new Add(hidden, g.Add(new Linear("projected", x, w)), "hidden"));

    private void BuildCrossKeyValues(DiaConfig config)
    {
        GraphBuilder g = _text;
        DiaDecoderConfig c = config.DecoderConfig;
        g.Function(Function.CrossKeyValues);
        RotaryTable? angles = null;
        if (config.IsFirstGeneration)
        {
            g.Stage("Angles", "The angles of the text's positions, by which keys are turned.");
            g.Add(angles = new RotaryTable(c.CrossHeadDim));
        }

        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            g.Stage($"Layer{i:00}", $"Keys and values [rows, {c.CrossNumKeyValueHeads * c.CrossHeadDim}] of decoder layer {i}'s cross-attention.");
            Value keys = CrossProjection(c, i, "keys", "k_proj");
            g.Add(new Store(angles is null ? keys : g.Add(new Rotation("keys", keys, angles)), Home.CrossKeys, i));
            g.Add(new Store(CrossProjection(c, i, "values", "v_proj"), Home.CrossValues, i));
        }
    }

    /// <summary>Attention over equal values returns that value whatever the scores: one key is enough (numerics.md, the exact saving).</summary>
    private void BuildUnconditionalCross(DiaDecoderConfig c)
    {
        GraphBuilder g = _text;
        g.Function(Function.UnconditionalCross);
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            g.Stage($"Layer{i:00}",
                $"What cross-attention of decoder layer {i} adds to a row without text [{c.HiddenSize}]: o_proj of v_proj of a zero byte's encoder output.");
            g.Remark("one key has all the weight whatever the query is: attention only repeats its value for the heads that share it");
            Value query = g.Add(new Zeros("query", c.CrossNumAttentionHeads * c.CrossHeadDim));
            Value value = CrossProjection(c, i, "value", "v_proj");
            Value mixed = g.Add(new Attention("mixed", query, value, value, AttentionKind.Rows, i, c.CrossHeadDim, HasMaps: false));
            g.Add(new Store(g.Add(new Linear("constant", mixed, CrossOutput(c, i))), Home.UnconditionalCross, i));
        }
    }

    private Value CrossProjection(DiaDecoderConfig c, int layer, string name, string projection) => _text.Add(new Linear(
        name, EncoderOutput,
            DiaNames.Attention(DiaNames.Decoder, layer, "cross_attention", projection, c.CrossNumKeyValueHeads * c.CrossHeadDim, c.CrossHiddenSize)));

    private static Parameter CrossOutput(DiaDecoderConfig c, int layer) =>
        DiaNames.Attention(DiaNames.Decoder, layer, "cross_attention", "o_proj", c.HiddenSize, c.CrossNumAttentionHeads * c.CrossHeadDim);

    private Value BuildLogits(DiaDecoderConfig c)
    {
        GraphBuilder g = _audio;
        int width = c.NumChannels * c.VocabSize;
        g.Function(Function.Logits);
        g.Stage("", $"Logits [rows, {width}] of decoder outputs [rows, {c.HiddenSize}].");
        Value logits = g.Add(new Linear("logits", DecoderOutput, DiaNames.Logits(width, c.HiddenSize)));
        if (!_training)
            g.Add(new Store(logits, Home.Logits, 0));
        g.Function(Function.Loss);
        g.Stage("", $"Adds the loss of logits [rows, {width}] and labels [{c.NumChannels}, rows].");
        g.Add(new CrossEntropy(logits, c.NumChannels));
        return logits;
    }
}
