using Dia.Configuration;

namespace Dia.Generators.Graph;

/// <summary>The encoder and the decoder of a configuration: what is computed, in order, with shapes and parameter names.</summary>
internal sealed class DiaGraph
{
    public DiaGraph(DiaConfig config)
    {
        Config = config;
        Encoder = BuildEncoder(config.EncoderConfig);
        Decoder = BuildDecoder(config.DecoderConfig);
        CrossKeyValues = BuildCrossKeyValues(config.DecoderConfig);
        Logits = new Linear(
            new Value("Logits", config.DecoderConfig.NumChannels * config.DecoderConfig.VocabSize),
            new Value("Normed", config.DecoderConfig.HiddenSize),
            Matrix("logits_dense.weight", config.DecoderConfig.NumChannels * config.DecoderConfig.VocabSize, config.DecoderConfig.HiddenSize));
    }

    public DiaConfig Config { get; }

    public IReadOnlyList<Stage> Encoder { get; }

    public IReadOnlyList<Stage> Decoder { get; }

    /// <summary>For each decoder layer its keys' and its values' linear layer over the encoder output.</summary>
    public IReadOnlyList<(Linear Keys, Linear Values)> CrossKeyValues { get; }

    public Linear Logits { get; }

    /// <summary>Every parameter once, in the order of use.</summary>
    public IEnumerable<Parameter> Parameters =>
        Encoder.Concat(Decoder).SelectMany(s => s.Operations).SelectMany(o => o.Parameters)
            .Concat(CrossKeyValues.SelectMany(kv => kv.Keys.Parameters.Concat(kv.Values.Parameters)))
            .Concat(Logits.Parameters)
            .Distinct();

    private static Parameter Matrix(string name, int outputs, int inputs) => new(name, new([outputs, inputs]), "Linear");

    private static Parameter Vector(string name, int count) => new(name, new([count]), "Vector");

    private static Parameter Table(string name, int entries, int width) => new(name, new([entries, width]), "Embedding");

    private static List<Stage> BuildEncoder(DiaEncoderConfig c)
    {
        Value hidden = new("Hidden", c.HiddenSize), normed = new("Normed", c.HiddenSize);
        Value cos = new("Cos", c.HeadDim / 2), sin = new("Sin", c.HeadDim / 2);
        var stages = new List<Stage>
        {
            Stage("Embed", $"Text embedding: ids [rows] to the hidden state [rows, {c.HiddenSize}].",
            [
                new Embed(hidden, Table("model.encoder.embedding.weight", c.VocabSize, c.HiddenSize)),
                new RopeTable(cos, sin),
                new HiddenState(hidden, "Encoder", 0),
            ]),
        };
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            string layer = $"model.encoder.layers.{i}";
            var operations = new List<Operation>();
            operations.AddRange(SelfAttention(layer, i, AttentionKind.Encoder, hidden, normed, cos, sin,
                "pre_sa_norm", c.HiddenSize, c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim));
            operations.AddRange(Mlp(layer, "post_sa_norm", hidden, normed, c.IntermediateSize, c.HiddenAct.ToString()));
            if (i < c.NumHiddenLayers - 1)
                operations.Add(new HiddenState(hidden, "Encoder", i + 1));
            stages.Add(Stage($"Layer{i:00}", $"Encoder layer {i} of {c.NumHiddenLayers}: hidden state [rows, {c.HiddenSize}]; " +
                $"{c.NumAttentionHeads} query heads over {c.NumKeyValueHeads} key-value heads of {c.HeadDim}.", operations));
        }

        stages.Add(Stage("Norm", $"The encoder output [rows, {c.HiddenSize}].",
        [
            new RmsNorm(normed, hidden, Vector("model.encoder.norm.weight", c.HiddenSize), "Encoder"),
            new HiddenState(normed, "Encoder", c.NumHiddenLayers),
        ]));
        return stages;
    }

    private static List<Stage> BuildDecoder(DiaDecoderConfig c)
    {
        Value hidden = new("Hidden", c.HiddenSize), normed = new("Normed", c.HiddenSize);
        Value cos = new("Cos", c.HeadDim / 2), sin = new("Sin", c.HeadDim / 2);
        var stages = new List<Stage>
        {
            Stage("Embed", $"Audio embedding: ids [rows, {c.NumChannels}] to the hidden state [rows, {c.HiddenSize}].",
            [
                new EmbedSum(hidden, Table("model.decoder.embeddings.embed.weight", c.NumChannels * c.VocabSize, c.HiddenSize), c.NumChannels, c.VocabSize),
                new RopeTable(cos, sin),
                new HiddenState(hidden, "Decoder", 0),
            ]),
        };
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            string layer = $"model.decoder.layers.{i}";
            var operations = new List<Operation>();
            operations.AddRange(SelfAttention(layer, i, AttentionKind.Self, hidden, normed, cos, sin,
                "pre_sa_norm", c.HiddenSize, c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim));
            operations.AddRange(CrossAttention(layer, i, hidden, normed, c));
            operations.AddRange(Mlp(layer, "pre_mlp_norm", hidden, normed, c.IntermediateSize, c.HiddenAct.ToString()));
            if (i < c.NumHiddenLayers - 1)
                operations.Add(new HiddenState(hidden, "Decoder", i + 1));
            stages.Add(Stage($"Layer{i:00}", $"Decoder layer {i} of {c.NumHiddenLayers}: hidden state [rows, {c.HiddenSize}]; " +
                $"{c.NumAttentionHeads} query heads over {c.NumKeyValueHeads} key-value heads of {c.HeadDim}, " +
                $"cross-attention {c.CrossNumAttentionHeads} over {c.CrossNumKeyValueHeads} of {c.CrossHeadDim}.", operations));
        }

        stages.Add(Stage("Norm", $"The decoder output [rows, {c.HiddenSize}].",
        [
            new RmsNorm(normed, hidden, Vector("model.decoder.norm.weight", c.HiddenSize), "Decoder"),
            new HiddenState(normed, "Decoder", c.NumHiddenLayers),
        ]));
        return stages;
    }

    private static IEnumerable<Operation> SelfAttention(string layer, int index, AttentionKind kind, Value hidden, Value normed, Value cos, Value sin,
        string norm, int width, int heads, int keyHeads, int headDim)
    {
        Value query = new("Query", heads * headDim), key = new("Key", keyHeads * headDim), value = new("Value", keyHeads * headDim);
        Value mixed = new("Mixed", heads * headDim);
        string attention = layer + ".self_attention";
        yield return new Remark($"self-attention: hidden += o_proj(attention({norm}(hidden)))");
        yield return new RmsNorm(normed, hidden, Vector($"{layer}.{norm}.weight", width), Sub(kind));
        yield return new Linear(query, normed, Matrix(attention + ".q_proj.weight", heads * headDim, width));
        yield return new Linear(key, normed, Matrix(attention + ".k_proj.weight", keyHeads * headDim, width));
        yield return new Linear(value, normed, Matrix(attention + ".v_proj.weight", keyHeads * headDim, width));
        yield return new Rope(query, cos, sin, heads, headDim / 2);
        if (kind == AttentionKind.Self)
        {
            yield return new RopeKeyValues(key, value, cos, sin, index, keyHeads, headDim / 2);
            yield return new Attention(mixed, query, kind, index, heads, keyHeads, headDim);
        }
        else
        {
            yield return new Rope(key, cos, sin, keyHeads, headDim / 2);
            yield return new Attention(mixed, query, kind, index, heads, keyHeads, headDim, key, value);
        }

        yield return new Linear(hidden, mixed, Matrix(attention + ".o_proj.weight", width, heads * headDim), Accumulate: true);
    }

    private static string Sub(AttentionKind kind) => kind == AttentionKind.Encoder ? "Encoder" : "Decoder";

    private static IEnumerable<Operation> CrossAttention(string layer, int index, Value hidden, Value normed, DiaDecoderConfig c)
    {
        int width = c.CrossNumAttentionHeads * c.CrossHeadDim;
        Value query = new("CrossQuery", width), mixed = new("CrossMixed", width);
        string attention = layer + ".cross_attention";
        yield return new Remark("cross-attention over the encoder output: hidden += o_proj(attention(pre_ca_norm(hidden))); rows without text: += a constant");
        yield return new RmsNorm(normed, hidden, Vector(layer + ".pre_ca_norm.weight", c.HiddenSize), "Decoder", Rows.Conditional);
        yield return new Linear(query, normed, Matrix(attention + ".q_proj.weight", width, c.HiddenSize), Rows: Rows.Conditional);
        yield return new Attention(mixed, query, AttentionKind.Cross, index, c.CrossNumAttentionHeads, c.CrossNumKeyValueHeads, c.CrossHeadDim);
        yield return new Linear(hidden, mixed, Matrix(attention + ".o_proj.weight", c.HiddenSize, width), Accumulate: true, Rows: Rows.Conditional);
        yield return new AddUnconditionalCross(hidden, index);
    }

    private static IEnumerable<Operation> Mlp(string layer, string norm, Value hidden, Value normed, int intermediate, string activation)
    {
        Value gateUp = new("GateUp", 2 * intermediate), gated = new("Gated", intermediate);
        string sub = layer.Contains("encoder") ? "Encoder" : "Decoder";
        yield return new Remark($"MLP: hidden += down_proj(up · {activation.ToLowerInvariant()}(gate)), (gate, up) = gate_up_proj({norm}(hidden))");
        yield return new RmsNorm(normed, hidden, Vector($"{layer}.{norm}.weight", hidden.Width), sub);
        yield return new Linear(gateUp, normed, Matrix(layer + ".mlp.gate_up_proj.weight", 2 * intermediate, hidden.Width));
        yield return new GatedActivation(gated, gateUp, activation);
        yield return new Linear(hidden, gated, Matrix(layer + ".mlp.down_proj.weight", hidden.Width, intermediate), Accumulate: true);
    }

    private static List<(Linear, Linear)> BuildCrossKeyValues(DiaDecoderConfig c)
    {
        int width = c.CrossNumKeyValueHeads * c.CrossHeadDim;
        Value text = new("EncoderOutput", c.CrossHiddenSize), keys = new("CrossKeys", width), values = new("CrossValues", width);
        var list = new List<(Linear, Linear)>();
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            string attention = $"model.decoder.layers.{i}.cross_attention";
            list.Add((new Linear(keys, text, Matrix(attention + ".k_proj.weight", width, c.CrossHiddenSize)),
                new Linear(values, text, Matrix(attention + ".v_proj.weight", width, c.CrossHiddenSize))));
        }

        return list;
    }

    private static Stage Stage(string name, string summary, IEnumerable<Operation> operations) => new(name, summary, new(operations.ToArray()));
}
