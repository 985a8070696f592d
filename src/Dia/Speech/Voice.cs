using Dia.Audio;
using Dia.Codec;
using Dia.Configuration;
using Dia.IO;
using Dia.Text;
using Dia.Weights;

namespace Dia.Speech;

/// <summary>
/// A voice to speak with: what a codec made of a recording, and what is said in it. Its codes are a <see cref="Utterance.Prompt"/>, its
/// transcript stands in front of the text. Kept in a file it need not be encoded again.
/// </summary>
/// <param name="Codes">The recording's codes [frames, codebooks].</param>
/// <param name="Transcript">What is said in it, speaker tags included.</param>
/// <param name="Codec">The codec that made them; null: not known.</param>
/// <exception cref="ArgumentNullException">There are no codes, or no transcript.</exception>
public sealed record Voice(int[,] Codes, string Transcript, CodecIdentity? Codec)
{
    private const string Format = "dia-voice-2";
    private const string FormatKey = "format", TranscriptKey = "transcript", CodecKey = "codec", CodesName = "codes";

    /// <summary>A recording whose root mean square is below this (60 dB under full scale) is silence, or the noise of an open line.</summary>
    internal const float Silence = 0.001f;

    // Full scale is 1. A little more is common in float recordings; far more is no sound but whole numbers in float samples.
    private const float HighPeak = 1.5f, IntegerPeak = 8;

    /// <summary>Most seconds of a recording that are looked at: far more than any model holds, and little memory.</summary>
    private const int MaxSeconds = 600;

    // More than any model's rows; a file cannot ask for more memory than its own size either way.
    private const int MostFrames = 1 << 20, MaxTranscript = 1 << 20, MaxChannels = 64, MaxCodecSamples = 1 << 10, MaxGeometry = 200;

    private int[]? _transcriptIds;

    /// <summary>What was spoken, as a voice to go on in.</summary>
    internal Voice(int[,] codes, ScriptPiece piece)
        : this(codes, piece.Text, null) => _transcriptIds = [.. piece.Ids, ' '];

    /// <summary>The recording's codes [frames, codebooks].</summary>
    public int[,] Codes { get; init; } = Codes ?? throw new ArgumentNullException(nameof(Codes));

    /// <summary>What is said in it, speaker tags included; empty: the text that is to be spoken begins with it.</summary>
    public string Transcript { get; } = Transcript ?? throw new ArgumentNullException(nameof(Transcript));

    /// <summary>What the model is given before a text: the transcript's ids and a space's; none where there is no transcript.</summary>
    /// <exception cref="DiaException">Input: the transcript holds half of a surrogate pair.</exception>
    public int[] TranscriptIds => _transcriptIds ??= Transcript.Length == 0 ? [] : new DiaTokenizer().Encode(Transcript + " ");

    /// <summary>Frames of a voice that leave a model room for a frame of speech.</summary>
    public static int MaxFrames(DiaConfig model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.DecoderConfig.MaxPositionEmbeddings - 3;
    }

    /// <summary>
    /// Encodes a recording: averaged to mono, resampled, padded with silence to whole frames, as <see cref="DacModel.Encode(AudioBuffer, int?)"/> does.
    /// </summary>
    /// <param name="audio">The recording.</param>
    /// <param name="transcript">What is said in it.</param>
    /// <param name="codec">The codec.</param>
    /// <param name="name">What to call the recording in messages.</param>
    /// <param name="maxFrames">Frames that can be used at most.</param>
    /// <exception cref="DiaException">
    /// Input: no samples, samples that are not finite or far above full scale, silence once the channels are averaged, or more than can be used.
    /// </exception>
    public static Voice Encode(AudioBuffer audio, string transcript, DacModel codec, string name, int maxFrames)
    {
        ArgumentNullException.ThrowIfNull(transcript);
        CheckRecording(audio, codec, name, maxFrames);
        return new Voice(codec.Encode(audio), transcript, codec.Identity);
    }

    /// <summary>Refuses a recording that is no voice to speak with, without encoding it.</summary>
    /// <param name="audio">The recording.</param>
    /// <param name="codec">The codec that is to encode it.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <param name="maxFrames">Frames that can be used at most.</param>
    /// <returns>The frames it will have.</returns>
    /// <exception cref="DiaException">Input: as for <see cref="Encode"/>.</exception>
    public static int CheckRecording(AudioBuffer audio, DacModel codec, string name, int maxFrames)
    {
        ArgumentNullException.ThrowIfNull(audio);
        ArgumentNullException.ThrowIfNull(codec);
        if (audio.Frames == 0)
            throw Error($"{name} holds no samples: give a recording of some seconds of speech.");
        double seconds = (double)audio.Frames / audio.SamplingRate, most = (double)maxFrames * codec.HopLength / codec.SamplingRate;
        if (seconds > Math.Min(most, MaxSeconds))
            throw Error(
                $"{name} is {seconds:0.0} s long; the model takes at most {Math.Min(most, MaxSeconds):0.0} s of a voice. Cut it: 5 to 10 s of clear speech are best.");
        CheckLevel(audio, name);
        CheckSilence(audio, name);
        long samples = ((long)audio.Frames * codec.SamplingRate + audio.SamplingRate - 1) / audio.SamplingRate;
        int frames = (int)((samples + codec.HopLength - 1) / codec.HopLength);
        if (frames > maxFrames) // Less than a frame more.
            throw Error(
                $"{name} has {frames} frames; the model takes at most {maxFrames} ({most:0.0} s) of a voice. Cut it: 5 to 10 s of clear speech are best.");
        return frames;
    }

    /// <summary>Refuses samples that are no sound: not finite, or whole numbers that were stored as float.</summary>
    /// <param name="audio">The recording.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <param name="warnings">Takes a peak that is above full scale and may be meant.</param>
    /// <exception cref="DiaException">Input.</exception>
    public static void CheckLevel(AudioBuffer audio, string name, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(audio);
        float peak = 0;
        foreach (float sample in audio.Samples)
        {
            if (!float.IsFinite(sample))
                throw Error($"{name} holds a sample that is not a finite number: it is damaged. Export it again.");
            peak = Math.Max(peak, Math.Abs(sample));
        }

        if (peak > IntegerPeak)
            throw Error(
                $"{name} has a peak of {peak:0.##} where full scale is 1: whole numbers were stored as float samples. Divide them by their full scale (32768 for 16 bits), or export the recording again.");
        if (peak > HighPeak)
            warnings?.Add(Text($"{name} has a peak of {peak:0.##} where full scale is 1: it is taken as it is, which may distort the voice. Make it quieter."));
    }

    /// <summary>Refuses what nobody speaks in, and channels that cancel each other.</summary>
    internal static void CheckSilence(AudioBuffer audio, string name)
    {
        if (Level(audio.ToMono()) >= Silence)
            return;
        throw audio.Channels > 1 && Level(audio.Samples) >= Silence
            ? Error($"{name} is silent once its {audio.Channels} channels are mixed: they cancel each other, one is another turned over. Keep one of them, for example with: ffmpeg -i IN -af \"pan=mono|c0=c0\" OUT.wav")
            : Error($"{name} is silent: give a recording in which someone speaks.");
    }

    /// <summary>The root mean square around the mean: a constant cannot be heard.</summary>
    private static double Level(ReadOnlySpan<float> samples)
    {
        double sum = 0, squares = 0;
        foreach (float sample in samples)
            (sum, squares) = (sum + sample, squares + (double)sample * sample);
        double mean = sum / samples.Length;
        return Math.Sqrt(Math.Max(0, squares / samples.Length - mean * mean));
    }

    /// <summary>Reads a voice file.</summary>
    /// <exception cref="DiaException">Input: no such file, no voice file, or a malformed one.</exception>
    public static Voice Load(string path)
    {
        FileContent.Refuse(path, "a voice file (as `dia voice` makes them)", DiaErrorKind.Input, FileContentKind.Voice, FileContentKind.Tensors);
        using var file = SafetensorsFile.Open(path, DiaErrorKind.Input);
        if (!file.Metadata.TryGetValue(FormatKey, out string? format) || format != Format || !file.Metadata.TryGetValue(TranscriptKey, out string? transcript))
            throw Error($"{path} is not a voice file. Make one with: dia voice IN.wav --text \"[S1] What is said in it.\" -o FILE");
        StoredTensor tensor = file[CodesName];
        if (tensor.DType != SafetensorsDType.I16 || tensor.Shape.Length != 2 || tensor.Shape[0] is < 1 or > MostFrames
            || tensor.Shape[1] is < 1 or > MaxChannels)
            throw Error(
                $"{path}: codes is {tensor.DType} [{string.Join(", ", tensor.Shape)}]; a voice has I16 [frames, codebooks], at least one frame. The file is damaged: make it again.");
        if (transcript.Length is 0 or > MaxTranscript)
            throw Error($"{path}: the transcript has {transcript.Length} characters. The file is damaged: make it again.");
        int[] values = tensor.ToInt32();
        int[,] codes = new int[tensor.Shape[0], tensor.Shape[1]];
        Buffer.BlockCopy(values, 0, codes, 0, values.Length * sizeof(int));
        return new Voice(codes, transcript, ReadCodec(file, path));
    }

    /// <summary>
    /// Writes a voice file: safetensors with `codes` int16 [frames, codebooks] and `codec` float32 [codebooks, samples of each]; the transcript and the
    /// codec's geometry are in its metadata.
    /// </summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    /// <exception cref="DiaException">Input: no frames, no transcript, or codes that no codec has: <see cref="Load"/> would refuse the file.</exception>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (Codes.GetLength(0) is < 1 or > MostFrames || Codes.GetLength(1) is < 1 or > MaxChannels || Transcript.Length is 0 or > MaxTranscript)
            throw Error(
                $"A voice of [{Codes.GetLength(0)}, {Codes.GetLength(1)}] codes and {Transcript.Length} characters cannot be kept: it needs at least one of each.");
        short[] flat = new short[Codes.Length];
        int i = 0;
        foreach (int code in Codes)
            flat[i++] = code is >= 0 and <= short.MaxValue ? (short)code : throw Error($"{code} is no code of a voice: codes are from 0 to {short.MaxValue}.");
        var arrays = new List<SafetensorsArray> { new(CodesName, [Codes.GetLength(0), Codes.GetLength(1)], flat) };
        if (Codec is not null)
            arrays.Add(new SafetensorsArray(CodecKey, [Codec.Samples.GetLength(0), Codec.Samples.GetLength(1)], Codec.Samples.Cast<float>().ToArray()));
        SafetensorsWriter.Save(stream, arrays, new Dictionary<string, string>
        {
            [FormatKey] = Format,
            [TranscriptKey] = Transcript,
            [CodecKey] = Codec?.Geometry ?? "",
        });
    }

    /// <summary>Refuses a voice that a model cannot speak with.</summary>
    /// <param name="name">What to call it in messages.</param>
    /// <param name="channels">The model's channels.</param>
    /// <param name="codeLimit">The model's EOS id: codes are below it.</param>
    /// <param name="maxFrames">Frames that can be used at most.</param>
    /// <param name="codec">The model's codec, or null where none is loaded: then it is not compared.</param>
    /// <exception cref="DiaException">Input.</exception>
    public void Check(string name, int channels, int codeLimit, int maxFrames, DacModel? codec)
    {
        if (Codec is not null && codec is not null && !Codec.Matches(codec.Identity))
            throw Error(
                $"{name} was made with another codec (of {Codec.Geometry}; this one is of {codec.Identity.Geometry}), so its codes mean other sounds here. Make it again from the recording with `dia voice` and this model.");
        if (Codes.GetLength(1) != channels)
            throw Error(
                $"{name} has {Codes.GetLength(1)} channels, the model has {channels}. Make it again from the recording with `{(Transcript.Length > 0 ? "dia voice" : "dia encode")}` and this model.");
        if (Codes.GetLength(0) > maxFrames)
            throw Error($"{name} has {Codes.GetLength(0)} frames; the model takes at most {maxFrames} of a voice. Make it from a shorter recording.");
        for (int t = 0; t < Codes.GetLength(0); t++)
            for (int c = 0; c < channels; c++)
                if ((uint)Codes[t, c] >= (uint)codeLimit)
                    throw Error($"{name}: frame {t}, channel {c}: {Codes[t, c]} is no code; codes are from 0 to {codeLimit - 1}.");
    }

    private static CodecIdentity? ReadCodec(SafetensorsFile file, string path)
    {
        if (!file.Metadata.TryGetValue(CodecKey, out string? geometry) || geometry.Length == 0)
            return null;
        StoredTensor tensor = file[CodecKey];
        if (tensor.DType != SafetensorsDType.F32 || tensor.Shape is not [>= 1 and <= MaxChannels, >= 1 and <= MaxCodecSamples] || geometry.Length > MaxGeometry)
            throw Error(
                $"{path}: codec is {tensor.DType} [{string.Join(", ", tensor.Shape)}]; a voice has F32 [codebooks, samples of each]. The file is damaged: make it again.");
        float[] values = tensor.ToSingle();
        float[,] samples = new float[tensor.Shape[0], tensor.Shape[1]];
        Buffer.BlockCopy(values, 0, samples, 0, values.Length * sizeof(float));
        return new CodecIdentity(geometry, samples);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static DiaException Error(FormattableString message) => new(DiaErrorKind.Input, Text(message));
}
