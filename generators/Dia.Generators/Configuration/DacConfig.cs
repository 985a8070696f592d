namespace Dia.Configuration;

/// <summary>The configuration of a DAC codec: <c>config.json</c> with <c>model_type</c> <c>dac</c>. Names are the reference's.</summary>
public sealed record DacConfig
{
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
    public EquatableArray<int> UpsamplingRatios
    {
        get
        {
            int[] ratios = DownsamplingRatios.ToArray();
            Array.Reverse(ratios);
            return ratios;
        }
    }

    /// <summary>Channels of the latent: encoder_hidden_size · 2^(number of ratios).</summary>
    /// <exception cref="OverflowException">Out of int's range (never for a parsed configuration).</exception>
    public int HiddenSize => DownsamplingRatios.Aggregate(EncoderHiddenSize, (size, _) => checked(size * 2));

    /// <summary>Samples per frame: the product of the ratios.</summary>
    /// <exception cref="OverflowException">Out of int's range (never for a parsed configuration).</exception>
    public int HopLength => DownsamplingRatios.Aggregate(1, (product, ratio) => checked(product * ratio));

    /// <summary>Frames of a second of sound.</summary>
    public double FrameRate => SamplingRate / (double)HopLength;
}
