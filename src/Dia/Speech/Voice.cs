using System.Globalization;
using System.Security.Cryptography;
using Dia.Audio;
using Dia.Codec;
using Dia.Processing;
using Dia.Weights;

namespace Dia.Speech;

/// <summary>
/// A voice to speak with: what a codec made of a recording, and what is said in it. Its codes are a <see cref="SpeechJob.Prompt"/>, its
/// transcript stands in front of the text. Kept in a file it need not be encoded again.
/// </summary>
/// <param name="Codes">The recording's codes [frames, codebooks].</param>
/// <param name="Transcript">What is said in it, speaker tags included.</param>
/// <param name="CodecId">The codec that made them, as <see cref="DacModel.Id"/> gives it; null: not known.</param>
public sealed record Voice(int[,] Codes, string Transcript, string? CodecId)
{
    private const string Format = "dia-voice-1";
    private const string FormatKey = "format", TranscriptKey = "transcript", CodecKey = "codec", CodesName = "codes";

    /// <summary>A recording that is below this everywhere (60 dB under full scale) is silence, or the noise of an open line.</summary>
    private const float Silence = 0.001f;

    /// <summary>Most seconds of a recording that are looked at: far more than any model holds, and little memory.</summary>
    private const int MaxSeconds = 600;

    // More than any model's rows; a file cannot ask for more memory than its own size either way.
    private const int MaxFrames = 1 << 20, MaxTranscript = 1 << 20;

    /// <summary>Encodes a recording: averaged to mono, resampled, padded with silence to whole frames, as the processor does.</summary>
    /// <param name="audio">The recording.</param>
    /// <param name="transcript">What is said in it.</param>
    /// <param name="codec">The codec.</param>
    /// <param name="name">What to call the recording in messages.</param>
    /// <param name="maxFrames">Frames that can be used at most.</param>
    /// <exception cref="DiaException">Input: no samples, samples that are not finite, nothing but silence, or more than can be used.</exception>
    public static Voice Encode(AudioBuffer audio, string transcript, DacModel codec, string name, int maxFrames)
    {
        ArgumentNullException.ThrowIfNull(audio);
        if (audio.Frames == 0)
            throw Error($"{name} holds no samples: give a recording of some seconds of speech.");
        double seconds = (double)audio.Frames / audio.SamplingRate, most = (double)maxFrames * codec.HopLength / codec.SamplingRate;
        if (seconds > Math.Min(most, MaxSeconds))
            throw Error($"{name} is {seconds:0.0} s long; the model takes at most {Math.Min(most, MaxSeconds):0.0} s of a voice. Cut it: 5 to 10 s of clear speech are best.");
        float loudest = 0;
        foreach (float sample in audio.Samples)
        {
            if (!float.IsFinite(sample))
                throw Error($"{name} holds a sample that is not a finite number: it is damaged. Export it again.");
            loudest = Math.Max(loudest, Math.Abs(sample));
        }

        if (loudest < Silence)
            throw Error($"{name} is silent: give a recording in which someone speaks.");
        float[] mono = audio.ToMono(codec.SamplingRate);
        int frames = (mono.Length + codec.HopLength - 1) / codec.HopLength;
        if (frames > maxFrames)
            throw Error($"{name} has {frames} frames; the model takes at most {maxFrames} ({most:0.0} s) of a voice. Cut it: 5 to 10 s of clear speech are best.");
        float[] padded = new float[frames * codec.HopLength];
        mono.CopyTo(padded, 0);
        return new Voice(codec.Encode(padded), transcript, codec.Id);
    }

    /// <summary>Reads a voice file.</summary>
    /// <exception cref="DiaException">Input: no such file, no voice file, or a malformed one.</exception>
    public static Voice Load(string path)
    {
        using var file = SafetensorsFile.Open(path, DiaErrorKind.Input);
        if (!file.Metadata.TryGetValue(FormatKey, out string? format) || format != Format || !file.Metadata.TryGetValue(TranscriptKey, out string? transcript) || !file.Metadata.TryGetValue(CodecKey, out string? codec))
            throw Error($"{path} is not a voice file. Make one with: dia voice IN.wav --text \"[S1] What is said in it.\" -o FILE");
        SafetensorsTensor tensor = file[CodesName];
        if (tensor.DType != SafetensorsDType.I16 || tensor.Shape.Length != 2 || tensor.Shape[0] is < 1 or > MaxFrames || tensor.Shape[1] is < 1 or > 64)
            throw Error($"{path}: codes is {tensor.DType} [{string.Join(", ", tensor.Shape)}]; a voice has I16 [frames, codebooks], at least one frame. The file is damaged: make it again.");
        if (transcript.Length is 0 or > MaxTranscript)
            throw Error($"{path}: the transcript has {transcript.Length} characters. The file is damaged: make it again.");
        int[] values = tensor.ToInt32();
        int[,] codes = new int[tensor.Shape[0], tensor.Shape[1]];
        Buffer.BlockCopy(values, 0, codes, 0, values.Length * sizeof(int));
        return new Voice(codes, transcript, codec);
    }

    /// <summary>Writes a voice file: safetensors with `codes` int16 [frames, codebooks]; transcript and codec are in its metadata.</summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Save(Stream stream)
    {
        short[] flat = new short[Codes.Length];
        int i = 0;
        foreach (int code in Codes)
            flat[i++] = checked((short)code);
        SafetensorsWriter.Save(stream, [new SafetensorsArray(CodesName, [Codes.GetLength(0), Codes.GetLength(1)], flat)], new Dictionary<string, string>
        {
            [FormatKey] = Format,
            [TranscriptKey] = Transcript,
            [CodecKey] = CodecId ?? "",
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
        if (CodecId is not null && codec is not null && CodecId != codec.Id)
            throw Error($"{name} was made with another codec ({CodecId[..Math.Min(12, CodecId.Length)]}, this one is {codec.Id[..12]}), so its codes mean other sounds here. Make it again from the recording with `dia voice` and this model.");
        if (Codes.GetLength(1) != channels)
            throw Error($"{name} has {Codes.GetLength(1)} channels, the model has {channels}. Make it again from the recording with `dia voice` and this model.");
        if (Codes.GetLength(0) > maxFrames)
            throw Error($"{name} has {Codes.GetLength(0)} frames; the model takes at most {maxFrames} of a voice. Make it from a shorter recording.");
        for (int t = 0; t < Codes.GetLength(0); t++)
            for (int c = 0; c < channels; c++)
                if ((uint)Codes[t, c] >= (uint)codeLimit)
                    throw Error($"{name}: frame {t}, channel {c}: {Codes[t, c]} is no code; codes are from 0 to {codeLimit - 1}.");
    }

    /// <summary>What a codec's codes mean, as a SHA-256: its codebooks and geometry.</summary>
    internal static unsafe string Identify(DacModel codec, IReadOnlyList<WeightSpec> specs, ReadOnlySpan<Weight> weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(System.Text.Encoding.UTF8.GetBytes(Text($"{codec.SamplingRate} {codec.HopLength} {codec.Codebooks}")));
        for (int i = 0; i < specs.Count; i++)
        {
            if (!specs[i].Name.EndsWith(".codebook.weight", StringComparison.Ordinal))
                continue;
            // Rounded to bfloat16, so that a float32 checkpoint and its conversion are the same codec.
            float[] values = new float[specs[i].Count];
            WeightFormats.Read(weights[i].Data, weights[i].Format, values);
            byte[] rounded = new byte[2 * values.Length];
            fixed (byte* to = rounded)
                WeightFormats.Write(values, WeightFormat.BFloat16, to);
            hash.AppendData(rounded);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static DiaException Error(FormattableString message) => new(DiaErrorKind.Input, Text(message));
}
