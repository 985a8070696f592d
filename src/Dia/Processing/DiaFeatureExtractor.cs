using Dia.Audio;
using Dia.Configuration;
using Dia.Text;
using Dia.Weights;

namespace Dia.Processing;

/// <summary>Brings audio into the codec's form: mono, one length for the batch, a multiple of the hop.</summary>
public sealed class DiaFeatureExtractor
{
    private const int MaxHop = 1 << 24;

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
        if (hopLength is < 1 or > MaxHop)
            throw new DiaException(DiaErrorKind.Usage, $"hopLength is {hopLength}; it must be between 1 and {MaxHop}.");
        AudioBuffer.CheckSamplingRate(samplingRate);
        FeatureSize = featureSize;
        SamplingRate = samplingRate;
        PaddingValue = paddingValue;
        HopLength = hopLength;
    }

    /// <summary>States its file's keys, each once.</summary>
    internal DiaFeatureExtractor(DiaFeatureExtractor e, Fields f)
    {
        f.Constant("feature_extractor_type", "\"DiaFeatureExtractor\"");
        FeatureSize = f.Value("feature_size", e.FeatureSize, FieldType.Integer(1, 2));
        HopLength = f.Value("hop_length", e.HopLength, FieldType.Integer(1, MaxHop));
        f.Constant("padding_side", "\"right\"");
        PaddingValue = (float)f.Value("padding_value", e.PaddingValue, FieldType.Number(_ => true, "a number that float32 holds"));
        f.Constant("processor_class", "\"DiaProcessor\"", isChecked: false);
        f.Constant("return_attention_mask", "true", isChecked: false); // The mask is always returned.
        SamplingRate = f.Value("sampling_rate", e.SamplingRate, FieldType.Integer(AudioBuffer.MinSamplingRate, AudioBuffer.MaxSamplingRate));
    }

    /// <summary>1 for mono, 2 for stereo (averaged to mono).</summary>
    public int FeatureSize { get; }

    /// <summary>The rate expected, in Hz.</summary>
    public int SamplingRate { get; }

    /// <summary>What padding is filled with.</summary>
    public float PaddingValue { get; }

    /// <summary>Samples in one frame of the codec.</summary>
    public int HopLength { get; }

    /// <summary>Its <c>preprocessor_config.json</c>, as version 4.56.2 of the reference writes it.</summary>
    public string ToJson() => CanonicalJson.Write(FieldList.Of(f => new DiaFeatureExtractor(this, f)));

    /// <summary>The extractor of a <c>preprocessor_config.json</c>, and everything that is wrong with it.</summary>
    /// <param name="json">The file's text.</param>
    public static ConfigurationResult<DiaFeatureExtractor> Parse(string json) => ConfigurationFile.Read(json).Parse(null, ProblemSeverity.Warning, Read);

    /// <summary>The extractor of a folder's preprocessor_config.json, or of the processor_config.json of newer versions.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: missing or malformed; the message has file, line and column.</exception>
    public static DiaFeatureExtractor FromPretrained(ModelFolder folder, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return DiaProcessor.ReadExtractor(folder, warnings).Extractor;
    }

    /// <summary>Writes its preprocessor_config.json.</summary>
    /// <param name="folder">The folder, made if need be.</param>
    /// <exception cref="DiaException">Output: it cannot be written, or the folder has a newer version's file, which would be read in its place.</exception>
    public void SavePretrained(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        using CheckpointWriter writer = DiaProcessor.Begin(folder, this);
        writer.Commit();
    }

    /// <summary>The extractor of an object of a file.</summary>
    internal static DiaFeatureExtractor Read(ObjectReader file)
    {
        var extractor = new DiaFeatureExtractor(new DiaFeatureExtractor(), file);
        file.Finish(key => key is "auto_map" or "transformers_version" or "_processor_class");
        return extractor;
    }

    /// <summary>Averages, truncates and pads a recording: a batch of one.</summary>
    /// <param name="audio">The recording; the samples are neither checked nor clipped.</param>
    /// <param name="options">How; null: up to a multiple of the hop.</param>
    /// <exception cref="DiaException">Input: wrong rate or channels. Usage: options that contradict each other.</exception>
    public DiaFeatures Extract(AudioBuffer audio, FeatureOptions? options = null) => Extract([audio], options);

    /// <summary>Averages, truncates and pads a batch.</summary>
    /// <param name="audio">The batch; the samples are neither checked nor clipped.</param>
    /// <param name="options">How; null: to the longest, up to a multiple of the hop.</param>
    /// <exception cref="DiaException">Input: wrong rate or channels, or too much. Usage: options that contradict each other.</exception>
    public DiaFeatures Extract(IReadOnlyList<AudioBuffer> audio, FeatureOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(audio);
        if (audio.Contains(null!))
            throw new ArgumentException("One of the pieces of audio is null.", nameof(audio));
        options ??= new FeatureOptions();
        options.Check();
        float[][] mono = [.. audio.Select(ToMono)];
        long limit = options.MaxLength is int given ? RoundUp(given) : 0;
        int[] lengths = [.. mono.Select(x => options.Truncation ? (int)Math.Min(x.Length, limit) : x.Length)];
        long target = options.Padding switch
        {
            null or PaddingStrategy.Longest => lengths.Length == 0 ? 0 : RoundUp(lengths.Max()),
            PaddingStrategy.MaxLength => limit,
            _ => 0,
        };
        // Audio longer than the target stays as it is.
        long total = lengths.Sum(n => Math.Max(n, target));
        if (total > AudioBuffer.MaxSamples)
            throw new DiaException(DiaErrorKind.Input,
                $"The padded batch of {lengths.Length} items would hold {total} samples; at most {AudioBuffer.MaxSamples} in all. Cut the audio.");
        return new DiaFeatures(
            [.. mono.Select((x, i) => Pad(x.AsSpan(0, lengths[i]), (int)target, PaddingValue))],
            [.. lengths.Select(n => Pad<int>([.. Enumerable.Repeat(1, n)], (int)target, 0))]);
    }

    private static T[] Pad<T>(ReadOnlySpan<T> values, int length, T padding)
    {
        var padded = new T[Math.Max(values.Length, length)];
        values.CopyTo(padded);
        padded.AsSpan(values.Length).Fill(padding);
        return padded;
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

    private long RoundUp(long length) => (length + HopLength - 1) / HopLength * HopLength;
}
