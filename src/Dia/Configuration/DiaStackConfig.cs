namespace Dia.Configuration;

/// <summary>What <c>encoder_config</c> and <c>decoder_config</c> of a <see cref="DiaConfig"/> have in common: a stack of layers.</summary>
public abstract record DiaStackConfig
{
    private const int MaxLayers = 1024;

    private static readonly FieldType<double> Theta = FieldType.Number(x => x is >= 1e-6 and <= 1e30, "a number from 1e-6 to 1e30");

    private static readonly (string, HiddenActivation)[] Activations =
    [
        ("silu", HiddenActivation.Silu), ("swish", HiddenActivation.Silu), ("gelu", HiddenActivation.Gelu), ("gelu_new", HiddenActivation.GeluNew),
            ("relu", HiddenActivation.Relu),
    ];

    private protected DiaStackConfig()
    {
    }

    /// <summary>States the common fields.</summary>
    private protected DiaStackConfig(DiaStackConfig c, Fields f)
    {
        VocabSize = f.Value("vocab_size", c.VocabSize, FieldType.Size);
        HiddenSize = f.Value("hidden_size", c.HiddenSize, FieldType.Size);
        IntermediateSize = f.Value("intermediate_size", c.IntermediateSize, FieldType.Size);
        NumHiddenLayers = f.Value("num_hidden_layers", c.NumHiddenLayers, FieldType.Integer(1, MaxLayers));
        NumAttentionHeads = f.Value("num_attention_heads", c.NumAttentionHeads, FieldType.Size);
        bool asMany = f.File?.Get("num_key_value_heads") is { Kind: JsonKind.Null };
        NumKeyValueHeads = asMany ? NumAttentionHeads : f.Value("num_key_value_heads", c.NumKeyValueHeads, FieldType.Size);
        HeadDim = f.Value("head_dim", c.HeadDim, FieldType.Size);
        HiddenAct = f.Name("hidden_act", c.HiddenAct, Activations);
        NormEps = f.Value("norm_eps", c.NormEps, FieldType.NotNegative);
        MaxPositionEmbeddings = f.Value("max_position_embeddings", c.MaxPositionEmbeddings, FieldType.Length);
        OriginalMaxPositionEmbeddings = f.Optional("original_max_position_embeddings", c.OriginalMaxPositionEmbeddings, FieldType.Length);
        RopeTheta = f.Value("rope_theta", c.RopeTheta, Theta);
        if (f.File is { } file)
            (RopeTheta, RopeScaling, OriginalMaxPositionEmbeddings) = RopeParser.Read(file, this, Theta);
        else
            RopeScaling = f.Part("rope_scaling", c.RopeScaling, part => new RopeScaling(c.RopeScaling ?? new RopeScaling(), part));
        InitializerRange = f.Value("initializer_range", c.InitializerRange, FieldType.NotNegative, isComputed: false);
    }

    /// <summary>Ids that are embedded: of text (encoder, default 256), or of audio per channel (decoder, default 1028).</summary>
    public int VocabSize { get; init; }

    /// <summary>Width of the residual stream. Default: encoder 1024, decoder 2048.</summary>
    public int HiddenSize { get; init; }

    /// <summary>Width of the MLP. Default: encoder 4096, decoder 8192.</summary>
    public int IntermediateSize { get; init; }

    /// <summary>Default: encoder 12, decoder 18.</summary>
    public int NumHiddenLayers { get; init; }

    /// <summary>Query heads of self-attention. Default 16.</summary>
    public int NumAttentionHeads { get; init; } = 16;

    /// <summary>
    /// Key and value heads of self-attention; divides num_attention_heads. Default: encoder 16, decoder 4; null in the file: num_attention_heads.
    /// </summary>
    public int NumKeyValueHeads { get; init; }

    /// <summary>Width of a self-attention head, even. Default 128.</summary>
    public int HeadDim { get; init; } = 128;

    /// <summary>The MLP's activation. Default silu.</summary>
    public HiddenActivation HiddenAct { get; init; } = HiddenActivation.Silu;

    /// <summary>Epsilon of every RMSNorm of the stack (used as float32). Default 1e-5.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary>Positions the plan is made for, a delay's rows not counted. Default: encoder 1024, decoder 3072.</summary>
    public int MaxPositionEmbeddings { get; init; }

    /// <summary><c>original_max_position_embeddings</c> beside max_position_embeddings (longrope reads it); null where the file has none.</summary>
    public int? OriginalMaxPositionEmbeddings { get; init; }

    /// <summary>Base of the rotary frequencies. Default 10000.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>How rotary frequencies are stretched. Default null: not at all.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Standard deviation of weights that no checkpoint sets. Default 0.02.</summary>
    public double InitializerRange { get; init; } = 0.02;
}

/// <summary><c>encoder_config</c> of a <see cref="DiaConfig"/>.</summary>
public sealed record DiaEncoderConfig : DiaStackConfig
{
    /// <summary>The released model's.</summary>
    public DiaEncoderConfig() =>
        (VocabSize, HiddenSize, IntermediateSize, NumHiddenLayers, NumKeyValueHeads, MaxPositionEmbeddings) = (256, 1024, 4096, 12, 16, 1024);

    internal DiaEncoderConfig(DiaEncoderConfig c, Fields f)
        : base(c, f)
    {
        f.ModelType("dia_encoder");
        if (f.File is { } file)
            DiaConfigParser.Check(file, this);
    }
}

/// <summary><c>decoder_config</c> of a <see cref="DiaConfig"/>.</summary>
public sealed record DiaDecoderConfig : DiaStackConfig
{
    private const int MaxChannels = 1024;

    /// <summary>The released model's.</summary>
    public DiaDecoderConfig() =>
        (VocabSize, HiddenSize, IntermediateSize, NumHiddenLayers, NumKeyValueHeads, MaxPositionEmbeddings) = (1028, 2048, 8192, 18, 4, 3072);

    internal DiaDecoderConfig(DiaDecoderConfig c, Fields f)
        : base(c, f)
    {
        f.ModelType("dia_decoder");
        NumChannels = f.Value("num_channels", c.NumChannels, FieldType.Integer(1, MaxChannels));
        CrossNumAttentionHeads = f.Value("cross_num_attention_heads", c.CrossNumAttentionHeads, FieldType.Size);
        CrossNumKeyValueHeads = f.Value("cross_num_key_value_heads", c.CrossNumKeyValueHeads, FieldType.Size);
        CrossHeadDim = f.Value("cross_head_dim", c.CrossHeadDim, FieldType.Size);
        CrossHiddenSize = f.Value("cross_hidden_size", c.CrossHiddenSize, FieldType.Size);
        UseCache = f.Value("use_cache", c.UseCache, FieldType.Boolean, isComputed: false);
        IsEncoderDecoder = f.Value("is_encoder_decoder", c.IsEncoderDecoder, FieldType.Boolean, isComputed: false);
        if (f.File is { } file)
            DiaConfigParser.Check(file, this);
    }

    /// <summary>Audio channels (codebooks). Default 9.</summary>
    public int NumChannels { get; init; } = 9;

    /// <summary>Query heads of cross-attention. Default 16.</summary>
    public int CrossNumAttentionHeads { get; init; } = 16;

    /// <summary>Key and value heads of cross-attention; divides cross_num_attention_heads. Default 16.</summary>
    public int CrossNumKeyValueHeads { get; init; } = 16;

    /// <summary>Width of a cross-attention head. Default 128.</summary>
    public int CrossHeadDim { get; init; } = 128;

    /// <summary>Width of the encoder's output: the encoder's hidden_size. Default 1024.</summary>
    public int CrossHiddenSize { get; init; } = 1024;

    /// <summary>Default true.</summary>
    public bool UseCache { get; init; } = true;

    /// <summary>Default true.</summary>
    public bool IsEncoderDecoder { get; init; } = true;
}
