using System.Text.Json;
using Dia.Backends;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Networks;
using Dia.Tests.Generation;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>Every run of tests/fixtures/generate-more: prompts, masks, controls, rotary types far past the positions, and what each step gives.</summary>
public sealed class GenerateMoreTests
{
    // float32 sums in another order than the reference's over a few layers, then guidance, which multiplies differences: fixtures/README.md.
    private const float Tolerance = 1e-4f;

    public static TheoryData<string, string> Cases()
    {
        string root = Fixtures.Path("generate-more");
        return TestDevice.Each(Directory.GetFiles(root, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Where(f => Path.GetFileName(f) != "model.safetensors").Select(f => Path.GetRelativePath(root, f)[..^".safetensors".Length]), "scalar", "cpu2");
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_run_is_the_references(string name, string device)
    {
        using var run = new Run(name, device);
        GenerationResult result = run.Generate(c => c with { OutputScores = true, OutputLogits = true });
        Assert.Equal(run.Expected.Ints3("out.sequences"), result.Sequences);

        // Rows alone come another way, in which finished items rest.
        Assert.Equal(result.Sequences, run.Generate(c => c).Sequences);
        AssertSteps(run.Expected, "out.scores", result.Scores!);
        if (run.Expected.Contains("out.raw_logits"))
            AssertSteps(run.Expected, "out.raw_logits", result.Logits!, fixtureWasFiltered: true);
    }

    [Theory]
    [InlineData("outputs", "scalar")]
    [InlineData("outputs", "cpu2")]
    [InlineData("outputs-cfg", "scalar")]
    [InlineData("outputs-cfg", "cpu2")]
    public void Hidden_states_and_attentions_of_every_step_are_the_references(string name, string device)
    {
        using var run = new Run(name, device);
        GenerationResult result =
            run.Generate(c => c with { OutputScores = true, OutputLogits = true, OutputHiddenStates = true, OutputAttentions = true });
        Assert.Equal(run.Expected.Ints3("out.sequences"), result.Sequences);
        AssertSteps(run.Expected, "out.scores", result.Scores!);
        AssertSteps(run.Expected, "out.raw_logits", result.Logits!, fixtureWasFiltered: true);
        var made = new Dictionary<string, (int[] Shape, float[] Values)>();
        int length = result.TextLength, streams = result.Streams;
        void States(string prefix, IReadOnlyList<float[]> states, int rows)
        {
            for (int i = 0; i < states.Count; i++)
                made[$"{prefix}{i}"] = ([streams, rows, states[i].Length / streams / rows], states[i]);
        }

        void Maps(string prefix, IReadOnlyList<AttentionMap> maps)
        {
            for (int i = 0; i < maps.Count; i++)
                made[$"{prefix}{i}"] = ([maps[i].Batch, maps[i].Heads, maps[i].Rows, maps[i].Keys], maps[i].Values);
        }

        States("out.encoder_hidden_states.", result.EncoderHiddenStates!, length);
        Maps("out.encoder_attentions.", result.EncoderAttentions!);
        for (int step = 0; step < result.Scores!.Count; step++)
        {
            States($"out.decoder_hidden_states.step{step}.", result.DecoderHiddenStates![step], 1);
            Maps($"out.decoder_attentions.step{step}.", result.DecoderAttentions![step]);
            Maps($"out.cross_attentions.step{step}.", result.CrossAttentions![step]);
        }

        string[] names = [.. run.Expected.Names.Where(n => n.StartsWith("out.", StringComparison.Ordinal) && n is not ("out.scores" or "out.raw_logits" or "out.sequences"))];
        Assert.Equal(names, made.Keys.Order(StringComparer.Ordinal));
        foreach (string tensor in names)
        {
            Assert.Equal(run.Expected.Shape(tensor), made[tensor].Shape);
            Testing.Tolerance.Equal(tensor, run.Expected.Floats(tensor), made[tensor].Values, Tolerance);
        }
    }

    [Theory]
    [InlineData("two-prompts")]
    [InlineData("two-prompts-cfg")]
    [InlineData("text-left-padding")]
    [InlineData("text-mask-holes")]
    public void With_hidden_states_a_batch_runs_with_all_of_its_padding(string name)
    {
        using var run = new Run(name, "cpu2");
        GenerationResult result = run.Generate(c => c with { OutputScores = true, OutputHiddenStates = true, OutputAttentions = true });
        Assert.Equal(run.Expected.Ints3("out.sequences"), result.Sequences);
        AssertSteps(run.Expected, "out.scores", result.Scores!);
        int prompt = result.Sequences.GetLength(1) - result.Scores!.Count;
        AttentionMap first = result.DecoderAttentions![0][0], last = result.DecoderAttentions[^1][0];
        Assert.Equal((result.Streams, prompt, prompt), (first.Batch, first.Rows, first.Keys));
        Assert.Equal((result.Streams, 1, result.Sequences.GetLength(1) - 1), (last.Batch, last.Rows, last.Keys));
        Assert.Equal(result.TextLength, result.CrossAttentions![0][0].Keys);
    }

    [Fact]
    public void Each_item_is_repeated_and_draws_for_itself()
    {
        using var run = new Run("two-prompts-cfg", "cpu2");
        GenerationConfig Sampled(GenerationConfig c, int sequences) => c with { DoSample = true, Seed = 3, MaxNewTokens = 20, NumReturnSequences = sequences };
        GenerationResult one = run.Generate(c => Sampled(c, 1), drawAlone: true), two = run.Generate(c => Sampled(c, 2), drawAlone: true),
            own = run.Generate(c => Sampled(c, 2));
        Assert.Equal(4, two.Stops.Count);
        for (int i = 0; i < 4; i++)
            Assert.Equal(GenerationFixture.Rows(one.Sequences, i / 2), GenerationFixture.Rows(two.Sequences, i));
        Assert.NotEqual(GenerationFixture.Rows(own.Sequences, 0), GenerationFixture.Rows(own.Sequences, 1));
    }

    private static void AssertSteps(TensorFile expected, string name, IReadOnlyList<float[]> steps, bool fixtureWasFiltered = false)
    {
        int[] shape = expected.Shape(name);
        Assert.Equal(shape[0], steps.Count);
        float[] right = expected.Floats(name);
        for (int step = 0; step < steps.Count; step++)
        {
            float[] made = steps[step];
            float[] at = right[(step * shape[1] * shape[2])..((step + 1) * shape[1] * shape[2])];

            // Without guidance the reference's filter works in the logits that it gives out: what it removed says nothing of them.
            if (fixtureWasFiltered)
                made = [.. made.Zip(at, (m, r) => r <= -1e29f ? float.NegativeInfinity : m)];
            GenerationFixture.AssertScores(at, made, Tolerance * Math.Max(1, at.Where(v => v > -1e29f).Max(Math.Abs)), $"{name} of step {step}");
        }
    }

    /// <summary>A run of the fixtures: its checkpoint, inputs and settings.</summary>
    private sealed class Run : IDisposable
    {
        private readonly Device _device;
        private readonly DiaForConditionalGeneration _model;
        private readonly GenerationConfig _config;

        public Run(string name, string device)
        {
            Expected = Fixtures.Tensors("generate-more", name + ".safetensors");
            string folder = name.Contains('/') ? Fixtures.Path("generate-more", Path.GetDirectoryName(name)!, "model") : Fixtures.Path("generate", "model");
            _device = TestDevice.Create(device);
            _model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, _device);
            JsonElement json = Fixtures.Json("generate-more", name + ".json");

            // The fixture's settings are keys of a generation_config.json, so they are read as one.
            string[] keys = ["guidance_scale", "top_k", "max_new_tokens", "min_new_tokens", "min_length", "repetition_penalty", "no_repeat_ngram_size",
                "bad_words_ids", "suppress_tokens", "exponential_decay_length_penalty"];
            string settings = string.Join(',', keys.Where(k => json.TryGetProperty(k, out _)).Select(k => $"\"{k}\":{json.GetProperty(k).GetRawText()}"));
            _config = GenerationConfigParser.Parse($"{{{settings}}}", ProblemSeverity.Error).Config!.Config with
            {
                BosTokenId = _model.Config.BosTokenId,
                EosTokenId = _model.Config.EosTokenId,
                PadTokenId = _model.Config.PadTokenId,
            };
        }

        public TensorFile Expected { get; }

        public GenerationResult Generate(Func<GenerationConfig, GenerationConfig> change, bool drawAlone = false) => _model.GenerateOutputs(
            Expected.Ints2("in.input_ids"), Expected.Ints2("in.attention_mask"),
            Expected.Contains("in.decoder_input_ids") ? Expected.Ints3("in.decoder_input_ids") : null,
            Expected.Contains("in.decoder_attention_mask") ? Expected.Ints2("in.decoder_attention_mask") : null,
            change(_config), new GenerationOptions { DrawAlone = drawAlone });

        public void Dispose()
        {
            _model.Dispose();
            _device.Dispose();
        }
    }
}
