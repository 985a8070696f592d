using System.Globalization;
using System.Text;
using Dia.Configuration;

namespace Dia.Generators.Emission;

/// <summary>
/// A configuration as JSON with every field spelled out, in the reference's names: what the compiled class was made from,
/// whatever the file's spacing, order and omissions. It is read back by the same parser.
/// </summary>
internal static class CanonicalJson
{
    public static string Write(DiaConfig c)
    {
        var json = new Writer();
        json.Open();
        json.Field("architectures", "[\"DiaForConditionalGeneration\"]");
        json.Field("bos_token_id", c.BosTokenId);
        json.Open("decoder_config");
        WriteDecoder(json, c.DecoderConfig);
        json.Close();
        json.Field("delay_pattern", c.DelayPattern);
        json.Open("encoder_config");
        WriteEncoder(json, c.EncoderConfig);
        json.Close();
        json.Field("eos_token_id", c.EosTokenId);
        json.Field("initializer_range", c.InitializerRange);
        json.Field("is_encoder_decoder", c.IsEncoderDecoder);
        json.Field("model_type", "\"dia\"");
        json.Field("norm_eps", c.NormEps);
        json.Field("pad_token_id", c.PadTokenId);
        json.Field("use_cache", c.UseCache);
        json.Close();
        return json.ToString();
    }

    public static string Write(DacConfig c)
    {
        var json = new Writer();
        json.Open();
        json.Field("architectures", "[\"DacModel\"]");
        json.Field("codebook_dim", c.CodebookDim);
        json.Field("codebook_loss_weight", c.CodebookLossWeight);
        json.Field("codebook_size", c.CodebookSize);
        json.Field("commitment_loss_weight", c.CommitmentLossWeight);
        json.Field("decoder_hidden_size", c.DecoderHiddenSize);
        json.Field("downsampling_ratios", c.DownsamplingRatios);
        json.Field("encoder_hidden_size", c.EncoderHiddenSize);
        json.Field("hidden_size", c.HiddenSize);
        json.Field("hop_length", c.HopLength);
        json.Field("model_type", "\"dac\"");
        json.Field("n_codebooks", c.NCodebooks);
        json.Field("quantizer_dropout", c.QuantizerDropout);
        json.Field("sampling_rate", c.SamplingRate);
        json.Field("upsampling_ratios", c.UpsamplingRatios);
        json.Close();
        return json.ToString();
    }

    private static void WriteEncoder(Writer json, DiaEncoderConfig c)
    {
        json.Field("head_dim", c.HeadDim);
        json.Field("hidden_act", Quoted(c.HiddenAct));
        json.Field("hidden_size", c.HiddenSize);
        json.Field("initializer_range", c.InitializerRange);
        json.Field("intermediate_size", c.IntermediateSize);
        json.Field("max_position_embeddings", c.MaxPositionEmbeddings);
        json.Field("model_type", "\"dia_encoder\"");
        json.Field("norm_eps", c.NormEps);
        json.Field("num_attention_heads", c.NumAttentionHeads);
        json.Field("num_hidden_layers", c.NumHiddenLayers);
        json.Field("num_key_value_heads", c.NumKeyValueHeads);
        json.Optional("original_max_position_embeddings", c.OriginalMaxPositionEmbeddings);
        WriteRope(json, c.RopeScaling);
        json.Field("rope_theta", c.RopeTheta);
        json.Field("vocab_size", c.VocabSize);
    }

    private static void WriteDecoder(Writer json, DiaDecoderConfig c)
    {
        json.Field("cross_head_dim", c.CrossHeadDim);
        json.Field("cross_hidden_size", c.CrossHiddenSize);
        json.Field("cross_num_attention_heads", c.CrossNumAttentionHeads);
        json.Field("cross_num_key_value_heads", c.CrossNumKeyValueHeads);
        json.Field("head_dim", c.HeadDim);
        json.Field("hidden_act", Quoted(c.HiddenAct));
        json.Field("hidden_size", c.HiddenSize);
        json.Field("initializer_range", c.InitializerRange);
        json.Field("intermediate_size", c.IntermediateSize);
        json.Field("is_encoder_decoder", c.IsEncoderDecoder);
        json.Field("max_position_embeddings", c.MaxPositionEmbeddings);
        json.Field("model_type", "\"dia_decoder\"");
        json.Field("norm_eps", c.NormEps);
        json.Field("num_attention_heads", c.NumAttentionHeads);
        json.Field("num_channels", c.NumChannels);
        json.Field("num_hidden_layers", c.NumHiddenLayers);
        json.Field("num_key_value_heads", c.NumKeyValueHeads);
        json.Optional("original_max_position_embeddings", c.OriginalMaxPositionEmbeddings);
        WriteRope(json, c.RopeScaling);
        json.Field("rope_theta", c.RopeTheta);
        json.Field("use_cache", c.UseCache);
        json.Field("vocab_size", c.VocabSize);
    }

    private static void WriteRope(Writer json, RopeScaling? r)
    {
        if (r is null)
        {
            json.Field("rope_scaling", "null");
            return;
        }

        json.Open("rope_scaling");
        json.Optional("attention_factor", r.AttentionFactor);
        json.Optional("beta_fast", r.BetaFast);
        json.Optional("beta_slow", r.BetaSlow);
        json.Optional("factor", r.Factor);
        json.Optional("high_freq_factor", r.HighFreqFactor);
        if (r.LongFactor.Count > 0)
            json.Field("long_factor", r.LongFactor);
        json.Optional("low_freq_factor", r.LowFreqFactor);
        json.Optional("mscale", r.Mscale);
        json.Optional("mscale_all_dim", r.MscaleAllDim);
        json.Optional("original_max_position_embeddings", r.OriginalMaxPositionEmbeddings);
        json.Field("rope_type", "\"" + r.RopeType.ToString().ToLowerInvariant() + "\"");
        if (r.ShortFactor.Count > 0)
            json.Field("short_factor", r.ShortFactor);
        if (r.Truncate is { } truncate)
            json.Field("truncate", truncate);
        json.Close();
    }

    private static string Quoted(HiddenActivation activation) =>
        activation == HiddenActivation.GeluNew ? "\"gelu_new\"" : "\"" + activation.ToString().ToLowerInvariant() + "\"";

    private sealed class Writer
    {
        private readonly StringBuilder _text = new();
        private int _depth;
        private bool _first;

        public void Open(string? name = null)
        {
            if (name is not null)
                Name(name);
            _text.Append('{');
            _depth++;
            _first = true;
        }

        public void Close()
        {
            _depth--;
            _text.Append('\n').Append(' ', 2 * _depth).Append('}');
            _first = false;
        }

        public void Field(string name, string raw)
        {
            Name(name);
            _text.Append(raw);
        }

        public void Field(string name, int value) => Field(name, value.ToString(CultureInfo.InvariantCulture));

        public void Field(string name, bool value) => Field(name, value ? "true" : "false");

        public void Field(string name, double value) => Field(name, Text(value));

        public void Field(string name, EquatableArray<int> values) =>
            Field(name, "[" + string.Join(", ", values.Select(v => v.ToString(CultureInfo.InvariantCulture))) + "]");

        public void Field(string name, EquatableArray<double> values) => Field(name, "[" + string.Join(", ", values.Select(Text)) + "]");

        public void Optional(string name, int? value)
        {
            if (value is { } v)
                Field(name, v);
        }

        public void Optional(string name, double? value)
        {
            if (value is { } v)
                Field(name, v);
        }

        public override string ToString() => _text.Append('\n').ToString();

        // The shortest of "R" and 17 digits that reads back the same: "R" alone is not exact on the older runtimes a compiler may run on.
        private static string Text(double value)
        {
            string text = value.ToString("R", CultureInfo.InvariantCulture);
            if (double.Parse(text, CultureInfo.InvariantCulture) != value)
                text = value.ToString("G17", CultureInfo.InvariantCulture);
            return text.IndexOfAny(['.', 'e', 'E']) < 0 ? text + ".0" : text;
        }

        private void Name(string name)
        {
            if (!_first)
                _text.Append(',');
            _first = false;
            _text.Append('\n').Append(' ', 2 * _depth).Append('"').Append(name).Append("\": ");
        }
    }
}
