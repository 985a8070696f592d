using Dia.Cli.Options;

namespace Dia.Cli.Output;

/// <summary>How sound is written.</summary>
/// <param name="Format">As what.</param>
/// <param name="Rate">Samples a second; null: the codec's.</param>
/// <param name="Lufs">How loud; null: as it is.</param>
/// <param name="TagsWav">Whether a WAV too says what is in it.</param>
internal sealed record SoundForm(AudioFormat Format, int? Rate, double? Lufs, bool TagsWav)
{
    private const int OpusRate = 48000;

    /// <summary>Reads the options.</summary>
    /// <param name="line">The options.</param>
    /// <param name="path">Where the sound goes; its ending says the format, unless it is a device or a pipe. Null, "-": nothing says it.</param>
    /// <param name="nameIsFirst">Whether --format is for sounds without a name, and may say something else than this one.</param>
    /// <exception cref="DiaException">Usage: options or names that contradict each other.</exception>
    public static SoundForm Read(CommandLine line, string? path, bool nameIsFirst = false)
    {
        bool raw = line.Has(DiaOptions.Raw), tags = line.Has(DiaOptions.Tags), isFormatTyped = line.IsTyped(DiaOptions.SoundFormat);
        if (raw && (tags || isFormatTyped))
            throw CommandLine.Usage($"{DiaOptions.Raw.Name} writes samples alone: leave out {(tags ? DiaOptions.Tags : (OptionSpec)DiaOptions.SoundFormat).Name}.");
        double? lufs = line.GetValue(DiaOptions.Lufs);
        if (lufs is not null && line.Has(DiaOptions.Play))
            throw CommandLine.Usage($"{DiaOptions.Play.Name} plays the speech while it is made, {DiaOptions.Lufs.Name} needs all of it: give one of them.");
        AudioFormat? named = raw ? AudioFormat.Raw : Named(path), asked = line.Get(DiaOptions.SoundFormat) switch
        {
            "flac" => AudioFormat.Flac,
            "opus" => AudioFormat.Opus,
            "wav" => AudioFormat.Wav,
            _ => null,
        };
        if (!raw && named is not null && isFormatTyped && !nameIsFirst && named != asked)
            throw CommandLine.Usage($"{path} and {DiaOptions.SoundFormat.Name} {line.Get(DiaOptions.SoundFormat)} say two formats: give one of them.");
        AudioFormat format = named ?? asked ?? AudioFormat.Wav;
        int? rate = line.GetValue(DiaOptions.SoundRate);
        if (format == AudioFormat.Opus && rate is not (null or OpusRate))
            throw CommandLine.Usage($"Opus always has {OpusRate} samples a second: leave out {DiaOptions.SoundRate.Name}.");
        return new SoundForm(format, rate, lufs, tags);
    }

    /// <summary>What a file says of the speech in it; null: nothing.</summary>
    /// <param name="text">What is said; null: not known.</param>
    /// <param name="seed">The seed; null: not known.</param>
    public AudioTags? Tags(string? text, ulong? seed) => Format is AudioFormat.Flac or AudioFormat.Opus || TagsWav
        ? new AudioTags($"dia {BuildInfo.Version}", text is null ? null : AudioTags.TitleOf(text), seed) : null;

    private static AudioFormat? Named(string? path)
    {
        if (path is null or "-" || AtomicFile.IsWrittenInPlace(path))
            return null;
        string target = OutputNames.Target(path);
        AudioFormat? named = AudioWriter.FormatOf(path), led = AudioWriter.FormatOf(target);
        return named is null || led is null || named == led ? named ?? led
            : throw CommandLine.Usage($"{path} is a link to {target}: the two names say two formats.");
    }
}

/// <summary>Writes sound in the form that is asked for: its loudness set, resampled, as a file of a format.</summary>
internal sealed class SoundWriter : IDisposable
{
    private readonly Stream _stream;
    private readonly SoundForm _form;
    private readonly int _samplingRate;
    private readonly AudioTags? _tags;
    private readonly Action<string> _note;
    private readonly StreamResampler? _resampler;
    private readonly System.Buffers.ArrayBufferWriter<float>? _all;
    private AudioWriter? _writer;

    /// <summary>Begins the file; where the loudness is set, with the end of the sound.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="form">The form.</param>
    /// <param name="samplingRate">The rate of what comes.</param>
    /// <param name="tags">What the file says; null: nothing.</param>
    /// <param name="note">Takes what there is to say of the loudness.</param>
    /// <exception cref="DiaException">Usage: a loudness at so low a rate. Output.</exception>
    public SoundWriter(Stream stream, SoundForm form, int samplingRate, AudioTags? tags, Action<string> note)
    {
        (_stream, _form, _samplingRate, _tags, _note) = (stream, form, samplingRate, tags, note);
        if (form.Lufs is not null && samplingRate < Loudness.LowestRate)
            throw CommandLine.Usage(Format.Text($"{DiaOptions.Lufs.Name} is measured from {Loudness.LowestRate} Hz on; the codec has {samplingRate}."));
        if (form.Rate is { } rate && rate != samplingRate)
            _resampler = new StreamResampler(samplingRate, rate, samples => _writer!.Write(samples));
        if (form.Lufs is null)
            Begin();
        else
            _all = new System.Buffers.ArrayBufferWriter<float>();
    }

    /// <summary>Takes the next samples.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Write(ReadOnlySpan<float> samples)
    {
        if (_all is null)
            Put(samples);
        else
            System.Buffers.BuffersExtensions.Write(_all, samples);
    }

    /// <summary>Hands on what is complete.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Flush() => _writer?.Flush();

    /// <summary>The sound is complete: writes the rest of the file.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Finish()
    {
        if (_all is not null)
        {
            float[] samples = _all.WrittenSpan.ToArray();
            SetLoudness(samples, _samplingRate, _form.Lufs!.Value, _note);
            Begin();
            Put(samples);
        }

        _resampler?.Finish();
        _writer!.Dispose();
    }

    /// <summary>Ends the file as it is.</summary>
    public void Dispose() => _writer?.Dispose();

    /// <summary>Makes samples as loud as asked; says where that is not possible.</summary>
    public static void SetLoudness(float[] samples, int samplingRate, double lufs, Action<string> note)
    {
        var audio = new AudioBuffer(samples, samplingRate);
        double gain = Loudness.Gain(audio, lufs, out bool isLimited);
        for (int i = 0; i < samples.Length; i++)
            samples[i] = (float)(samples[i] * gain);
        if (isLimited)
            note(Format.Text($"the sound is {Loudness.Measure(audio):0.0} LUFS loud, not {lufs:0.0}: its peaks would be above -1 dBFS."));
    }

    private void Begin() => _writer = AudioWriter.Create(_stream, _form.Format, _form.Rate ?? _samplingRate, _tags);

    private void Put(ReadOnlySpan<float> samples)
    {
        if (_resampler is null)
            _writer!.Write(samples);
        else
            _resampler.Write(samples);
    }
}
