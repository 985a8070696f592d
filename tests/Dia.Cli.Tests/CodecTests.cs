using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

public sealed class CodecTests : TestFolder
{
    [Theory]
    [InlineData("base", "cpu")]
    [InlineData("base", SoftGpu.Avx2)]
    [InlineData("base", "scalar")]
    [InlineData("odd", "cpu")]
    [InlineData("odd", SoftGpu.Avx2)]
    [InlineData("odd", "scalar")]
    [InlineData("base", "cuda")]
    [InlineData("odd", "cuda")]
    public void Codes_and_audio_are_the_references(string name, string device)
    {
        string codec = Fixtures.Path("dac/" + name), cases = Path.Combine(codec, "cases.safetensors");
        using JsonDocument about = JsonDocument.Parse(File.ReadAllText(Path.Combine(codec, "cases.json")));
        int hop = about.RootElement.GetProperty("hop_length").GetInt32();
        int[] lengths = [.. about.RootElement.GetProperty("encode_lengths").EnumerateArray().Select(e => e.GetInt32())];
        double[] margins = [.. about.RootElement.GetProperty("smallest_code_margin").EnumerateArray().Select(e => e.GetDouble())];
        int compared = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            string key = $"encode{lengths[i]}";
            // The command pads to whole frames; a smaller margin than 1e-4 could flip with the order of a sum.
            if (lengths[i] % hop != 0 || margins[i] < 1e-4)
                continue;
            File.WriteAllBytes(In("a.wav"), Wav.OfFloats(16000, 1, TensorFile.Open(cases).Floats(key + ".audio")));
            Succeeds(Executable.WithFixtures.RunOn(device, "encode", In("a.wav"), "-o", In("c"), "--codec", codec));
            Assert.Equal(Turned(TensorFile.Open(cases).Ints(key + ".codes"), TensorFile.Open(cases).Shape(key + ".codes")),
                TensorFile.Open(In("c")).Ints("codes"));
            if (compared++ > 0 && device == "cuda")
                continue; // The same kernels fewer times: once is enough for the software GPU, which is slow.
            Succeeds(Executable.WithFixtures.RunOn(device, "encode", In("a.wav"), "-o", In("c3"), "--codec", codec, "--quantizers", "3"));
            Assert.Equal(Turned(TensorFile.Open(cases).Ints(key + ".codes3"), TensorFile.Open(cases).Shape(key + ".codes3")),
                TensorFile.Open(In("c3")).Ints("codes"));
        }

        Assert.True(compared > 0);
        foreach (string key in TensorFile.Open(cases).Names.Where(n =>
            n.StartsWith("decode", StringComparison.Ordinal) && n.EndsWith(".codes", StringComparison.Ordinal)))
        {
            int[] shape = TensorFile.Open(cases).Shape(key);
            TensorFile.Write(In("c"), ("codes", [shape[1], shape[0]], Turned(TensorFile.Open(cases).Ints(key), shape)));
            Succeeds(Executable.WithFixtures.RunOn(device, "decode", In("c"), "-o", In("a.wav"), "--codec", codec));
            float[] audio = TensorFile.Open(cases).Floats(key.Replace(".codes", ".audio", StringComparison.Ordinal));
            short[] samples = Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples;
            Assert.Equal(audio.Length, samples.Length);
            // 1e-5 for the arithmetic, one step of 16 bits for the rounding.
            for (int i = 0; i < audio.Length; i++)
                Assert.InRange(samples[i] / 32768.0, audio[i] - 1e-5 - 1 / 32768.0, audio[i] + 1e-5 + 1 / 32768.0);
        }
    }

    [Fact]
    public void The_first_codebooks_alone_are_sound_too()
    {
        string[] codec = ["--codec", Fixtures.Path("dac/base")]; // nine codebooks
        File.WriteAllBytes(In("a.wav"), Wav.OfFloats(16000, 1, Tone(16000, 640)));
        Succeeds(Executable.WithFixtures.Run(["encode", In("a.wav"), "-o", In("all"), .. codec]));
        Succeeds(Executable.WithFixtures.Run(["encode", In("a.wav"), "-o", In("two"), "--quantizers", "2", .. codec]));
        Assert.Equal([20, 2], TensorFile.Open(In("two")).Shape("codes"));
        int[] all = TensorFile.Open(In("all")).Ints("codes");
        Assert.Equal(all.Where((_, i) => i % 9 < 2), TensorFile.Open(In("two")).Ints("codes"));
        foreach (string name in new[] { "all", "two" })
            Succeeds(Executable.WithFixtures.Run(["decode", In(name), "-o", In(name + ".wav"), .. codec]));
        short[] whole = Wav.Parse(File.ReadAllBytes(In("all.wav"))).Samples, part = Wav.Parse(File.ReadAllBytes(In("two.wav"))).Samples;
        Assert.Equal(whole.Length, part.Length);
        Assert.NotEqual(whole, part);
        foreach (string count in new[] { "0", "10", "x" })
            Fails(2, Executable.WithFixtures.Run(["encode", In("a.wav"), "-o", In("x"), "--quantizers", count, .. codec]), "--quantizers", "from 1 to");
        Assert.False(File.Exists(In("x")));
    }

    [Fact]
    public void Another_models_codec_is_refused_and_the_option_named()
    {
        string model = Fixtures.Path("generate/model"), codec = Fixtures.Path("dac/odd"); // nine channels, four codebooks
        string[] speak = ["--model", model, "--codec", codec, "--max-tokens", "20", "-o", In("a.wav")];
        Fails(3, Executable.WithFixtures.Run(["[S1] Hi.", .. speak]), "dac/odd", "4 codebooks", "9 channels", "--codec DIR");
        Fails(3, Executable.WithFixtures.Run(["[S1] Hi.", .. speak, "--split"]), "4 codebooks", "--codec DIR");
        File.WriteAllText(In("lines"), "[S1] Hi.\n");
        Fails(3, Executable.WithFixtures.Run(["--lines", "-f", In("lines"), .. speak[..^1], In("{n}.wav")]), "4 codebooks", "--codec DIR");
        File.WriteAllBytes(In("me.wav"), Wav.OfFloats(16000, 1, Tone(16000, 8000)));
        Fails(3, Executable.WithFixtures.Run("voice", In("me.wav"), "--text", "[S1] x", "--model", model, "--codec", codec, "-o", In("v")), "4 codebooks",
            "--codec DIR");
        Assert.Equal(["lines", "me.wav"], Names());
    }

    [Fact]
    public void A_recording_at_the_codecs_rate_is_encoded_as_it_is()
    {
        // Near half of the rate, where a resampler's low-pass would take everything away: silence would have the same codes in every frame.
        float[] high = [.. Enumerable.Range(0, 16 * 512).Select(i => (float)(0.5 * Math.Sin(2 * Math.PI * 7900 * i / 16000) * Math.Sin(i / 700.0)))];
        File.WriteAllBytes(In("high.wav"), Wav.OfFloats(16000, 1, high));
        File.WriteAllBytes(In("still.wav"), Wav.OfFloats(16000, 1, new float[high.Length]));
        foreach (string name in new[] { "high", "still" })
            Succeeds(Dia.Run("encode", In(name + ".wav"), "-o", In(name)));
        int[] codes = TensorFile.Open(In("high")).Ints("codes"), still = TensorFile.Open(In("still")).Ints("codes");
        Assert.Equal(codes.Length, still.Length);
        int differ = Enumerable.Range(0, codes.Length).Count(i => codes[i] != still[i]);
        Assert.True(differ > codes.Length / 2, $"{differ} of {codes.Length} codes are not those of silence");
    }

    [Fact]
    public void Any_rate_and_channel_count_is_taken()
    {
        float[] mono = Tone(16000, 8000), stereo = [.. mono.SelectMany(s => new[] { s * 1.5f, s * 0.5f })];
        File.WriteAllBytes(In("mono.wav"), Wav.OfFloats(16000, 1, mono));
        File.WriteAllBytes(In("stereo.wav"), Wav.OfFloats(16000, 2, stereo));
        File.WriteAllBytes(In("fast.wav"), Wav.OfFloats(48000, 1, Tone(48000, 24000)));
        foreach (string name in new[] { "mono", "stereo", "fast" })
            Succeeds(Dia.Run("encode", In(name + ".wav"), "-o", In(name)));
        Assert.Equal([16, 9], TensorFile.Open(In("mono")).Shape("codes")); // 8000 samples in frames of 512
        Assert.Equal(TensorFile.Open(In("mono")).Ints("codes"), TensorFile.Open(In("stereo")).Ints("codes"));
        Assert.Equal([16, 9], TensorFile.Open(In("fast")).Shape("codes"));
        Outcome piped = Succeeds(Dia.Run(["encode", "-"], File.ReadAllBytes(In("mono.wav"))));
        Assert.Equal(File.ReadAllBytes(In("mono")), piped.Output);
    }

    [Fact]
    public void Bad_audio_is_an_input_error()
    {
        byte[] good = Wav.OfFloats(16000, 1, Tone(16000, 2000)), noise = new byte[2000];
        new Random(1).NextBytes(noise);
        foreach (byte[] bad in new[] { [], good[..10], good[..40], noise, Wav.OfFloats(16000, 1, []), Wav.OfFloats(0, 1, [1f]), Wav.OfFloats(16000, 0, [1f]) })
        {
            File.WriteAllBytes(In("bad.wav"), bad);
            Fails(4, Dia.Run("encode", In("bad.wav"), "-o", In("c")), "bad.wav");
        }

        Fails(4, Dia.Run("encode", In("nothing.wav"), "-o", In("c")), "nothing.wav");
        Fails(4, Dia.Run("encode", Folder, "-o", In("c")), Folder);
        Assert.Equal(["bad.wav"], Names());
    }

    private static float[] Tone(int rate, int count) => [.. Enumerable.Range(0, count).Select(i => 0.3f * MathF.Sin(2 * MathF.PI * 220 * i / rate))];

    /// <summary>[channels, frames] as [frames, channels].</summary>
    private static int[] Turned(int[] codes, int[] shape)
    {
        int frames = shape[1], channels = shape[0];
        return [.. Enumerable.Range(0, codes.Length).Select(i => codes[i % channels * frames + i / channels])];
    }
}
