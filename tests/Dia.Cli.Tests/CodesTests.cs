using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

public sealed class CodesTests : TestFolder
{
    private const int Channels = 9;
    private static readonly string[] Hello = ["[S1] Hello world.", "--greedy"];

    [Fact]
    public void Codes_alone_need_no_codec_and_make_no_audio()
    {
        string model = CopyOf(Fixtures.Demo);
        Directory.Delete(Path.Combine(model, "dac"), recursive: true);
        Outcome outcome = Succeeds(Dia.Run([.. Hello, "--model", model, "--codes", In("c")]));
        Assert.Empty(outcome.Output);
        Assert.Equal(["codes", "rows"], TensorFile.Open(In("c")).Names);
        int frames = TensorFile.Open(In("c")).Shape("codes")[0], rows = TensorFile.Open(In("c")).Shape("rows")[0];
        Assert.Equal(frames + 1 + 1 + 15, rows); // BOS, EOS, and the largest delay
        Assert.Equal(Enumerable.Repeat(258, Channels), TensorFile.Open(In("c")).Ints("rows")[..Channels]); // the BOS row
        Fails(3, Dia.Run([.. Hello, "--model", model, "-o", In("a.wav")]), "--codec", "dac");
    }

    [Fact]
    public void Decoding_the_codes_gives_the_audio()
    {
        Succeeds(Dia.Run([.. Hello, "--codes", In("c"), "-o", In("a.wav")]));
        Succeeds(Dia.Run("decode", In("c"), "-o", In("b.wav")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
        byte[] piped = Succeeds(Dia.Run("decode", In("c"))).Output;
        Assert.Equal(File.ReadAllBytes(In("a.wav"))[44..], piped[44..]);
        Assert.Equal(piped[44..], Succeeds(Dia.Run("decode", In("c"), "--raw")).Output);
        Outcome both = Succeeds(Dia.Run([.. Hello, "--codes", In("d"), "-o", "-"]));
        Assert.Equal(piped, both.Output);
        Assert.Equal(File.ReadAllBytes(In("c")), File.ReadAllBytes(In("d")));
    }

    [Fact]
    public void A_voice_prompt_stands_in_the_rows_and_not_in_the_codes()
    {
        Succeeds(Dia.Run([.. Hello, "--codes", In("voice")]));
        Succeeds(Dia.Run("[S1] Hello world. [S1] How are you?", "--greedy", "--prompt-codes", In("voice"), "--codes", In("c"), "-o", In("a.wav")));
        int[] voice = TensorFile.Open(In("voice")).Ints("codes"), rows = TensorFile.Open(In("c")).Ints("rows");
        int frames = voice.Length / Channels, made = TensorFile.Open(In("c")).Shape("codes")[0];
        for (int t = 0; t < frames; t++)
            Assert.Equal(voice[t * Channels], rows[(t + 1) * Channels]); // channel 0 has no delay
        Assert.True(made > 5);
        Assert.Equal(frames + made + 1 + 1 + 15, TensorFile.Open(In("c")).Shape("rows")[0]);
        Assert.Equal(made * 512, Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples.Length);
    }

    [Fact]
    public void An_encoded_voice_is_a_prompt()
    {
        Succeeds(Dia.Run("encode", Fixtures.Path("demo/voice.wav"), "-o", In("voice")));
        Assert.Equal(["codes"], TensorFile.Open(In("voice")).Names);
        Succeeds(Dia.Run(File.ReadAllText(Fixtures.Path("demo/voice.txt")).Trim() + " [S1] Hello.", "--prompt-codes", In("voice"), "--seed", "1",
            "--codes", In("c")));
        Assert.True(TensorFile.Open(In("c")).Shape("codes")[0] > 0);
    }

    public static TheoryData<string, string> BadCodes() => new()
    {
        { "missing", "no such file" },
        { "empty", "bytes long" },
        { "random", "safetensors" },
        { "cut", "bytes" },
        { "no-codes", "no tensor codes" },
        { "flat", "[frames, channels]" },
        { "narrow", "2 channels, the model has 9. Make it again from the recording with `dia encode`" },
        { "large", "300" },
        { "negative", "-1" },
        { "fraction", "0.5" },
        { "none", "no frames" },
    };

    [Theory]
    [MemberData(nameof(BadCodes))]
    public void Bad_codes_are_an_input_error(string kind, string says)
    {
        string path = WriteBad(kind);
        string[] before = Names();
        Fails(4, Dia.Run([.. Hello, "--prompt-codes", path, "-o", In("a.wav")]), path, says);
        if (kind is not ("narrow" or "none")) // the first codebooks alone can be decoded, and nothing to nothing
            Fails(4, Dia.Run("decode", path, "-o", In("a.wav")), path, says);
        Assert.Equal(before, Names());
    }

    [Fact]
    public void A_prompt_that_leaves_no_room_is_refused()
    {
        TensorFile.Write(In("long"), ("codes", [770, Channels], new short[770 * Channels]));
        Fails(4, Dia.Run([.. Hello, "--prompt-codes", In("long"), "--codes", In("c")]), "770 frames");
        TensorFile.Write(In("long"), ("codes", [700, Channels], new short[700 * Channels]));
        Fails(2, Dia.Run([.. Hello, "--prompt-codes", In("long"), "--codes", In("c"), "--max-tokens", "200"]), "to 82");
    }

    [Fact]
    public void No_frames_are_an_empty_wav()
    {
        TensorFile.Write(In("none"), ("codes", [0, Channels], Array.Empty<short>()));
        Outcome outcome = Succeeds(Dia.Run("decode", In("none"), "-o", In("a.wav")));
        Assert.Contains("note: ", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples);
    }

    private string WriteBad(string kind)
    {
        string path = In(kind);
        switch (kind)
        {
            case "empty":
                File.WriteAllBytes(path, []);
                break;
            case "random":
                byte[] noise = new byte[1000];
                new Random(1).NextBytes(noise);
                File.WriteAllBytes(path, noise);
                break;
            case "cut":
                TensorFile.Write(path, ("codes", [10, Channels], new short[10 * Channels]));
                File.WriteAllBytes(path, File.ReadAllBytes(path)[..^7]);
                break;
            case "no-codes":
                TensorFile.Write(path, ("other", [10, Channels], new short[10 * Channels]));
                break;
            case "flat":
                TensorFile.Write(path, ("codes", [10 * Channels], new short[10 * Channels]));
                break;
            case "narrow":
                TensorFile.Write(path, ("codes", [10, 2], new short[20]));
                break;
            case "none":
                TensorFile.Write(path, ("codes", [0, Channels], Array.Empty<short>()));
                break;
            case "large" or "negative":
                short[] codes = new short[10 * Channels];
                codes[50] = (short)(kind == "large" ? 300 : -1);
                TensorFile.Write(path, ("codes", [10, Channels], codes));
                break;
            case "fraction":
                TensorFile.Write(path, ("codes", [10, Channels], Enumerable.Repeat(0.5f, 10 * Channels).ToArray()));
                break;
        }

        return path;
    }
}
