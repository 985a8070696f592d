namespace Dia.Configuration;

/// <summary>Reads <c>config.json</c> of a Dia model. The same code runs in the compiler and in the program.</summary>
public static class DiaConfigParser
{
    /// <summary>The configuration in a file's text, and everything that is wrong with it.</summary>
    /// <param name="json">The file's text.</param>
    /// <param name="unknownKeys">How an unknown key outside the encoder's and decoder's part counts: an error when compiled, a warning at run time.</param>
    public static ConfigurationResult<DiaConfig> Parse(string json, ProblemSeverity unknownKeys) => Parse(ConfigurationFile.Read(json), unknownKeys);

    /// <summary>The same of a file that is read.</summary>
    public static ConfigurationResult<DiaConfig> Parse(ConfigurationFile file, ProblemSeverity unknownKeys) => file.IsFirstGeneration
        ? file.ParseFirstGeneration(unknownKeys, Read) : file.Parse(file.ModelType == "dia_first" ? "dia_first" : "dia", unknownKeys, Read);

    /// <summary>Reports what contradicts itself in the encoder's part.</summary>
    internal static void Check(ObjectReader file, DiaEncoderConfig c)
    {
        Checks.Divides(file, "num_attention_heads", c.NumAttentionHeads, "num_key_value_heads", c.NumKeyValueHeads);
        Checks.Even(file, "head_dim", c.HeadDim);
        Checks.Tensor(file, "vocab_size", "the embedding", c.VocabSize, c.HiddenSize);
        CheckLayer(file, c);
    }

    /// <summary>Reports what contradicts itself in the decoder's part.</summary>
    internal static void Check(ObjectReader file, DiaDecoderConfig c)
    {
        Checks.Divides(file, "num_attention_heads", c.NumAttentionHeads, "num_key_value_heads", c.NumKeyValueHeads);
        Checks.Divides(file, "cross_num_attention_heads", c.CrossNumAttentionHeads, "cross_num_key_value_heads", c.CrossNumKeyValueHeads);
        Checks.Even(file, "head_dim", c.HeadDim);
        Checks.Tensor(file, "vocab_size", "the embedding", c.NumChannels, c.VocabSize, c.HiddenSize);
        Checks.Tensor(file, "cross_num_attention_heads", "a cross-attention weight", c.CrossNumAttentionHeads, c.CrossHeadDim,
            Math.Max(c.HiddenSize, c.CrossHiddenSize));
        CheckLayer(file, c);
    }

    /// <summary>An id of the model's own, or of the decoder's part, where newer versions of the reference keep it; null there says nothing.</summary>
    internal static int TokenId(ObjectReader file, string key, int missing, int vocabulary)
    {
        ObjectReader decoder = file.Section("decoder_config");
        int? own = file.Optional(key, null, FieldType.Id), decoders = decoder.Optional(key, null, FieldType.Id);
        if (own is { } id && decoders is { } other && id != other)
            file.Error(ProblemIds.Contradiction, key, FormattableString.Invariant($"is {id} where {decoder.Path(key)} is {other}; say it once"));
        int result = own ?? decoders ?? missing;
        if (result >= vocabulary)
            (own is null && decoders is not null ? decoder : file).Error(ProblemIds.Contradiction, key,
                FormattableString.Invariant($"is {result} where decoder_config.vocab_size is {vocabulary}; ids end below it"));
        return result;
    }

    private static DiaConfig Read(ObjectReader file)
    {
        var config = new DiaConfig(new DiaConfig(), file);
        DiaEncoderConfig encoder = config.EncoderConfig;
        DiaDecoderConfig decoder = config.DecoderConfig;
        // A list with wrong entries was reported already.
        if (!file.IsWrong("delay_pattern") && config.DelayPattern.Length != decoder.NumChannels)
            file.Error(ProblemIds.Contradiction, "delay_pattern",
                FormattableString.Invariant($"has {config.DelayPattern.Length} entries where decoder_config.num_channels is {decoder.NumChannels}"));
        // The caches hold the delay's rows beyond the decoder's positions.
        Checks.Tensor(file, "delay_pattern", "the keys of a decoder layer", decoder.MaxPositionEmbeddings + config.DelayPattern.Append(0).Max(),
            decoder.NumAttentionHeads, decoder.HeadDim);
        ObjectReader encoderFile = file.Section("encoder_config"), decoderFile = file.Section("decoder_config");
        if (decoder.CrossHiddenSize != encoder.HiddenSize)
            decoderFile.Error(ProblemIds.Contradiction, "cross_hidden_size",
                FormattableString.Invariant($"is {decoder.CrossHiddenSize} where encoder_config.hidden_size is {encoder.HiddenSize}; they must be equal"));
        if (config.IsFirstGeneration)
            CheckFirstGeneration(file, config);
        foreach (ObjectReader part in new[] { file, encoderFile, decoderFile })
        {
            GeneralKeys.CheckSwitches(part, mayBeQuantized: part == file);
            part.Finish(GeneralKeys.Contains, computed: part != file);
        }
        return config;
    }

    /// <summary>Its cross-attention turns queries as the decoder's self-attention does, and keys as the encoder's: these must be one way.</summary>
    private static void CheckFirstGeneration(ObjectReader file, DiaConfig config)
    {
        DiaEncoderConfig encoder = config.EncoderConfig;
        DiaDecoderConfig decoder = config.DecoderConfig;
        ObjectReader decoderFile = file.Section("decoder_config");
        if (decoder.HeadDim != encoder.HeadDim || decoder.CrossHeadDim != encoder.HeadDim)
            decoderFile.Error(ProblemIds.Contradiction, "cross_head_dim", FormattableString.Invariant(
                $"is {decoder.CrossHeadDim}, head_dim {decoder.HeadDim} and encoder_config.head_dim {encoder.HeadDim}; in the first generation they must be equal"));
        if (decoder.RopeTheta != encoder.RopeTheta || decoder.RopeScaling is not null || encoder.RopeScaling is not null)
            decoderFile.Error(ProblemIds.Contradiction, "rope_theta", "must be the encoder's, without rope_scaling, in the first generation");
        // The end of channel 0 ends the sound at once.
        if (!file.IsWrong("delay_pattern") && config.DelayPattern.Length > 0 && config.DelayPattern[0] != 0)
            file.Error(ProblemIds.UnsupportedValue, "delay_pattern", "must begin with 0 in the first generation");
    }

    private static void CheckLayer(ObjectReader file, DiaStackConfig c)
    {
        Checks.Tensor(file, "num_attention_heads", "an attention weight", c.NumAttentionHeads, c.HeadDim, c.HiddenSize);
        Checks.Tensor(file, "intermediate_size", "mlp.gate_up_proj", 2, c.IntermediateSize, c.HiddenSize);
        Checks.Tensor(file, "max_position_embeddings", "the keys of a layer", c.MaxPositionEmbeddings, c.NumAttentionHeads, c.HeadDim);
        Checks.Tensor(file, "max_position_embeddings", "the rows of a layer", c.MaxPositionEmbeddings, c.HiddenSize);
    }
}
