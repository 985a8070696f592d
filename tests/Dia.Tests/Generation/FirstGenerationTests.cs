using System.Text.Json;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
using Dia.Speech;
using Dia.Text;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Generation;

/// <summary>The first generation of the model against its own code's numbers.</summary>
public sealed class FirstGenerationTests
{
    // Float32 sums in another order through two layers; logits are differences of sums some times as large.
    private const double Bound = 2e-5, LogitBound = 1e-4;

    private static readonly string[] Names = ["natural", "cut", "prompt", "no_guidance"];

    private static TensorFile Expected { get; } = Fixtures.Tensors("old/dia/cases.safetensors");

    public static TheoryData<string, string> Cases() => TestDevice.Each(Names, "scalar", "cpu2");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Encoder_logits_and_codes_are_those_of_its_own_code(string name, string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        // The same weights as PyTorch's file and as safetensors.
        using DiaForConditionalGeneration model = Load(Fixtures.Path("old/dia", deviceName == "scalar" ? "model.safetensors" : "dia.pth"), device);
        int[] ids = Expected.Ints(name + ".in.text_ids");
        int[,] both = new int[2, ids.Length];
        for (int i = 0; i < ids.Length; i++)
            both[1, i] = ids[i];
        Tolerance.Equal("encoder", Expected.Floats(name + ".out.encoder"), model.Encode(both).LastHiddenState, Bound);

        GenerationConfig config = Config(model, name);
        int[,] prompt = Prompt(name);
        (int[,,] rows, _) = DelayPattern.BuildRows([prompt], [.. config.DelayPattern], config.BosTokenId, null, config.PadTokenId);
        int[,] text = new int[1, ids.Length];
        Buffer.BlockCopy(ids, 0, text, 0, ids.Length * sizeof(int));
        GenerationResult result = model.GenerateOutputs(text, decoderInputIds: rows, config: config with { OutputLogits = true });
        float[] logits = Expected.Floats(name + ".out.logits");
        int width = logits.Length / Expected.Shape(name + ".out.logits")[0] / 2;
        Assert.True(result.Logits!.Count >= Expected.Shape(name + ".out.logits")[0]);
        for (int step = 0; step < Expected.Shape(name + ".out.logits")[0]; step++)
        {
            Tolerance.Equal($"logits of step {step}", logits[((2 * step + 1) * width)..((2 * step + 2) * width)], result.Logits[step][..width], LogitBound);
            if (config.UsesGuidance)
                Tolerance.Equal($"unconditional logits of step {step}", logits[(2 * step * width)..((2 * step + 1) * width)], result.Logits[step][width..], LogitBound);
        }

        Assert.Equal(Expected.Ints2(name + ".out.codes"), Spoken(model, name, config));
    }

    [Fact]
    public void Converted_it_is_the_same_model_under_a_type_of_its_own()
    {
        using var folder = new TemporaryFolder();
        using Device device = new CpuDevice(1);
        CheckpointConverter.Convert(ModelFolder.Open(Fixtures.Path("old/dia/dia.pth")), null, new ConversionOptions(WeightFormat.Float32), folder.Path);
        JsonElement json = JsonElement.Parse(File.ReadAllText(folder["config.json"]));
        Assert.Equal("dia_first", json.GetProperty("model_type").GetString());
        using DiaForConditionalGeneration model = Load(Fixtures.Path("old/dia"), device), converted = Load(folder.Path, device);
        Assert.Equal(model.Config, converted.Config);
        Assert.Equal(Logits(model), Logits(converted));

        static float[] Logits(DiaForConditionalGeneration model) =>
            model.GenerateOutputs(new int[,] { { 1, 72, 105 } }, config: model.GenerationConfig() with { MaxNewTokens = 3, OutputLogits = true }).Logits![2];
    }

    [Fact]
    public void What_is_drawn_ends_when_the_end_is_drawn_and_the_same_seed_gives_the_same()
    {
        using Device device = new CpuDevice(1);
        using DiaForConditionalGeneration model = Load(Fixtures.Path("old/dia"), device);
        GenerationConfig config = Config(model, "natural") with { DoSample = true, Temperature = 1.2, TopK = 45, TopP = 0.95, Seed = 3 };
        int[,] codes = Spoken(model, "natural", config);
        Assert.Equal(codes, Spoken(model, "natural", config));
        Assert.NotEqual(codes, Spoken(model, "natural", config with { Seed = 4 }));
        Assert.All(codes.Cast<int>(), code => Assert.InRange(code, 0, model.Config.EosTokenId - 1));
    }

    [Fact]
    public void A_text_that_is_too_long_is_cut_and_not_refused()
    {
        using Device device = new CpuDevice(1);
        using DiaForConditionalGeneration model = Load(Fixtures.Path("old/dia"), device);
        using var speaker = new Speaker(model, null, frameRate: 86);
        int positions = model.Config.EncoderConfig.MaxPositionEmbeddings;
        var options = new SpeechOptions { Splitting = ScriptSplitting.Never, MaxNewTokens = 20, Seed = 1 };
        string text = "[S1] " + new string('a', 2 * positions);
        SpokenScript whole = speaker.Speak(text, options, null), cut = speaker.Speak(text[..(positions + 3)], options, null);
        Assert.Equal(cut.Rows, whole.Rows);
    }

    [Fact]
    public void The_published_sizes_are_read_and_lengths_are_rounded_up()
    {
        DiaConfig config = Parsed(File.ReadAllText(Repository.At("configs/dia-1.6b-first/config.json"))).Config!;
        DiaConfig current = DiaConfigParser.Parse(File.ReadAllText(Repository.At("configs/dia-1.6b/config.json")), ProblemSeverity.Warning).Config!;
        Assert.Equal(["model_type"], ConfigurationDifference.Between(current, config).Select(d => d.Path));
        string odd = Text().Replace("\"text_length\": 128", "\"text_length\": 129", StringComparison.Ordinal);
        Assert.Equal(256, Parsed(odd).Config!.EncoderConfig.MaxPositionEmbeddings);
    }

    [Theory]
    [InlineData("\"n_layer\": 2,", "", "model.encoder.n_layer is missing")]
    [InlineData("\"n_hidden\": 64", "\"n_hidden\": 0", "error DIA0008: decoder_config.intermediate_size must be from 1")]
    [InlineData("\"channels\": 9", "\"channels\": 8", "delay_pattern: has 9 entries")]
    [InlineData("\"dropout\": 0.0", "\"drop\": 0.0", "\"model.drop\" is no key")]
    [InlineData("\"rope_min_timescale\": 1,", "\"rope_min_timescale\": 2,", "model.rope_min_timescale must be 1")]
    [InlineData("\"cross_head_dim\": 16", "\"cross_head_dim\": 8", "in the first generation they must be equal")]
    public void What_is_wrong_is_said_with_its_place(string old, string wrong, string says)
    {
        string text = Text();
        int at = text.IndexOf(old, StringComparison.Ordinal);
        ConfigurationResult<DiaConfig> result = Parsed(string.Concat(text.AsSpan(0, at), wrong, text.AsSpan(at + old.Length)));
        Assert.Null(result.Config);
        Assert.Contains(result.Problems, p => p.ToString().Contains(says, StringComparison.Ordinal));
    }

    private static string Text() => File.ReadAllText(Fixtures.Path("old/dia/config.json"));

    private static ConfigurationResult<DiaConfig> Parsed(string json) => DiaConfigParser.Parse(json, ProblemSeverity.Warning);

    private static DiaForConditionalGeneration Load(string path, Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(path), CompiledModels.All, device);

    private static int[,] Prompt(string name) =>
        Expected.Contains(name + ".in.prompt_codes") ? Expected.Ints2(name + ".in.prompt_codes") : new int[0, 9];

    /// <summary>Its own max_tokens counts a voice's rows.</summary>
    private static GenerationConfig Config(DiaForConditionalGeneration model, string name)
    {
        JsonElement json = Fixtures.Json("old/dia/cases.json").GetProperty("cases").GetProperty(name);
        double scale = json.GetProperty("cfg_scale").GetDouble();
        int rows = json.GetProperty("max_tokens").GetInt32() - Prompt(name).GetLength(0);
        return model.GenerationConfig() with { GuidanceScale = scale == 0 ? null : scale, MaxNewTokens = rows, DoSample = false };
    }

    private static int[,] Spoken(DiaForConditionalGeneration model, string name, GenerationConfig config)
    {
        using var engine = new SpeechEngine(model, null);
        var utterance = new Utterance(Expected.Ints(name + ".in.text_ids"), config) { Prompt = Prompt(name) is { Length: > 0 } codes ? codes : null };
        engine.Run(utterance);
        return utterance.Result!.Codes;
    }
}
