namespace Dia.Configuration;

/// <summary>The configuration of a DAC codec: <c>config.json</c> with <c>model_type</c> <c>dac</c>. Names are the reference's.</summary>
public sealed record DacConfig
{
    /// <summary>Most samples per frame.</summary>
    internal const int MaxHop = 1 << 20;

    internal static readonly FieldType<int> Hop = FieldType.Integer(1, MaxHop);

    private const int MaxCodebooks = 1024;
    private const int MaxRate = 1 << 24;

    /// <summary>The reference's defaults.</summary>
    public DacConfig()
    {
    }

    internal DacConfig(DacConfig c, Fields f)
    {
        f.ModelType("dac");
        f.Architecture("DacModel");
        EncoderHiddenSize = f.Value("encoder_hidden_size", c.EncoderHiddenSize, FieldType.Size);
        DownsamplingRatios = f.List("downsampling_ratios", c.DownsamplingRatios, Hop);
        DecoderHiddenSize = f.Value("decoder_hidden_size", c.DecoderHiddenSize, FieldType.Size);
        NCodebooks = f.Value("n_codebooks", c.NCodebooks, FieldType.Integer(1, MaxCodebooks));
        CodebookSize = f.Value("codebook_size", c.CodebookSize, FieldType.Size);
        CodebookDim = f.Value("codebook_dim", c.CodebookDim, FieldType.Size);
        QuantizerDropout = f.Value("quantizer_dropout", c.QuantizerDropout, FieldType.Fraction, isComputed: false);
        CommitmentLossWeight = f.Value("commitment_loss_weight", c.CommitmentLossWeight, FieldType.NotNegative, isComputed: false);
        CodebookLossWeight = f.Value("codebook_loss_weight", c.CodebookLossWeight, FieldType.NotNegative, isComputed: false);
        SamplingRate = f.Value("sampling_rate", c.SamplingRate, FieldType.Integer(1, MaxRate));
        f.Derived("upsampling_ratios", () => UpsamplingRatios);
        f.Derived("hidden_size", () => HiddenSize);
        f.Derived("hop_length", () => HopLength);
    }

    /// <summary>Channels after the encoder's first convolution. Default 64.</summary>
    public int EncoderHiddenSize { get; init; } = 64;

    /// <summary>Strides of the encoder's blocks. Default 2, 4, 8, 8.</summary>
    public EquatableArray<int> DownsamplingRatios { get; init; } = new(2, 4, 8, 8);

    /// <summary>Channels after the decoder's first convolution; halved (rounded down) by each block. Default 1536.</summary>
    public int DecoderHiddenSize { get; init; } = 1536;

    /// <summary>Codebooks. Default 9.</summary>
    public int NCodebooks { get; init; } = 9;

    /// <summary>Entries of a codebook, a power of two. Default 1024.</summary>
    public int CodebookSize { get; init; } = 1024;

    /// <summary>Width of a codebook entry. Default 8.</summary>
    public int CodebookDim { get; init; } = 8;

    /// <summary>Training: probability that quantizers are dropped. Default 0.</summary>
    public double QuantizerDropout { get; init; }

    /// <summary>Training: weight of the commitment loss. Default 0.25.</summary>
    public double CommitmentLossWeight { get; init; } = 0.25;

    /// <summary>Training: weight of the codebook loss. Default 1.</summary>
    public double CodebookLossWeight { get; init; } = 1;

    /// <summary>Samples per second. Default 16000.</summary>
    public int SamplingRate { get; init; } = 16000;

    /// <summary>Strides of the decoder's blocks: the downsampling ratios reversed.</summary>
    public EquatableArray<int> UpsamplingRatios => DownsamplingRatios.Reverse().ToArray();

    /// <summary>Channels of the latent: encoder_hidden_size · 2^(number of ratios).</summary>
    /// <exception cref="OverflowException">Out of int's range (never for a parsed configuration).</exception>
    public int HiddenSize => DownsamplingRatios.Aggregate(EncoderHiddenSize, (size, _) => checked(size * 2));

    /// <summary>Samples per frame: the product of the ratios.</summary>
    /// <exception cref="OverflowException">Out of int's range (never for a parsed configuration).</exception>
    public int HopLength => DownsamplingRatios.Aggregate(1, (product, ratio) => checked(product * ratio));

    /// <summary>Frames of a second of sound.</summary>
    public double FrameRate => SamplingRate / (double)HopLength;
}
