namespace Dia.Configuration;

/// <summary>Reads <c>config.json</c> of a Dia model. The same code runs in the compiler and in the program.</summary>
public static class DiaConfigParser
{
    private const int MaxLayers = 1024;
    private const int MaxPositions = 1 << 24;

    /// <summary>The configuration in a file's text, and everything that is wrong with it.</summary>
    /// <param name="json">The file's text.</param>
    /// <param name="unknownKeys">How an unknown key outside the encoder's and decoder's part counts: an error when compiled, a warning at run time.</param>
    public static ConfigurationResult<DiaConfig> Parse(string json, ProblemSeverity unknownKeys)
    {
        var problems = new ProblemList(unknownKeys);
        ObjectReader? file = ConfigurationFile.Open(json, "dia", problems);
        if (file is null)
            return problems.Result<DiaConfig>(null);

        var defaults = new DiaConfig();
        var encoderFile = new ObjectReader(file.Object("encoder_config"), "encoder_config", problems);
        var decoderFile = new ObjectReader(file.Object("decoder_config"), "decoder_config", problems);
        DiaEncoderConfig encoder = ReadEncoder(encoderFile);
        DiaDecoderConfig decoder = ReadDecoder(decoderFile);
        int[]? delay = file.Integers("delay_pattern", 0, MaxPositions);
        var config = new DiaConfig
        {
            EncoderConfig = encoder,
            DecoderConfig = decoder,
            NormEps = Checks.NotNegative(file, "norm_eps", defaults.NormEps),
            IsEncoderDecoder = file.Boolean("is_encoder_decoder", defaults.IsEncoderDecoder),
            PadTokenId = TokenId(file, decoderFile, "pad_token_id", defaults.PadTokenId, decoder.VocabSize),
            EosTokenId = TokenId(file, decoderFile, "eos_token_id", defaults.EosTokenId, decoder.VocabSize),
            BosTokenId = TokenId(file, decoderFile, "bos_token_id", defaults.BosTokenId, decoder.VocabSize),
            DelayPattern = delay ?? defaults.DelayPattern.ToArray(),
            InitializerRange = Checks.NotNegative(file, "initializer_range", defaults.InitializerRange),
            UseCache = file.Boolean("use_cache", defaults.UseCache),
        };

        // A list with wrong entries was reported already.
        if ((delay is not null || !file.Has("delay_pattern")) && config.DelayPattern.Length != decoder.NumChannels)
            file.Error(ProblemIds.Contradiction, "delay_pattern", FormattableString.Invariant($"has {config.DelayPattern.Length} entries where decoder_config.num_channels is {decoder.NumChannels}"));
        // The caches hold the delay's rows beyond the decoder's positions.
        Checks.Tensor(file, "delay_pattern", "the keys of a decoder layer", decoder.MaxPositionEmbeddings + config.DelayPattern.Append(0).Max(), decoder.NumAttentionHeads, decoder.HeadDim);
        if (decoder.CrossHiddenSize != encoder.HiddenSize)
            decoderFile.Error(ProblemIds.Contradiction, "cross_hidden_size", FormattableString.Invariant($"is {decoder.CrossHiddenSize} where encoder_config.hidden_size is {encoder.HiddenSize}; they must be equal"));
        foreach (ObjectReader part in new[] { file, encoderFile, decoderFile })
        {
            GeneralKeys.CheckSwitches(part);
            part.Finish(GeneralKeys.Contains, computed: part != file);
        }
        return problems.Result(config);
    }

    private static DiaEncoderConfig ReadEncoder(ObjectReader file)
    {
        var defaults = new DiaEncoderConfig();
        ConfigurationFile.CheckModelType(file, "dia_encoder");
        int heads = Checks.Size(file, "num_attention_heads", defaults.NumAttentionHeads);
        int headDim = Checks.Size(file, "head_dim", defaults.HeadDim);
        int positions = file.Integer("max_position_embeddings", defaults.MaxPositionEmbeddings, 1, MaxPositions);
        RopeConfig rope = RopeParser.Read(file, headDim, positions, defaults.RopeTheta);
        var config = new DiaEncoderConfig
        {
            MaxPositionEmbeddings = positions,
            OriginalMaxPositionEmbeddings = rope.OriginalPositions,
            NumHiddenLayers = file.Integer("num_hidden_layers", defaults.NumHiddenLayers, 1, MaxLayers),
            HiddenSize = Checks.Size(file, "hidden_size", defaults.HiddenSize),
            NumAttentionHeads = heads,
            NumKeyValueHeads = KeyValueHeads(file, heads, defaults.NumKeyValueHeads),
            HeadDim = headDim,
            IntermediateSize = Checks.Size(file, "intermediate_size", defaults.IntermediateSize),
            NormEps = Checks.NotNegative(file, "norm_eps", defaults.NormEps),
            VocabSize = Checks.Size(file, "vocab_size", defaults.VocabSize),
            HiddenAct = Activation(file),
            RopeTheta = rope.Theta,
            RopeScaling = rope.Scaling,
            InitializerRange = Checks.NotNegative(file, "initializer_range", defaults.InitializerRange),
        };
        Checks.Divides(file, "num_attention_heads", config.NumAttentionHeads, "num_key_value_heads", config.NumKeyValueHeads);
        Checks.Even(file, "head_dim", headDim);
        Checks.Tensor(file, "vocab_size", "the embedding", config.VocabSize, config.HiddenSize);
        CheckLayer(file, positions, config.HiddenSize, heads, headDim, config.IntermediateSize);
        return config;
    }

    private static DiaDecoderConfig ReadDecoder(ObjectReader file)
    {
        var defaults = new DiaDecoderConfig();
        ConfigurationFile.CheckModelType(file, "dia_decoder");
        int heads = Checks.Size(file, "num_attention_heads", defaults.NumAttentionHeads);
        int headDim = Checks.Size(file, "head_dim", defaults.HeadDim);
        int positions = file.Integer("max_position_embeddings", defaults.MaxPositionEmbeddings, 1, MaxPositions);
        RopeConfig rope = RopeParser.Read(file, headDim, positions, defaults.RopeTheta);
        var config = new DiaDecoderConfig
        {
            MaxPositionEmbeddings = positions,
            OriginalMaxPositionEmbeddings = rope.OriginalPositions,
            NumHiddenLayers = file.Integer("num_hidden_layers", defaults.NumHiddenLayers, 1, MaxLayers),
            HiddenSize = Checks.Size(file, "hidden_size", defaults.HiddenSize),
            IntermediateSize = Checks.Size(file, "intermediate_size", defaults.IntermediateSize),
            NumAttentionHeads = heads,
            NumKeyValueHeads = KeyValueHeads(file, heads, defaults.NumKeyValueHeads),
            HeadDim = headDim,
            CrossNumAttentionHeads = Checks.Size(file, "cross_num_attention_heads", defaults.CrossNumAttentionHeads),
            CrossHeadDim = Checks.Size(file, "cross_head_dim", defaults.CrossHeadDim),
            CrossNumKeyValueHeads = Checks.Size(file, "cross_num_key_value_heads", defaults.CrossNumKeyValueHeads),
            CrossHiddenSize = Checks.Size(file, "cross_hidden_size", defaults.CrossHiddenSize),
            NormEps = Checks.NotNegative(file, "norm_eps", defaults.NormEps),
            VocabSize = Checks.Size(file, "vocab_size", defaults.VocabSize),
            HiddenAct = Activation(file),
            NumChannels = file.Integer("num_channels", defaults.NumChannels, 1, 1024),
            RopeTheta = rope.Theta,
            RopeScaling = rope.Scaling,
            InitializerRange = Checks.NotNegative(file, "initializer_range", defaults.InitializerRange),
            UseCache = file.Boolean("use_cache", defaults.UseCache),
            IsEncoderDecoder = file.Boolean("is_encoder_decoder", defaults.IsEncoderDecoder),
        };
        Checks.Divides(file, "num_attention_heads", config.NumAttentionHeads, "num_key_value_heads", config.NumKeyValueHeads);
        Checks.Divides(file, "cross_num_attention_heads", config.CrossNumAttentionHeads, "cross_num_key_value_heads", config.CrossNumKeyValueHeads);
        Checks.Even(file, "head_dim", headDim);
        Checks.Tensor(file, "vocab_size", "the embedding", config.NumChannels, config.VocabSize, config.HiddenSize);
        Checks.Tensor(file, "cross_num_attention_heads", "a cross-attention weight", config.CrossNumAttentionHeads, config.CrossHeadDim, Math.Max(config.HiddenSize, config.CrossHiddenSize));
        CheckLayer(file, positions, config.HiddenSize, heads, headDim, config.IntermediateSize);
        return config;
    }

    private static void CheckLayer(ObjectReader file, int positions, int hidden, int heads, int headDim, int intermediate)
    {
        Checks.Tensor(file, "num_attention_heads", "an attention weight", heads, headDim, hidden);
        Checks.Tensor(file, "intermediate_size", "mlp.gate_up_proj", 2, intermediate, hidden);
        Checks.Tensor(file, "max_position_embeddings", "the keys of a layer", positions, heads, headDim);
        Checks.Tensor(file, "max_position_embeddings", "the rows of a layer", positions, hidden);
    }

    private static int KeyValueHeads(ObjectReader file, int heads, int missing) =>
        file.Get("num_key_value_heads") is { Kind: JsonKind.Null } ? heads : Checks.Size(file, "num_key_value_heads", missing);

    /// <summary>An id of the model's own, or of the decoder's part, where newer versions of the reference keep it; null there says nothing.</summary>
    private static int TokenId(ObjectReader file, ObjectReader decoder, string key, int missing, int vocabulary)
    {
        int? own = file.OptionalInteger(key, 0, int.MaxValue), decoders = decoder.OptionalInteger(key, 0, int.MaxValue);
        if (own is { } id && decoders is { } other && id != other)
            file.Error(ProblemIds.Contradiction, key, FormattableString.Invariant($"is {id} where {decoder.Path(key)} is {other}; say it once"));
        int result = own ?? decoders ?? missing;
        if (result >= vocabulary)
            (own is null && decoders is not null ? decoder : file).Error(ProblemIds.Contradiction, key, FormattableString.Invariant($"is {result} where decoder_config.vocab_size is {vocabulary}; ids end below it"));
        return result;
    }

    private static HiddenActivation Activation(ObjectReader file)
    {
        string? name = file.String("hidden_act");
        switch (name)
        {
            case null or "silu" or "swish":
                return HiddenActivation.Silu;
            case "gelu":
                return HiddenActivation.Gelu;
            case "gelu_new":
                return HiddenActivation.GeluNew;
            case "relu":
                return HiddenActivation.Relu;
            default:
                file.Error(ProblemIds.UnsupportedValue, "hidden_act", $"{JsonValue.Quote(name)} is none of silu, swish, gelu, gelu_new, relu");
                return HiddenActivation.Silu;
        }
    }
}
