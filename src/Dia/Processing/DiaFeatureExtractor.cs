using Dia.Audio;
using Dia.Text;

namespace Dia.Processing;

/// <summary>Brings audio into the codec's form: mono, one length for the batch, a multiple of the hop.</summary>
public sealed class DiaFeatureExtractor
{
    /// <summary>An extractor for one codec.</summary>
    /// <param name="featureSize">1: mono is expected; 2: several channels are averaged.</param>
    /// <param name="samplingRate">The rate expected, in Hz (the released model's codec: 44100).</param>
    /// <param name="paddingValue">What padding is filled with.</param>
    /// <param name="hopLength">Lengths are rounded up to a multiple of this many samples.</param>
    /// <exception cref="DiaException">Usage: an argument is out of range.</exception>
    public DiaFeatureExtractor(int featureSize = 1, int samplingRate = 16000, float paddingValue = 0f, int hopLength = 512)
    {
        if (featureSize is not (1 or 2))
            throw new DiaException(DiaErrorKind.Usage, $"featureSize is {featureSize}; it must be 1 (mono) or 2 (stereo).");
        if (hopLength is < 1 or > 1 << 24)
            throw new DiaException(DiaErrorKind.Usage, $"hopLength is {hopLength}; it must be between 1 and {1 << 24}.");
        AudioBuffer.CheckSamplingRate(samplingRate);
        FeatureSize = featureSize;
        SamplingRate = samplingRate;
        PaddingValue = paddingValue;
        HopLength = hopLength;
    }

    /// <summary>1 for mono, 2 for stereo (averaged to mono).</summary>
    public int FeatureSize { get; }

    /// <summary>The rate expected, in Hz.</summary>
    public int SamplingRate { get; }

    /// <summary>What padding is filled with.</summary>
    public float PaddingValue { get; }

    /// <summary>Samples in one frame of the codec.</summary>
    public int HopLength { get; }

    /// <summary>Averages, truncates and pads a batch.</summary>
    /// <param name="audio">The batch; the samples are neither checked nor clipped.</param>
    /// <param name="padding">Null: to the longest. The padded length is rounded up to the hop; without padding nothing is rounded.</param>
    /// <param name="truncation">Whether to cut to <paramref name="maxLength"/>, itself rounded up to the hop.</param>
    /// <param name="maxLength">In samples.</param>
    /// <exception cref="DiaException">Input: wrong rate or channels, or lengths that differ and were not to be padded. Usage: arguments that contradict each
    /// other.</exception>
    public DiaFeatures Extract(
        IReadOnlyList<AudioBuffer> audio, PaddingStrategy? padding = null, bool truncation = false, int? maxLength = null)
    {
        ArgumentNullException.ThrowIfNull(audio);
        if (audio.Contains(null!))
            throw new ArgumentException("One of the pieces of audio is null.", nameof(audio));
        CheckOptions(padding, truncation, maxLength);
        float[][] mono = [.. audio.Select(ToMono)];
        long? limit = maxLength is int given ? RoundUp(given) : null;
        int[] lengths = [.. mono.Select(x => truncation ? (int)Math.Min(x.Length, limit!.Value) : x.Length)];
        int longest = lengths.Length == 0 ? 0 : lengths.Max();
        long target = (padding ?? PaddingStrategy.Longest) switch
        {
            PaddingStrategy.Longest => RoundUp(longest),
            PaddingStrategy.MaxLength => limit!.Value,
            _ => 0,
        };
        // Audio longer than the target stays as it is.
        long length = Math.Max(longest, target);
        if (Array.Exists(lengths, n => Math.Max(n, target) != length))
            throw new DiaException(DiaErrorKind.Input, "The audio of the batch has different lengths: set padding or truncation so that they become one.");
        if (length * lengths.Length > AudioBuffer.MaxSamples)
            throw new DiaException(DiaErrorKind.Input,
                $"The padded batch would hold {length} samples for each of {lengths.Length} items; at most {AudioBuffer.MaxSamples} in all. Cut the audio.");
        return Fill(mono, lengths, (int)length);
    }

    private DiaFeatures Fill(float[][] mono, int[] lengths, int length)
    {
        var values = new float[mono.Length, 1, length];
        var mask = new int[mono.Length, length];
        for (int b = 0; b < mono.Length; b++)
        {
            for (int i = 0; i < length; i++)
            {
                bool real = i < lengths[b];
                values[b, 0, i] = real ? mono[b][i] : PaddingValue;
                mask[b, i] = real ? 1 : 0;
            }
        }
        return new DiaFeatures(values, mask);
    }

    private float[] ToMono(AudioBuffer audio)
    {
        if (audio.SamplingRate != SamplingRate)
        {
            throw new DiaException(
                DiaErrorKind.Input,
                $"The audio has a sampling rate of {audio.SamplingRate} Hz but this feature extractor was made for {SamplingRate} Hz. Resample it first (Resampler.Resample).");
        }
        if (FeatureSize == 1 && audio.Channels != 1)
            throw new DiaException(DiaErrorKind.Input,
                $"Expected mono audio but it has {audio.Channels} channels. Average them (AudioBuffer.ToMono) or set featureSize to 2.");
        return audio.ToMono();
    }

    private static void CheckOptions(PaddingStrategy? padding, bool truncation, int? maxLength)
    {
        string? wrong =
            truncation && padding is not (null or PaddingStrategy.DoNotPad) ? "Both padding and truncation were set; set only one."
            : padding == PaddingStrategy.MaxLength && maxLength is null ? "padding is MaxLength: give maxLength too."
            : truncation && maxLength is null ? "truncation is on: give maxLength too."
            : maxLength < 1 ? $"maxLength is {maxLength}; it must be at least 1."
            : null;
        if (wrong is not null)
            throw new DiaException(DiaErrorKind.Usage, wrong);
    }

    private long RoundUp(long length) => (length + HopLength - 1) / HopLength * HopLength;
}
