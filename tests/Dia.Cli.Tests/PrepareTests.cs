using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>What `dia prepare` writes is what the reference's processor makes, and what `dia forward` reads.</summary>
public sealed class PrepareTests : TestFolder
{
    private const int Rate = 16000, Channels = 9, Vocabulary = 68;

    private static readonly string Model = Fixtures.Path("generate", "model");
    private static readonly string[] Options = ["--model", Model, "--codec", Fixtures.Path("processor", "dac")];
    private static readonly string[] Texts = ["--text", "[S1] Hi.", "--text", "[S2] A longer line."];
    private static readonly TensorFile Expected = Fixtures.Tensors("processor", "cases.safetensors");

    /// <summary>On the software GPU only the case that encodes every recording: what follows the codes is the same code on every device.</summary>
    [Theory]
    [InlineData("cpu", "text", "clone1", "clone2", "train2")]
    [InlineData("scalar", "clone1", "clone2", "train2")]
    [InlineData("cuda", "train2")]
    public void Inputs_are_the_references(string device, params string[] cases)
    {
        string[] audio = Recordings();
        foreach (string name in cases)
        {
            string[] given = name switch
            {
                "text" => Texts,
                "clone1" => [.. Texts[..2], .. audio[..2]],
                "clone2" => [.. Texts, .. audio],
                _ => [.. Texts, .. audio, "--labels"],
            };
            Succeeds(Executable.WithFixtures.RunOn(device, ["prepare", .. given, "-o", In("in"), .. Options]));
            TensorFile made = TensorFile.Open(In("in"));
            string[] names = [.. Expected.Names.Where(n => n.StartsWith(name + ".", StringComparison.Ordinal)).Select(n => n[(name.Length + 1)..])];
            Assert.Equal(names, made.Names);
            foreach (string tensor in names)
            {
                Assert.Equal("I64", made.Type(tensor));
                Assert.Equal(Expected.Shape($"{name}.{tensor}"), made.Shape(tensor));
                Assert.Equal(Expected.Ints($"{name}.{tensor}"), made.Ints(tensor));
            }
        }
    }

    [Fact]
    public void Two_commands_give_the_loss_of_a_recording()
    {
        Succeeds(Executable.WithFixtures.Run(["prepare", .. Texts, .. Recordings(), "--labels", "-o", In("in"), .. Options]));
        Succeeds(Executable.WithFixtures.Run("forward", In("in"), In("out"), "--model", Model));
        float[] logits = TensorFile.Open(In("out")).Floats("logits");
        int[] labels = TensorFile.Open(In("in")).Ints("labels");
        Assert.Equal(labels.Length * Vocabulary, logits.Length);
        double sum = 0;
        int count = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i] == -100)
                continue;
            var row = logits.Skip(i * Vocabulary).Take(Vocabulary).Select(x => (double)x).ToList();
            sum += Math.Log(row.Sum(Math.Exp)) - row[labels[i]];
            count++;
        }

        Assert.True(count > 100);
        // The loss is a float32; 1e-5 for its sum in another order.
        Assert.Equal(sum / count, TensorFile.Open(In("out")).Floats("loss").Single(), 1e-5 * sum / count);
    }

    [Fact]
    public void Generation_goes_on_after_the_voices_that_were_prepared()
    {
        Succeeds(Executable.WithFixtures.Run(["prepare", .. Texts, .. Recordings(), "-o", In("in"), .. Options]));
        Succeeds(Executable.WithFixtures.Run("generate", In("in"), In("out"), "--model", Model, "--max-tokens", "20"));
        int[,,] given = Expected.Ints3("clone2.decoder_input_ids"), made = TensorFile.Open(In("out")).Ints3("sequences");
        Assert.Equal((2, Channels), (made.GetLength(0), made.GetLength(2)));
        Assert.True(made.GetLength(1) > 11);
        for (int b = 0; b < 2; b++)
            for (int t = 0; t < 11; t++) // BOS and ten frames, of the shorter recording left padding before them; channel 0 has no delay
                Assert.Equal(given[b, t, 0], made[b, t, 0]);
    }

    [Fact]
    public void Texts_alone_need_a_configuration_and_nothing_else()
    {
        File.Copy(Path.Combine(Model, "config.json"), In("config.json"));
        Succeeds(Executable.WithFixtures.Run(["prepare", .. Texts, "-o", In("in"), "--model", Folder]));
        Assert.Equal(Expected.Ints("text.decoder_input_ids"), TensorFile.Open(In("in")).Ints("decoder_input_ids"));

        // As they stand: nothing is put in front, and none is too long.
        string text = " [s1] " + new string('a', 5000);
        byte[] piped = Succeeds(Executable.WithFixtures.Run("prepare", "--text", text, "--model", Folder)).Output;
        File.WriteAllBytes(In("piped"), piped);
        Assert.Equal(text.Select(c => (int)c), TensorFile.Open(In("piped")).Ints("input_ids"));
        Fails(3, Executable.WithFixtures.Run(["prepare", .. Texts, .. Recordings(), "-o", In("x"), "--model", Folder]), "--codec");
        Fails(3, Dia.Run("prepare", "--text", "a", "-o", In("x"), "--model", Path.Combine(Fixtures.Demo, "dac")), "holds a codec");
    }

    [Fact]
    public void A_recording_is_brought_to_the_codecs_form_as_encode_does()
    {
        float[] fast = [.. Enumerable.Range(0, 2 * 9000).Select(i => 0.3f * MathF.Sin(2 * MathF.PI * 220 * (i / 2) / 48000) * (i % 2 + 0.5f))];
        File.WriteAllBytes(In("fast.wav"), Wav.OfFloats(48000, 2, fast));
        Succeeds(Executable.WithFixtures.Run(["encode", In("fast.wav"), "-o", In("codes"), .. Options]));
        byte[] prepared = Succeeds(Executable.WithFixtures.Run(["prepare", "--text", "a", "--audio", "-", .. Options], File.ReadAllBytes(In("fast.wav")))).Output;
        File.WriteAllBytes(In("in"), prepared);
        int[] codes = TensorFile.Open(In("codes")).Ints("codes"), rows = TensorFile.Open(In("in")).Ints("decoder_input_ids");
        int[] delay = [0, 8, 9, 10, 11, 12, 13, 14, 15];
        Assert.Equal(codes.Length + 16 * Channels, rows.Length);
        for (int i = 0; i < codes.Length; i++)
            Assert.Equal(codes[i], rows[i + (1 + delay[i % Channels]) * Channels]);
    }

    [Fact]
    public void What_does_not_go_together_is_a_usage_error()
    {
        string wav = Recordings()[1];
        (string[] Given, string Says)[] wrong =
        [
            ([], "needs --text TEXT"),
            (["--text", ""], "--text is ''"),
            (["--text", "a", "b"], "takes no arguments, but got 'b'"),
            (["--text", "a", "--audio", wav, "--audio", wav], "once and --audio 2 times"),
            (["--text", "a", "--text", "b", "--audio", wav], "2 times and --audio once"),
            (["--text", "a", "--labels"], "give --audio FILE"),
            (["--text", "a", "--text", "b", "--audio", "-", "--audio", "-"], "--audio - can be given once"),
            (["--text", "a", "--model", "a", "--model", "b"], "--model"),
        ];
        foreach ((string[] given, string says) in wrong)
            Fails(2, Dia.Run(["prepare", .. given, "-o", In("in")]), says);
        Fails(2, Dia.Run("prepare", "--text", "a", "-o", In("in.wav")), "safetensors");
        File.WriteAllBytes(In("none.wav"), Wav.OfFloats(Rate, 1, []));
        Fails(4, Dia.Run("prepare", "--text", "a", "--audio", In("none.wav"), "-o", In("in")), "none.wav holds no samples");
        Assert.False(File.Exists(In("in")));
    }

    /// <summary>The two recordings of the fixture, as options.</summary>
    private string[] Recordings() => [.. Enumerable.Range(0, 2).SelectMany(i =>
    {
        File.WriteAllBytes(In($"{i}.wav"), Wav.OfFloats(Rate, 1, Expected.Floats($"audio{i}")));
        return new[] { "--audio", In($"{i}.wav") };
    })];
}
