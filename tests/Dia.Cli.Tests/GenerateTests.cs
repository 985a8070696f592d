using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>The reference's runs of its generate, through the command.</summary>
public sealed class GenerateTests : TestFolder
{
    // float32 sums in another order than the reference's over a few layers, then guidance, which multiplies differences: fixtures/README.md.
    private const double Tolerance = 1e-4;

    private static readonly (string Key, string Option)[] Options =
    [
        ("guidance_scale", "--cfg-scale"), ("top_k", "--top-k"), ("max_new_tokens", "--max-tokens"), ("min_new_tokens", "--min-new-tokens"),
        ("min_length", "--min-length"), ("repetition_penalty", "--repetition-penalty"), ("no_repeat_ngram_size", "--no-repeat-ngram-size"),
        ("bad_words_ids", "--bad-words-ids"), ("suppress_tokens", "--suppress-tokens"),
        ("exponential_decay_length_penalty", "--exponential-decay-length-penalty"),
    ];

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        string root = Fixtures.Path("generate-more");
        foreach (string file in Directory.EnumerateFiles(root, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string name = Path.GetRelativePath(root, file)[..^".safetensors".Length];
            if (Path.GetFileName(file) == "model.safetensors")
                continue;
            cases.Add(name, "cpu");
            cases.Add(name, SoftGpu.Avx2);
            cases.Add(name, "scalar");
            cases.Add(name, "cuda");
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_tensor_is_the_references(string name, string device)
    {
        string fixture = Fixtures.Path($"generate-more/{name}.safetensors");
        TensorFile right = TensorFile.Open(fixture);
        bool all = right.Names.Any(n => n.StartsWith("out.encoder", StringComparison.Ordinal));
        string[] outputs =
            ["--scores", .. right.Contains("out.raw_logits") ? new[] { "--logits" } : [], .. all ? new[] { "--hidden-states", "--attentions" } : []];
        Succeeds(Executable.WithFixtures.RunOn(device, ["generate", fixture, In("out"), "--model", Model(name), .. Arguments(name), .. outputs]));

        TensorFile made = TensorFile.Open(In("out"));
        string[] names = [.. right.Names.Where(n => n.StartsWith("out.", StringComparison.Ordinal)).Select(n => n[4..])];
        Assert.Equal(names, made.Names);
        Assert.Equal("I64", made.Type("sequences"));
        Assert.Equal(right.Ints("out.sequences"), made.Ints("sequences"));
        foreach (string tensor in names.Except(["sequences"]))
        {
            Assert.Equal(right.Shape("out." + tensor), made.Shape(tensor));
            float[] expected = right.Floats("out." + tensor), values = made.Floats(tensor);

            // Minus infinity, which the fixtures write as -1e30; of logits it says what the reference's filter removed in place, without guidance.
            for (int i = 0; i < expected.Length; i++)
            {
                if (expected[i] > -1e29f)
                    continue;
                Assert.True(tensor == "raw_logits" || values[i] == float.NegativeInfinity, $"{tensor}[{i}] is {values[i]}");
                (expected[i], values[i]) = (0, 0);
            }

            Testing.Tolerance.Equal(tensor, expected, values, Tolerance);
        }
    }

    [Fact]
    public void Only_what_was_asked_for_is_written_and_the_same_each_time()
    {
        string fixture = Fixtures.Path("generate-more/two-prompts-cfg.safetensors");
        string[] args = ["generate", fixture, In("a"), "--model", Model("two-prompts-cfg"), "--max-tokens", "20"];
        Assert.Contains("2 x 31 rows of 9 ids, ended by length", Succeeds(Executable.WithFixtures.Run(args)).Error);
        Assert.Equal(["sequences"], TensorFile.Open(In("a")).Names);
        Succeeds(Executable.WithFixtures.Run([.. args[..2], In("b"), .. args[3..], "--threads", "1"]));
        Assert.Equal(File.ReadAllBytes(In("a")), File.ReadAllBytes(In("b")));

        // Finished items go on with the others where steps are written; what is in them does not change.
        Succeeds(Executable.WithFixtures.Run([.. args[..2], In("c"), .. args[3..], "--hidden-states", "--scores"]));
        Assert.Equal(TensorFile.Open(In("a")).Ints("sequences"), TensorFile.Open(In("c")).Ints("sequences"));
    }

    [Fact]
    public void Several_sequences_of_a_text_stand_one_after_the_other_and_are_drawn()
    {
        string fixture = Fixtures.Path("generate-more/two-prompts-cfg.safetensors");
        string[] args = ["generate", fixture, In("out"), "--model", Model("two-prompts-cfg"), "--max-tokens", "20", "--seed", "5"];
        Fails(2, Executable.WithFixtures.Run([.. args, "--num-return-sequences", "2"]), "without sampling");
        Assert.Contains("seed 5", Succeeds(Executable.WithFixtures.Run([.. args, "--num-return-sequences", "2", "--sample"])).Error);
        TensorFile made = TensorFile.Open(In("out"));
        Assert.Equal([4, 31, 9], made.Shape("sequences"));
        int[] ids = made.Ints("sequences"), prompts = TensorFile.Open(fixture).Ints("in.decoder_input_ids");
        for (int sequence = 0; sequence < 4; sequence++)
            for (int row = 0; row < 11; row++)
                Assert.Equal(prompts[(sequence / 2 * 26 + row) * 9], ids[(sequence * 31 + row) * 9]);
        Assert.NotEqual(ids[..(31 * 9)], ids[(31 * 9)..(2 * 31 * 9)]);

        // The same number of draws by options that draw differently.
        byte[] drawn = File.ReadAllBytes(In("out"));
        foreach (string[] other in new string[][] { ["--min-p", "0.5"], ["--typical-p", "0.3"], ["--temperature", "2"] })
        {
            Succeeds(Executable.WithFixtures.Run([.. args, "--num-return-sequences", "2", "--sample", .. other]));
            Assert.NotEqual(drawn, File.ReadAllBytes(In("out")));
        }
    }

    [Fact]
    public void The_checkpoints_own_settings_hold_until_an_option_says_otherwise()
    {
        string model = CopyOf(Model("")), fixture = Fixtures.Path("generate-more/control-repetition_penalty.safetensors");
        File.WriteAllText(Path.Combine(model, "generation_config.json"),
            """{ "repetition_penalty": 1.4, "top_k": 45, "max_new_tokens": 70, "max_time": 0 }""");
        string[] args = ["generate", fixture, In("out"), "--model", model];
        Assert.Contains("1 x 2 rows of 9 ids, ended by time", Succeeds(Executable.WithFixtures.Run(args)).Error);
        Succeeds(Executable.WithFixtures.Run([.. args, "--max-time", "1000"]));
        Assert.Equal(TensorFile.Open(fixture).Ints("out.sequences"), TensorFile.Open(In("out")).Ints("sequences"));
        Succeeds(Executable.WithFixtures.Run([.. args, "--max-time", "1000", "--repetition-penalty", "1"]));
        Assert.Equal(TensorFile.Open(Fixtures.Path("generate-more/control-plain.safetensors")).Ints("out.sequences"),
            TensorFile.Open(In("out")).Ints("sequences"));
    }

    /// <summary>Speaking takes them too, on a GPU by the host's steps.</summary>
    [Theory]
    [InlineData("cpu")]
    [InlineData("cuda")]
    public void Controls_of_a_checkpoint_hold_for_speaking(string device)
    {
        string model = CopyOf(Model(""));
        File.WriteAllText(Path.Combine(model, "generation_config.json"), """{ "repetition_penalty": 1.4, "max_length": 128 }""");
        Succeeds(
            Executable.WithFixtures.RunOn(device, "[S1] Hi there. [S2] Hello!", "--model", model, "--greedy", "--cfg-scale", "1", "--top-k", "45", "--codes",
            In("codes"), "--max-tokens", "70"));
        Assert.Equal(TensorFile.Open(Fixtures.Path("generate-more/control-repetition_penalty.safetensors")).Ints("out.sequences"),
            TensorFile.Open(In("codes")).Ints("rows"));
    }

    [Fact]
    public void What_cannot_be_is_refused_by_name()
    {
        string fixture = Fixtures.Path("generate-more/control-plain.safetensors");
        void Refused(int exitCode, string says, params string[] args)
        {
            Fails(exitCode, Executable.WithFixtures.Run(["generate", fixture, In("out"), "--model", Model(""), .. args]), says);
            Assert.False(File.Exists(In("out")));
        }

        Refused(2, "--greedy takes the best id", "--greedy", "--sample");
        Refused(2, "--min-p is '2'; it must be a number from 0 to 1", "--min-p", "2");
        Refused(2, "--bad-words-ids is '[5]'; it must be a list of lists of ids in JSON", "--bad-words-ids", "[5]");
        Refused(2, "--suppress-tokens is '[1'", "--suppress-tokens", "[1");
        Refused(2, "--suppress-tokens is 'null'", "--suppress-tokens", "null");
        Refused(2, "--exponential-decay-length-penalty is '3'", "--exponential-decay-length-penalty", "3");
        Refused(2, "an id of suppress_tokens is 68", "--suppress-tokens", "[68]");
        Refused(2, "--max-tokens is '0'", "--max-tokens", "0");
        Refused(5, "240000000 sequences of up to", "--sample", "--num-return-sequences", "240000000", "--max-tokens", "1");
        Refused(2, "suppress_tokens is every code", "--suppress-tokens", $"[{string.Join(',', Enumerable.Range(0, 64))}]");
        Refused(2, "No id is left to draw", "--sample", "--begin-suppress-tokens", $"[{string.Join(',', Enumerable.Range(0, 68))}]");
        Refused(2, "max_new_tokens 2147483647", "--max-tokens", "2147483647");
        TensorFile.Write(In("in"), ("input_ids", [1, 2], new[] { 1, 2 }), ("labels", [9, 1], new int[9]));
        fixture = In("in");
        Refused(4, "labels");
        TensorFile.Write(In("in"), ("input_ids", [1, 2], new[] { 1, 2 }), ("in.input_ids", [1, 2], new[] { 1, 2 }));
        Refused(4, "both input_ids and in.input_ids");
        TensorFile.Write(In("in"), ("input_ids", [1, 2], new[] { 1, 2 }), ("decoder_attention_mask", [1, 1], new[] { 1 }));
        Refused(4, "decoder_attention_mask without");
        TensorFile.Write(In("in"), ("input_ids", [1, 2], new[] { 1, 300 }));
        Refused(4, "300");
    }

    private static string Model(string name) =>
        name.Contains('/', StringComparison.Ordinal) ? Fixtures.Path($"generate-more/{Path.GetDirectoryName(name)}/model") : Fixtures.Path("generate/model");

    private static IEnumerable<string> Arguments(string name)
    {
        JsonElement about = Fixtures.Json($"generate-more/{name}.json");
        foreach ((string key, string option) in Options)
            if (about.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null)
                foreach (string word in new[] { option, option.StartsWith("--exp", StringComparison.Ordinal)
                    ? value.GetRawText().Trim('[', ']', ' ', '\n') : value.GetRawText() })
                    yield return word;
    }
}
