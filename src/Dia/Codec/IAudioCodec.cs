namespace Dia.Codec;

/// <summary>A neural audio codec: mono audio to rows of codes and back. <see cref="DacModel"/> is one, for any number of threads.</summary>
public interface IAudioCodec
{
    /// <summary>Samples a second.</summary>
    int SamplingRate { get; }

    /// <summary>Samples in one frame.</summary>
    int HopLength { get; }

    /// <summary>Codes in one frame.</summary>
    int Codebooks { get; }

    /// <summary>Encodes samples (a multiple of <see cref="HopLength"/>, at least one frame) to codes [frames, codebooks].</summary>
    int[,] Encode(ReadOnlySpan<float> samples);

    /// <summary>Decodes codes [frames, codebooks] (at least one frame) to samples.</summary>
    /// <exception cref="DiaException">Input: a code is outside its codebook.</exception>
    float[] Decode(int[,] codes);
}
