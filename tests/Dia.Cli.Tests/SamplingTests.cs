using System.Text.Json;
using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

public sealed partial class SamplingTests : TestFolder
{
    private const string Text = "[S1] Hello world. How are you?";

    [Fact]
    public void A_seed_makes_a_run_repeatable()
    {
        byte[] first = Codes(["--seed", "7"]);
        Assert.Equal(first, Codes(["--seed", "7"]));
        Assert.Equal(first, Codes(["--seed", "7", "--threads", "1"]));
        Assert.NotEqual(first, Codes(["--seed", "8"]));
        Assert.NotEqual(first, Codes(["--seed", "18446744073709551615"]));
    }

    [Fact]
    public void A_random_seed_is_reported_and_repeats()
    {
        Outcome outcome = Succeeds(Dia.Run(Text, "--codes", In("a")));
        string seed = ReportedSeed().Match(outcome.Error).Groups[1].Value;
        Assert.Equal(File.ReadAllBytes(In("a")), Codes(["--seed", seed]));
        Assert.NotEqual(seed, ReportedSeed().Match(Succeeds(Dia.Run(Text, "--codes", In("b"), "--seed", "-1")).Error).Groups[1].Value);
    }

    [Theory]
    [InlineData("--seed", "DIA_SEED", "9")]
    [InlineData("--temperature", "DIA_TEMPERATURE", "1.7")]
    [InlineData("--top-p", "DIA_TOP_P", "0.3")]
    [InlineData("--top-k", "DIA_TOP_K", "3")]
    [InlineData("--cfg-scale", "DIA_CFG_SCALE", "1")]
    [InlineData("--max-tokens", "DIA_MAX_TOKENS", "20")]
    public void The_environment_stands_in_for_an_option_which_beats_it(string option, string variable, string value)
    {
        string[] seed = option == "--seed" ? [] : ["--seed", "7"];
        byte[] plain = Codes(["--seed", "7"]), given = Codes([.. seed, option, value]);
        Assert.NotEqual(plain, given);
        Assert.Equal(given, Codes(seed, (variable, value)));
        string usual = option switch { "--seed" => "7", "--temperature" => "0.6", "--top-p" => "0.95", "--top-k" => "45", "--cfg-scale" => "3", _ => "768" };
        Assert.Equal(plain, Codes([.. seed, option, usual], (variable, value)));
    }

    [Fact]
    public void A_flag_can_be_set_in_the_environment()
    {
        Assert.Equal(Codes(["--greedy"]), Codes([], ("DIA_GREEDY", "1")));
        Assert.Equal(Codes(["--seed", "7"]), Codes(["--seed", "7"], ("DIA_GREEDY", "0")));
    }

    [Fact]
    public void The_checkpoint_beats_the_defaults_and_an_option_beats_the_checkpoint()
    {
        string model = CopyOf(Fixtures.Demo), file = Path.Combine(model, "generation_config.json");
        string[] use = ["--model", model, "--seed", "7"];
        byte[] usual = Codes(["--seed", "7"]);
        Assert.Equal(usual, Codes(use));

        File.WriteAllText(file, """{ "temperature": 1.7, "top_p": 0.5, "top_k": 5, "guidance_scale": 2.0, "max_length": 100, "do_sample": true }""");
        byte[] other = Codes(use);
        Assert.NotEqual(usual, other);
        Assert.Equal(usual, Codes([.. use, "--temperature", "0.6", "--top-p", "0.95", "--top-k", "45", "--cfg-scale", "3", "--max-tokens", "700"]));

        // A key that is missing, like a missing file, means the released model's value.
        File.WriteAllText(file, "{}");
        byte[] defaults = Codes(use);
        Assert.Equal(defaults, Codes(["--seed", "7", "--temperature", "1.2", "--top-p", "0.95", "--top-k", "45", "--cfg-scale", "3"]));
        File.Delete(file);
        Assert.Equal(defaults, Codes(use));

        File.WriteAllText(file, """{ "do_sample": false, "guidance_scale": null, "top_k": null }""");
        Assert.Equal(Codes(["--greedy", "--cfg-scale", "1", "--top-k", "0"]), Codes(use));
    }

    [Fact]
    public void The_audio_does_not_depend_on_the_number_of_threads()
    {
        byte[] one = Succeeds(Dia.Run(Text, "--seed", "3", "--threads", "1")).Output;
        Assert.Equal(one, Succeeds(Dia.Run(Text, "--seed", "3", "--threads", "2")).Output);
        Assert.Equal(one, Succeeds(Dia.Run(Text, "--seed", "3", "--threads", "5")).Output);
    }

    public static TheoryData<int, bool, string> GreedyRuns()
    {
        var runs = new TheoryData<int, bool, string>();
        for (int i = 0; i < 5; i++)
        {
            runs.Add(i, false, "cpu");
            runs.Add(i, true, "cpu");
            runs.Add(i, true, SoftGpu.Avx2);
        }

        return runs;
    }

    [Theory]
    [MemberData(nameof(GreedyRuns))]
    public void Greedy_rows_and_audio_are_the_references(int index, bool guided, string device)
    {
        string name = $"{index}.{(guided ? "guided" : "greedy")}", fixture = Fixtures.Path("demo/greedy.safetensors");
        using JsonDocument about = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("demo/greedy.json")));
        string text = about.RootElement.EnumerateArray().Single(e => e.GetProperty("case").GetString() == name).GetProperty("text").GetString()!;
        string[] greedy = ["--greedy", "--exact", "--max-tokens", "300", "--cfg-scale", guided ? "3" : "1"];
        Succeeds(Dia.RunOn(device, [text, .. greedy, "--codes", In("c"), "-o", In("a.wav")]));

        // Equal up to the first row whose two best scores are nearer than float32 sums in another order can be trusted.
        const float trusted = 1e-3f;
        int[] expected = TensorFile.Open(fixture).Ints(name + ".rows"), rows = TensorFile.Open(In("c")).Ints("rows");
        float[] gaps = TensorFile.Open(fixture).Floats(name + ".gap");
        int channels = 9, close = Array.FindIndex(gaps, g => g < trusted), same = close < 0 ? expected.Length : (1 + close / channels) * channels;
        Assert.Equal(expected[..same], rows[..same]);
        if (close >= 0)
            return;

        float[] audio = TensorFile.Open(fixture).Floats(name + ".audio");
        short[] samples = Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples;
        Assert.Equal(audio.Length, samples.Length);
        // 1e-4 for the codec's arithmetic, one step of 16 bits for the rounding.
        const double tolerance = 1e-4 + 1.0 / 32768;
        for (int i = 0; i < samples.Length; i++)
            Assert.True(Math.Abs(samples[i] / 32768.0 - audio[i]) <= tolerance, $"sample {i}: {samples[i] / 32768.0}, expected {audio[i]}");
    }

    private byte[] Codes(string[] args, params (string Name, string Value)[] environment)
    {
        Succeeds(Dia.Run([Text, "--codes", In("codes"), .. args], [], environment));
        return File.ReadAllBytes(In("codes"));
    }

    [GeneratedRegex(@"seed (\d+)")]
    private static partial Regex ReportedSeed();
}
