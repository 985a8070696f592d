using System.Globalization;

namespace Dia.Configuration;

/// <summary>One value in which two configurations differ.</summary>
/// <param name="Path">The key's path in config.json, such as <c>decoder_config.num_hidden_layers</c>.</param>
/// <param name="First">The first configuration's value as JSON would write it.</param>
/// <param name="Second">The second's.</param>
public sealed record ConfigurationDifference(string Path, string First, string Second)
{
    /// <summary>
    /// What differs between two models, in the order of the fields. Left out is what is not compiled in: <c>initializer_range</c>,
    /// <c>use_cache</c>, <c>is_encoder_decoder</c> and the model's own <c>norm_eps</c>. Empty: one compiled class serves both.
    /// </summary>
    public static IReadOnlyList<ConfigurationDifference> Between(DiaConfig first, DiaConfig second) => Compare(Fields(first), Fields(second));

    /// <summary>
    /// What differs between two codecs, in the order of the fields. Left out is what only training uses (dropout, loss weights)
    /// and what follows from other fields. Empty: one compiled class serves both.
    /// </summary>
    public static IReadOnlyList<ConfigurationDifference> Between(DacConfig first, DacConfig second) => Compare(Fields(first), Fields(second));

    private static List<ConfigurationDifference> Compare(List<KeyValuePair<string, string>> first, List<KeyValuePair<string, string>> second)
    {
        var differences = new List<ConfigurationDifference>();
        for (int i = 0; i < first.Count; i++)
            if (first[i].Value != second[i].Value)
                differences.Add(new ConfigurationDifference(first[i].Key, first[i].Value, second[i].Value));
        return differences;
    }

    private static List<KeyValuePair<string, string>> Fields(DiaConfig config)
    {
        var fields = new List<KeyValuePair<string, string>>();
        void Add(string path, string value) => fields.Add(new(path, value));
        DiaEncoderConfig encoder = config.EncoderConfig;
        DiaDecoderConfig decoder = config.DecoderConfig;
        Add("encoder_config.vocab_size", Text(encoder.VocabSize));
        Add("encoder_config.hidden_size", Text(encoder.HiddenSize));
        Add("encoder_config.intermediate_size", Text(encoder.IntermediateSize));
        Add("encoder_config.num_hidden_layers", Text(encoder.NumHiddenLayers));
        Add("encoder_config.num_attention_heads", Text(encoder.NumAttentionHeads));
        Add("encoder_config.num_key_value_heads", Text(encoder.NumKeyValueHeads));
        Add("encoder_config.head_dim", Text(encoder.HeadDim));
        Add("encoder_config.hidden_act", Text(encoder.HiddenAct));
        Add("encoder_config.norm_eps", Text(encoder.NormEps));
        Add("encoder_config.max_position_embeddings", Text(encoder.MaxPositionEmbeddings));
        Add("encoder_config.original_max_position_embeddings", Text(encoder.OriginalMaxPositionEmbeddings));
        Add("encoder_config.rope_theta", Text(encoder.RopeTheta));
        AddRopeScaling(Add, "encoder_config.rope_scaling.", encoder.RopeScaling);
        Add("decoder_config.vocab_size", Text(decoder.VocabSize));
        Add("decoder_config.num_channels", Text(decoder.NumChannels));
        Add("decoder_config.hidden_size", Text(decoder.HiddenSize));
        Add("decoder_config.intermediate_size", Text(decoder.IntermediateSize));
        Add("decoder_config.num_hidden_layers", Text(decoder.NumHiddenLayers));
        Add("decoder_config.num_attention_heads", Text(decoder.NumAttentionHeads));
        Add("decoder_config.num_key_value_heads", Text(decoder.NumKeyValueHeads));
        Add("decoder_config.head_dim", Text(decoder.HeadDim));
        Add("decoder_config.cross_num_attention_heads", Text(decoder.CrossNumAttentionHeads));
        Add("decoder_config.cross_num_key_value_heads", Text(decoder.CrossNumKeyValueHeads));
        Add("decoder_config.cross_head_dim", Text(decoder.CrossHeadDim));
        Add("decoder_config.cross_hidden_size", Text(decoder.CrossHiddenSize));
        Add("decoder_config.hidden_act", Text(decoder.HiddenAct));
        Add("decoder_config.norm_eps", Text(decoder.NormEps));
        Add("decoder_config.max_position_embeddings", Text(decoder.MaxPositionEmbeddings));
        Add("decoder_config.original_max_position_embeddings", Text(decoder.OriginalMaxPositionEmbeddings));
        Add("decoder_config.rope_theta", Text(decoder.RopeTheta));
        AddRopeScaling(Add, "decoder_config.rope_scaling.", decoder.RopeScaling);
        Add("bos_token_id", Text(config.BosTokenId));
        Add("eos_token_id", Text(config.EosTokenId));
        Add("pad_token_id", Text(config.PadTokenId));
        Add("delay_pattern", Text(config.DelayPattern));
        return fields;
    }

    private static void AddRopeScaling(Action<string, string> add, string path, RopeScaling? scaling)
    {
        scaling ??= new RopeScaling();
        add(path + "rope_type", "\"" + scaling.RopeType.ToString().ToLowerInvariant() + "\"");
        add(path + "factor", Text(scaling.Factor));
        add(path + "original_max_position_embeddings", Text(scaling.OriginalMaxPositionEmbeddings));
        add(path + "attention_factor", Text(scaling.AttentionFactor));
        add(path + "beta_fast", Text(scaling.BetaFast));
        add(path + "beta_slow", Text(scaling.BetaSlow));
        add(path + "mscale", Text(scaling.Mscale));
        add(path + "mscale_all_dim", Text(scaling.MscaleAllDim));
        add(path + "truncate", scaling.Truncate is { } truncate ? truncate ? "true" : "false" : "null");
        add(path + "short_factor", Text(scaling.ShortFactor));
        add(path + "long_factor", Text(scaling.LongFactor));
        add(path + "low_freq_factor", Text(scaling.LowFreqFactor));
        add(path + "high_freq_factor", Text(scaling.HighFreqFactor));
    }

    private static List<KeyValuePair<string, string>> Fields(DacConfig config) =>
    [
        new("encoder_hidden_size", Text(config.EncoderHiddenSize)),
        new("downsampling_ratios", Text(config.DownsamplingRatios)),
        new("decoder_hidden_size", Text(config.DecoderHiddenSize)),
        new("n_codebooks", Text(config.NCodebooks)),
        new("codebook_size", Text(config.CodebookSize)),
        new("codebook_dim", Text(config.CodebookDim)),
        new("sampling_rate", Text(config.SamplingRate)),
    ];

    private static string Text(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "null";

    private static string Text(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "null";

    private static string Text(HiddenActivation value) => value switch
    {
        HiddenActivation.Silu => "\"silu\"",
        HiddenActivation.Gelu => "\"gelu\"",
        HiddenActivation.GeluNew => "\"gelu_new\"",
        _ => "\"relu\"",
    };

    private static string Text(EquatableArray<int> values) => "[" + string.Join(", ", values.Select(v => Text(v))) + "]";

    private static string Text(EquatableArray<double> values) => "[" + string.Join(", ", values.Select(v => Text(v))) + "]";
}
