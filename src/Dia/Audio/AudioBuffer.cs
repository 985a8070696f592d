namespace Dia.Audio;

/// <summary>Audio in memory: float32 samples, by convention in [-1, 1], channels interleaved.</summary>
public sealed class AudioBuffer
{
    /// <summary>Lowest sampling rate accepted, in Hz. A lower one would let a tiny file ask for a huge resampled signal.</summary>
    public const int MinSamplingRate = 1000;

    /// <summary>Highest sampling rate accepted, in Hz.</summary>
    public const int MaxSamplingRate = 1_000_000;

    /// <summary>Most samples, all channels together.</summary>
    public const int MaxSamples = 1 << 29;

    /// <summary>Wraps samples; the array is not copied.</summary>
    /// <param name="samples">[frames · channels], interleaved.</param>
    /// <param name="samplingRate">Frames a second, <see cref="MinSamplingRate"/> to <see cref="MaxSamplingRate"/>.</param>
    /// <param name="channels">At least 1.</param>
    /// <exception cref="DiaException">Input: rate or channels out of range, or a sample count that is not a multiple of the channels.</exception>
    public AudioBuffer(float[] samples, int samplingRate, int channels = 1)
    {
        ArgumentNullException.ThrowIfNull(samples);
        CheckSamplingRate(samplingRate);
        if (channels < 1)
            throw new DiaException(DiaErrorKind.Input, $"Audio has {channels} channels; it must have at least one.");
        if (samples.Length % channels != 0)
            throw new DiaException(DiaErrorKind.Input, $"{samples.Length} samples do not divide into {channels} channels.");
        Samples = samples;
        SamplingRate = samplingRate;
        Channels = channels;
    }

    /// <summary>The samples, [frames · channels].</summary>
    public float[] Samples { get; }

    /// <summary>Frames a second.</summary>
    public int SamplingRate { get; }

    /// <summary>Channels in a frame.</summary>
    public int Channels { get; }

    /// <summary>Samples of one channel.</summary>
    public int Frames => Samples.Length / Channels;

    /// <summary>The mean of the channels, [frames]; of a single channel the very array.</summary>
    public float[] ToMono()
    {
        if (Channels == 1)
            return Samples;
        var mono = new float[Frames];
        for (int i = 0; i < mono.Length; i++)
        {
            float sum = 0;
            for (int c = 0; c < Channels; c++)
                sum += Samples[i * Channels + c];
            mono[i] = sum / Channels;
        }
        return mono;
    }

    /// <summary>The mean of the channels, resampled where the rate is another.</summary>
    /// <param name="samplingRate">The rate wanted, in Hz.</param>
    /// <exception cref="DiaException">Input: as for <see cref="Resampler.Resample"/>.</exception>
    public float[] ToMono(int samplingRate) =>
        samplingRate == SamplingRate ? ToMono() : Resampler.Resample(ToMono(), SamplingRate, samplingRate);

    /// <summary>Writes it as WAV, FLAC or Opus, as the name ends, its channels averaged.</summary>
    /// <exception cref="DiaException">Usage: the path's ending promises another format. Output: the file cannot be written.</exception>
    public void Save(string path) => AudioWriter.Save(path, ToMono(), SamplingRate);

    internal static void CheckSamplingRate(int samplingRate)
    {
        if (samplingRate is < MinSamplingRate or > MaxSamplingRate)
            throw new DiaException(DiaErrorKind.Input, $"A sampling rate of {samplingRate} Hz is outside {MinSamplingRate} to {MaxSamplingRate} Hz.");
    }
}
