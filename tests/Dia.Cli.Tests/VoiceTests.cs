using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Speaking in the voice of a recording, and keeping voices.</summary>
public sealed class VoiceTests : TestFolder
{
    private static readonly string Recording = Fixtures.Path("demo/voice.wav");
    private static readonly string Transcript = File.ReadAllText(Fixtures.Path("demo/voice.txt")).Trim();
    private static readonly string[] Say = ["[S1] Hello world.", "--seed", "3"];
    private static readonly string[] Clone = ["--clone", Recording, "--clone-text", Transcript];
    private const int Frames = 46; // 23,495 samples in frames of 512

    [Fact]
    public void A_clone_a_voice_file_and_the_codes_speak_alike()
    {
        Succeeds(Dia.Run([.. Say, .. Clone, "-o", In("clone.wav"), "--codes", In("clone")]));
        // Rows: BOS, the recording, the speech, EOS and the largest delay.
        Assert.Equal(TensorFile.Open(In("clone")).Shape("codes")[0] + 1 + Frames + 1 + 15, TensorFile.Open(In("clone")).Shape("rows")[0]);

        Outcome made = Succeeds(Dia.Run("voice", Recording, "--text", Transcript, "-o", In("me.voice")));
        Assert.Contains($"{Frames} frames", made.Error, StringComparison.Ordinal);
        Assert.Equal([Frames, 9], TensorFile.Open(In("me.voice")).Shape("codes"));
        Succeeds(Dia.Run([.. Say, "--voice", In("me.voice"), "-o", In("voice.wav")]));
        Assert.Equal(File.ReadAllBytes(In("clone.wav")), File.ReadAllBytes(In("voice.wav")));

        Succeeds(Dia.Run("encode", Recording, "-o", In("codes")));
        Assert.Equal(TensorFile.Open(In("codes")).Ints("codes"), TensorFile.Open(In("me.voice")).Ints("codes"));
        Succeeds(Dia.Run(Transcript + " " + Say[0], "--seed", "3", "--prompt-codes", In("codes"), "-o", In("codes.wav")));
        Assert.Equal(File.ReadAllBytes(In("clone.wav")), File.ReadAllBytes(In("codes.wav")));

        Succeeds(Dia.Run([.. Say, "-o", In("plain.wav")]));
        Assert.NotEqual(File.ReadAllBytes(In("clone.wav")), File.ReadAllBytes(In("plain.wav")));
    }

    [Fact]
    public void The_recording_is_cut_from_the_output_unless_it_is_kept()
    {
        Succeeds(Dia.Run("encode", Recording, "-o", In("codes")));
        int[] prompt = TensorFile.Open(In("codes")).Ints("codes");
        Succeeds(Dia.Run([.. Say, .. Clone, "-o", In("cut.wav"), "--codes", In("cut")]));
        Succeeds(Dia.Run([.. Say, .. Clone, "--keep-prompt", "-o", In("kept.wav"), "--codes", In("kept")]));
        int[] cut = TensorFile.Open(In("cut")).Ints("codes"), kept = TensorFile.Open(In("kept")).Ints("codes");
        Assert.Equal([.. prompt, .. cut], kept);
        Assert.Equal(TensorFile.Open(In("cut")).Ints("rows"), TensorFile.Open(In("kept")).Ints("rows"));
        Assert.Equal(cut.Length / 9 * 512, Wav.Parse(File.ReadAllBytes(In("cut.wav"))).Samples.Length);
        Assert.Equal(kept.Length / 9 * 512, Wav.Parse(File.ReadAllBytes(In("kept.wav"))).Samples.Length);
        Succeeds(Dia.Run("decode", In("kept"), "-o", In("decoded.wav")));
        Assert.Equal(File.ReadAllBytes(In("decoded.wav")), File.ReadAllBytes(In("kept.wav")));
    }

    public static TheoryData<string> Encodings() => new("24", "32", "float", "double", "extensible", "stereo", "chunks", "unknown");

    [Theory]
    [MemberData(nameof(Encodings))]
    public void The_same_sound_in_any_encoding_is_the_same_voice(string encoding)
    {
        short[] samples = Wav.Parse(File.ReadAllBytes(Recording)).Samples;
        byte[] wav = Encode(samples, encoding);
        File.WriteAllBytes(In("x.wav"), wav);
        byte[] expected = Succeeds(Dia.Run("voice", Recording, "--text", Transcript)).Output;
        Assert.Equal(expected, Succeeds(Dia.Run("voice", In("x.wav"), "--text", Transcript)).Output);
        Assert.Equal(expected, Succeeds(Dia.Run(["voice", "-", "--text", Transcript], wav)).Output);
    }

    [Theory]
    [InlineData(8000, 92)] // twice as many samples at 16 kHz: 46,990
    [InlineData(44100, 17)] // 8,525 samples
    public void Another_rate_is_resampled(int rate, int frames)
    {
        float[] samples = [.. Wav.Parse(File.ReadAllBytes(Recording)).Samples.Select(s => s / 32768f)];
        File.WriteAllBytes(In("x.wav"), Wav.OfFloats(rate, 1, samples));
        Succeeds(Dia.Run("voice", In("x.wav"), "--text", Transcript, "-o", In("v")));
        Assert.Equal(frames, TensorFile.Open(In("v")).Shape("codes")[0]);
    }

    [Fact]
    public void A_recording_on_standard_input_does()
    {
        byte[] expected = Succeeds(Dia.Run([.. Say, .. Clone, "--raw"])).Output;
        string[] args = [.. Say, "--clone", "-", "--clone-text", Transcript, "--raw"];
        Assert.Equal(expected, Succeeds(Dia.Run(args, File.ReadAllBytes(Recording))).Output);
        File.WriteAllText(In("text"), Say[0] + "\n");
        Assert.Equal(expected, Succeeds(Dia.Run(["-f", In("text"), .. args[1..]], File.ReadAllBytes(Recording))).Output);
        Fails(2, Dia.Run(args[1..], File.ReadAllBytes(Recording)), "standard input", "-f FILE");
        Fails(2, Dia.Run(["-f", "-", .. args[1..]], File.ReadAllBytes(Recording)), "standard input");
    }

    [Fact]
    public void The_environment_names_a_voice_and_what_is_typed_beats_it()
    {
        byte[] expected = Succeeds(Dia.Run([.. Say, .. Clone, "--raw"])).Output;
        Assert.Equal(expected, Succeeds(Dia.Run([.. Say, "--raw"], [], ("DIA_CLONE", Recording), ("DIA_CLONE_TEXT", Transcript))).Output);
        Succeeds(Dia.Run("voice", Recording, "--text", Transcript, "-o", In("v")));
        Assert.Equal(expected, Succeeds(Dia.Run([.. Say, "--raw"], [], ("DIA_VOICE", In("v")))).Output);
        Assert.Equal(expected, Succeeds(Dia.Run([.. Say, .. Clone, "--raw"], [], ("DIA_VOICE", In("no-such-file")))).Output);
        Assert.NotEqual(expected, Succeeds(Dia.Run([.. Say, "--raw"], [], ("DIA_KEEP_PROMPT", "1"), ("DIA_VOICE", In("v")))).Output);
    }

    [Fact]
    public void Options_that_do_not_go_together_are_refused()
    {
        Fails(2, Dia.Run([.. Say, "--clone", Recording, "-o", In("a.wav")]), "--clone-text");
        Fails(2, Dia.Run([.. Say, "--clone-text", "[S1] x", "-o", In("a.wav")]), "--clone FILE");
        Fails(2, Dia.Run([.. Say, .. Clone, "--voice", In("v"), "-o", In("a.wav")]), "--clone", "--voice");
        Fails(2, Dia.Run([.. Say, "--prompt-codes", In("c"), "--voice", In("v"), "-o", In("a.wav")]), "--prompt-codes", "--voice");
        Fails(2, Dia.Run("voice", Recording, "-o", In("v")), "--text");
        Assert.Empty(Names());
    }

    public static TheoryData<string, string> BadRecordings() => new()
    {
        { "silent", "is silent" }, { "empty", "no samples" }, { "long", "Cut it" }, { "text", "WAV" }, { "nothing", "" }, { "nan", "not a finite number" },
            { "missing", "x.wav" },
    };

    [Theory]
    [MemberData(nameof(BadRecordings))]
    public void A_recording_that_is_no_voice_is_an_input_error_that_says_what_to_do(string kind, string says)
    {
        byte[]? bytes = kind switch
        {
            "silent" => Wav.OfFloats(16000, 1, [.. Enumerable.Range(0, 16000).Select(i => 0.0001f * (i % 3))]),
            "empty" => Wav.OfFloats(16000, 1, []),
            "long" => Wav.OfFloats(16000, 1, [.. Enumerable.Range(0, 25 * 16000).Select(i => 0.1f * (i % 7))]), // the demo holds 24.5 s
            "text" => Encoding.UTF8.GetBytes("This is no sound at all, but it is long enough to have a header."),
            "nothing" => [],
            "nan" => Wav.OfFloats(16000, 1, [.. Enumerable.Range(0, 16000).Select(i => i == 9000 ? float.NaN : 0.1f)]),
            _ => null,
        };
        if (bytes is not null)
            File.WriteAllBytes(In("x.wav"), bytes);
        Fails(4, Dia.Run([.. Say, "--clone", In("x.wav"), "--clone-text", Transcript, "-o", In("a.wav")]), In("x.wav"), says);
        Fails(4, Dia.Run("voice", In("x.wav"), "--text", Transcript, "-o", In("v")), In("x.wav"), says);
        Assert.Equal(bytes is null ? [] : ["x.wav"], Names());
    }

    [Fact]
    public void A_wrong_or_damaged_voice_file_is_an_input_error()
    {
        Succeeds(Dia.Run("voice", Recording, "--text", Transcript, "-o", In("v")));
        byte[] good = File.ReadAllBytes(In("v"));
        Fails(4, Dia.Run([.. Say, "--voice", In("none"), "-o", In("a.wav")]), In("none"));
        Fails(4, Dia.Run([.. Say, "--voice", Recording, "-o", In("a.wav")]), Recording);
        File.WriteAllBytes(In("cut"), good[..^10]);
        Fails(4, Dia.Run([.. Say, "--voice", In("cut"), "-o", In("a.wav")]), In("cut"));
        Succeeds(Dia.Run("encode", Recording, "-o", In("codes")));
        Fails(4, Dia.Run([.. Say, "--voice", In("codes"), "-o", In("a.wav")]), In("codes"), "not a voice file", "dia voice");
        good[^1] = 0x7F; // a code far above the codebook
        File.WriteAllBytes(In("high"), good);
        Fails(4, Dia.Run([.. Say, "--voice", In("high"), "-o", In("a.wav")]), In("high"), "no code");
    }

    [Fact]
    public void Another_codecs_voice_is_refused()
    {
        string model = CopyOf(Fixtures.Demo);
        TensorFile.OverwriteBFloat16(Path.Combine(model, "dac/model.safetensors"), "quantizer.quantizers.0.codebook.weight", 0, [0.5f, -0.25f]);
        Succeeds(Dia.Run("voice", Recording, "--text", Transcript, "--model", model, "-o", In("v")));
        Fails(4, Dia.Run([.. Say, "--voice", In("v"), "-o", In("a.wav")]), In("v"), "another codec", "dia voice");
        Succeeds(Dia.Run([.. Say, "--voice", In("v"), "--model", model, "-o", In("a.wav")]));
    }

    [Fact]
    public void The_same_codec_in_another_format_is_no_other()
    {
        // The demo's is bfloat16. Weights in another format may give other codes, so the sound is not compared.
        string[] models = [Fixtures.Demo, In("f32"), In("f16"), In("again")];
        Succeeds(Dia.Run("convert", Fixtures.Demo, "--dtype", "f32", "-o", In("f32")));
        Succeeds(Dia.Run("convert", In("f32"), "--dtype", "f16", "-o", In("f16")));
        Succeeds(Dia.Run("convert", In("f16"), "--dtype", "bf16", "-o", In("again")));
        foreach (string maker in models)
        {
            Succeeds(Dia.Run("voice", Recording, "--text", Transcript, "--model", maker, "-o", In("w")));
            foreach (string speaker in models)
                Succeeds(Dia.Run([.. Say, "--voice", In("w"), "--model", speaker, "--max-tokens", "20", "-o", In("a.wav")]));
        }
    }

    [Fact]
    public void The_transcript_counts_as_text()
    {
        string text = "[S1] " + string.Concat(Enumerable.Repeat("a", 240));
        Fails(4, Dia.Run([text, .. Clone, "--no-split", "-o", In("a.wav")]), $"{Transcript.Length - 3 + 1 + text.Length - 3} bytes");
        Outcome outcome =
            Succeeds(Dia.Run(["Hello.", "--clone", Recording, "--clone-text", "The letter is fast again.", "--max-tokens", "20", "-o", In("a.wav")]));
        Assert.Contains("[S1] was put in front", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("[S1] was put in front", Succeeds(Dia.Run(["Hello.", .. Clone, "--max-tokens", "20", "-o", In("a.wav")])).Error,
            StringComparison.Ordinal);
    }

    /// <summary>16-bit samples as a WAV of another form, exactly the same values.</summary>
    private static byte[] Encode(short[] samples, string encoding)
    {
        int channels = encoding == "stereo" ? 2 : 1;
        int bits = encoding switch { "24" => 24, "32" or "float" => 32, "double" => 64, _ => 16 };
        bool real = encoding is "float" or "double", extensible = encoding == "extensible";
        var data = new MemoryStream();
        var values = new BinaryWriter(data);
        foreach (short sample in samples)
        {
            for (int c = 0; c < channels; c++)
            {
                switch (encoding)
                {
                    case "24":
                        values.Write((byte)0);
                        values.Write(sample);
                        break;
                    case "32":
                        values.Write(sample << 16);
                        break;
                    case "float":
                        values.Write(sample / 32768f);
                        break;
                    case "double":
                        values.Write(sample / 32768d);
                        break;
                    default:
                        values.Write(sample);
                        break;
                }
            }
        }

        var bytes = new MemoryStream();
        var writer = new BinaryWriter(bytes);
        bool unknown = encoding == "unknown";
        writer.Write("RIFF"u8);
        writer.Write(unknown ? uint.MaxValue : (uint)(data.Length + 100));
        writer.Write("WAVE"u8);
        if (encoding == "chunks")
        {
            // A chunk of odd length before the format takes a byte of padding.
            writer.Write("LIST"u8);
            writer.Write(5);
            writer.Write("INFOx\0"u8);
        }

        writer.Write("fmt "u8);
        writer.Write(extensible ? 40 : 16);
        writer.Write((short)(extensible ? -2 : real ? 3 : 1));
        writer.Write((short)channels);
        writer.Write(16000);
        writer.Write(16000 * channels * bits / 8);
        writer.Write((short)(channels * bits / 8));
        writer.Write((short)bits);
        if (extensible)
        {
            writer.Write((short)22);
            writer.Write((short)bits);
            writer.Write(0);
            writer.Write([1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        }

        if (encoding == "chunks")
        {
            writer.Write("cue "u8);
            writer.Write(0);
        }

        writer.Write("data"u8);
        writer.Write(unknown ? uint.MaxValue : (uint)data.Length);
        writer.Write(data.ToArray());
        if (encoding == "chunks")
        {
            writer.Write("LIST"u8);
            writer.Write(4);
            writer.Write("tail"u8);
        }

        byte[] wav = bytes.ToArray();
        if (!unknown)
            BitConverter.TryWriteBytes(wav.AsSpan(4), wav.Length - 8);
        return wav;
    }
}
