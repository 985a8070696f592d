namespace Dia.Configuration;

/// <summary>The configuration of a Dia model: <c>config.json</c> with <c>model_type</c> <c>dia</c>. Names are the reference's.</summary>
public sealed record DiaConfig
{
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

    /// <summary>Rows by which each channel is delayed; as long as num_channels. Default 0, 8, 9, ... 15.</summary>
    public EquatableArray<int> DelayPattern { get; init; } = new(0, 8, 9, 10, 11, 12, 13, 14, 15);

    /// <summary>Standard deviation of weights that no checkpoint sets. Default 0.02.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Default true.</summary>
    public bool UseCache { get; init; } = true;

    /// <summary>Most rows of a sequence, the delay's included.</summary>
    public int RowCapacity => DecoderConfig.MaxPositionEmbeddings + DelayPattern.Max();
}

/// <summary><c>encoder_config</c> of a <see cref="DiaConfig"/>.</summary>
public sealed record DiaEncoderConfig
{
    /// <summary>Positions the plan is made for. Default 1024.</summary>
    public int MaxPositionEmbeddings { get; init; } = 1024;

    /// <summary><c>original_max_position_embeddings</c> beside max_position_embeddings (longrope reads it); null where the file has none.</summary>
    public int? OriginalMaxPositionEmbeddings { get; init; }

    /// <summary>Default 12.</summary>
    public int NumHiddenLayers { get; init; } = 12;

    /// <summary>Width of the residual stream. Default 1024.</summary>
    public int HiddenSize { get; init; } = 1024;

    /// <summary>Query heads. Default 16.</summary>
    public int NumAttentionHeads { get; init; } = 16;

    /// <summary>Key and value heads; divides num_attention_heads. Default 16; null in the file: num_attention_heads.</summary>
    public int NumKeyValueHeads { get; init; } = 16;

    /// <summary>Width of a head, even. Default 128.</summary>
    public int HeadDim { get; init; } = 128;

    /// <summary>Width of the MLP. Default 4096.</summary>
    public int IntermediateSize { get; init; } = 4096;

    /// <summary>Epsilon of every RMSNorm of the encoder (used as float32). Default 1e-5.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary>Number of text ids. Default 256.</summary>
    public int VocabSize { get; init; } = 256;

    /// <summary>The MLP's activation. Default silu.</summary>
    public HiddenActivation HiddenAct { get; init; } = HiddenActivation.Silu;

    /// <summary>Base of the rotary frequencies. Default 10000.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>How rotary frequencies are stretched. Default null: not at all.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Standard deviation of weights that no checkpoint sets. Default 0.02.</summary>
    public double InitializerRange { get; init; } = 0.02;
}

/// <summary><c>decoder_config</c> of a <see cref="DiaConfig"/>.</summary>
public sealed record DiaDecoderConfig
{
    /// <summary>Positions the plan is made for, the delay's rows not counted. Default 3072.</summary>
    public int MaxPositionEmbeddings { get; init; } = 3072;

    /// <summary><c>original_max_position_embeddings</c> beside max_position_embeddings (longrope reads it); null where the file has none.</summary>
    public int? OriginalMaxPositionEmbeddings { get; init; }

    /// <summary>Default 18.</summary>
    public int NumHiddenLayers { get; init; } = 18;

    /// <summary>Width of the residual stream. Default 2048.</summary>
    public int HiddenSize { get; init; } = 2048;

    /// <summary>Width of the MLP. Default 8192.</summary>
    public int IntermediateSize { get; init; } = 8192;

    /// <summary>Query heads of self-attention. Default 16.</summary>
    public int NumAttentionHeads { get; init; } = 16;

    /// <summary>Key and value heads of self-attention; divides num_attention_heads. Default 4; null in the file: num_attention_heads.</summary>
    public int NumKeyValueHeads { get; init; } = 4;

    /// <summary>Width of a self-attention head, even. Default 128.</summary>
    public int HeadDim { get; init; } = 128;

    /// <summary>Query heads of cross-attention. Default 16.</summary>
    public int CrossNumAttentionHeads { get; init; } = 16;

    /// <summary>Width of a cross-attention head. Default 128.</summary>
    public int CrossHeadDim { get; init; } = 128;

    /// <summary>Key and value heads of cross-attention; divides cross_num_attention_heads. Default 16.</summary>
    public int CrossNumKeyValueHeads { get; init; } = 16;

    /// <summary>Width of the encoder's output: the encoder's hidden_size. Default 1024.</summary>
    public int CrossHiddenSize { get; init; } = 1024;

    /// <summary>Epsilon of every RMSNorm of the decoder (used as float32). Default 1e-5.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary>Number of audio ids per channel. Default 1028.</summary>
    public int VocabSize { get; init; } = 1028;

    /// <summary>The MLP's activation. Default silu.</summary>
    public HiddenActivation HiddenAct { get; init; } = HiddenActivation.Silu;

    /// <summary>Audio channels (codebooks). Default 9.</summary>
    public int NumChannels { get; init; } = 9;

    /// <summary>Base of the rotary frequencies. Default 10000.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>How rotary frequencies are stretched. Default null: not at all.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Standard deviation of weights that no checkpoint sets. Default 0.02.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Default true.</summary>
    public bool UseCache { get; init; } = true;

    /// <summary>Default true.</summary>
    public bool IsEncoderDecoder { get; init; } = true;
}
