namespace Dia.Configuration;

/// <summary>The configuration of a Dia model: <c>config.json</c> with <c>model_type</c> <c>dia</c>. Names are the reference's.</summary>
public sealed record DiaConfig
{
    private static readonly (string Name, DiaModelType Value)[] ModelTypes = [("dia", DiaModelType.Dia), ("dia_first", DiaModelType.DiaFirst)];

    /// <summary>The released model's.</summary>
    public DiaConfig()
    {
    }

    internal DiaConfig(DiaConfig c, Fields f)
    {
        ModelType = f.Name("model_type", c.ModelType, ModelTypes);
        f.Architecture(IsFirstGeneration ? "DiaFirstForConditionalGeneration" : "DiaForConditionalGeneration");
        EncoderConfig = f.Part("encoder_config", c.EncoderConfig, part => new DiaEncoderConfig(c.EncoderConfig, part));
        DecoderConfig = f.Part("decoder_config", c.DecoderConfig, part => new DiaDecoderConfig(c.DecoderConfig, part));
        NormEps = f.Value("norm_eps", c.NormEps, FieldType.NotNegative, isComputed: false);
        IsEncoderDecoder = f.Value("is_encoder_decoder", c.IsEncoderDecoder, FieldType.Boolean, isComputed: false);
        PadTokenId = TokenId(f, "pad_token_id", c.PadTokenId);
        EosTokenId = TokenId(f, "eos_token_id", c.EosTokenId);
        BosTokenId = TokenId(f, "bos_token_id", c.BosTokenId);
        DelayPattern = f.List("delay_pattern", c.DelayPattern, FieldType.Delay);
        InitializerRange = f.Value("initializer_range", c.InitializerRange, FieldType.NotNegative, isComputed: false);
        UseCache = f.Value("use_cache", c.UseCache, FieldType.Boolean, isComputed: false);
    }

    /// <summary>Which model it is. Default dia.</summary>
    public DiaModelType ModelType { get; init; }

    /// <summary>Whether it is the first generation of the model.</summary>
    public bool IsFirstGeneration => ModelType == DiaModelType.DiaFirst;

    /// <summary>The text encoder.</summary>
    public DiaEncoderConfig EncoderConfig { get; init; } = new();

    /// <summary>The audio decoder.</summary>
    public DiaDecoderConfig DecoderConfig { get; init; } = new();

    /// <summary>Default 1e-5. No layer uses it: each uses its own sub-configuration's.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary>Default true.</summary>
    public bool IsEncoderDecoder { get; init; } = true;

    /// <summary>Audio token that fills what is not known or past the end. Default 1025.</summary>
    public int PadTokenId { get; init; } = 1025;

    /// <summary>Audio token that ends a channel. Default 1024.</summary>
    public int EosTokenId { get; init; } = 1024;

    /// <summary>Audio token of the first row. Default 1026.</summary>
    public int BosTokenId { get; init; } = 1026;

    /// <summary>Rows by which a channel can be delayed at most.</summary>
    public const int MaxDelay = 1 << 24;

    /// <summary>Rows by which each channel is delayed; as long as num_channels. Default 0, 8, 9, ... 15.</summary>
    public EquatableArray<int> DelayPattern { get; init; } = new(0, 8, 9, 10, 11, 12, 13, 14, 15);

    /// <summary>Standard deviation of weights that no checkpoint sets. Default 0.02.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Default true. Read and written; a forward pass makes a cache where its caller asks for one.</summary>
    public bool UseCache { get; init; } = true;

    /// <summary>Most rows of what is spoken, the delay's included.</summary>
    public int RowCapacity => DecoderConfig.MaxPositionEmbeddings + DelayPattern.Max();

    /// <summary>The decoder's configuration, as the reference's <c>get_text_config</c>: what it generates stands for a text model's tokens.</summary>
    public DiaDecoderConfig GetTextConfig() => DecoderConfig;

    /// <summary>Whether a model_type is one of these.</summary>
    internal static bool Has(string? modelType) => ModelTypes.Any(t => t.Name == modelType);

    private int TokenId(Fields f, string key, int value) =>
        f.File is { } file ? DiaConfigParser.TokenId(file, key, value, DecoderConfig.VocabSize) : f.Value(key, value, FieldType.Id);
}
