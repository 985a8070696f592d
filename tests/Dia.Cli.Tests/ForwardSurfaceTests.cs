using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>
/// What `dia forward` takes and gives beyond text and rows: encoder outputs, caches, a model without head. All cases on all devices, the software GPU too:
/// the model is small, and a cache goes through each device's own memory.
/// </summary>
public sealed class ForwardSurfaceTests : TestFolder
{
    // float32 sums in another order than the reference's, over a few layers: fixtures/README.md.
    private const double Bound = 2e-5;

    private static readonly string Model = Fixtures.Path("tiny/base"), Cases = Fixtures.Path("surface/cases.safetensors");
    private static readonly TensorFile Right = TensorFile.Open(Cases);

    [Theory]
    [InlineData("cpu")]
    [InlineData("scalar")]
    [InlineData("cuda")]
    public void Every_case_of_the_reference_is_met(string device)
    {
        // The fixture itself is input: its names have the prefix.
        Forward(device, Cases, "whole");
        Equal("model.last_hidden_state", "whole", "model.last_hidden_state");
        Equal("model.encoder_last_hidden_state", "whole", "encoder_last_hidden_state");
        Equal("encoder.last_hidden_state", "whole", "encoder_last_hidden_state");

        TensorFile.Write(In("half.in"), Mask, Rows(0, 28), ("decoder_attention_mask", [2, 28], Right.Ints("in.decoder_attention_mask")),
            ("encoder_last_hidden_state", [2, 26, 32], Right.Floats("encoder.last_hidden_state").Select(v => v * 0.5f).ToArray()));
        Forward(device, In("half.in"), "half");
        Equal("given_encoder.half.logits", "half", "logits");

        TensorFile.Write(In("flat.in"), Text, Mask, ("decoder_attention_mask", [2, 28], Right.Ints("in.decoder_attention_mask")),
            ("decoder_input_ids", [18, 28], Right.Ints("flat.decoder_input_ids")));
        Forward(device, In("flat.in"), "flat");
        Equal("flat.logits", "flat", "logits");

        TensorFile.Write(In("bos.in"), Text, Mask);
        Forward(device, In("bos.in"), "bos");
        Equal("bos.logits", "bos", "logits");

        TensorFile.Write(In("no-mask.in"), Text, Rows(0, 28));
        Forward(device, In("no-mask.in"), "no-mask");
        Equal("no_mask.logits", "no-mask", "logits");
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("scalar")]
    [InlineData("cuda")]
    public void Rows_go_on_from_a_cache_in_a_file(string device)
    {
        TensorFile.Write(In("whole.in"), Text, Mask, Rows(0, 28));
        Forward(device, In("whole.in"), "whole");
        Equal("cached.whole.logits", "whole", "logits");
        int at = 0;
        var parts = new List<(TensorFile Made, int Rows)>();
        foreach (int rows in new[] { 5, 1, 1, 4, 17 })
        {
            // Only the first part has the text: the cache has it from there on.
            (string, int[], Array)[] given = [Mask, Rows(at, rows), ("cache_position", [rows], Enumerable.Range(at, rows).ToArray())];
            TensorFile.Write(In("in"), at == 0 ? [Text, .. given] : given);
            Forward(device, In("in"), "out", at == 0 ? ["--cache-out", In("cache")] : ["--cache", In("cache"), "--cache-out", In("cache")]);
            parts.Add((TensorFile.Open(In("out")), rows));
            at += rows;
        }

        float[] together = [.. Enumerable.Range(0, 18).SelectMany(c => parts.SelectMany(p => p.Made.Floats("logits").Skip(c * p.Rows * 68).Take(p.Rows * 68)))];
        Testing.Tolerance.Equal("cached.logits", Right.Floats("cached.logits"), together, Bound);
        TensorFile cache = TensorFile.Open(In("cache"));
        string[] names = [.. Right.Names.Where(n => n.StartsWith("cache.", StringComparison.Ordinal)).Select(n => n[6..])];
        Assert.Equal(names.Append("rope_length").Order(StringComparer.Ordinal), cache.Names);
        foreach (string name in names)
        {
            Assert.Equal(Right.Shape("cache." + name), cache.Shape(name));
            Testing.Tolerance.Equal(name, Right.Floats("cache." + name), cache.Floats(name), Bound);
        }
    }

    /// <summary>Dynamic frequencies depend on how long the sequence was: the file says it, and keys keep the angles that they were given.</summary>
    [Fact]
    public void A_cache_comes_through_a_file_with_every_bit_and_its_rotary_state()
    {
        string model = Fixtures.Path("tiny/rope-dynamic"), device = "cpu";
        TensorFile.Write(In("in"), ("input_ids", [1, 3], new[] { 1, 72, 105 }), ("decoder_input_ids", [1, 25, 9], new int[225]));
        Succeeds(Executable.WithFixtures.RunOn(device, "forward", In("in"), In("a"), "--model", model, "--cache-out", In("cache.a")));
        TensorFile.Write(In("next"), ("decoder_input_ids", [1, 1, 9], new int[9]));
        Succeeds(Executable.WithFixtures.RunOn(device, "forward", In("next"), In("b"), "--model", model, "--cache", In("cache.a"), "--cache-out", In("cache.b"),
            "--attentions"));
        TensorFile before = TensorFile.Open(In("cache.a")), after = TensorFile.Open(In("cache.b"));
        Assert.Equal((25, 26), (before.Ints("rope_length").Single(), after.Ints("rope_length").Single()));
        int[] shape = before.Shape("self.0.keys");
        Assert.Equal([1, shape[1], 26, shape[3]], after.Shape("self.0.keys"));
        for (int head = 0; head < shape[1]; head++)
            Assert.Equal(before.Floats("self.0.keys").Skip(head * 25 * shape[3]).Take(25 * shape[3]),
                after.Floats("self.0.keys").Skip(head * 26 * shape[3]).Take(25 * shape[3]));
        Assert.Equal(before.Floats("cross.0.values"), after.Floats("cross.0.values"));
        Assert.Equal(26, TensorFile.Open(In("b")).Shape("decoder_attentions.0")[3]);
        Assert.DoesNotContain("encoder_last_hidden_state", TensorFile.Open(In("b")).Names);
    }

    [Fact]
    public void A_checkpoint_without_head_gives_hidden_states_and_does_not_speak()
    {
        string headless = In("headless");
        Directory.CreateDirectory(headless);
        File.Copy(Path.Combine(Model, "config.json"), Path.Combine(headless, "config.json"));
        TensorFile whole = TensorFile.Open(Path.Combine(Model, "model.safetensors"));
        TensorFile.Write(Path.Combine(headless, "model.safetensors"), [.. whole.Names.Where(n => n.StartsWith("model.", StringComparison.Ordinal))
            .Select(n => (n[6..], whole.Shape(n), (Array)whole.Floats(n)))]);
        Succeeds(Executable.WithFixtures.Run("forward", Cases, In("out"), "--model", headless));
        Assert.Equal(["encoder_last_hidden_state", "model.last_hidden_state"], TensorFile.Open(In("out")).Names);
        Equal("model.last_hidden_state", "out", "model.last_hidden_state");
        Fails(4, Executable.WithFixtures.Run("forward", Path.Combine(Model, "forward.safetensors"), In("no"), "--model", headless), "labels", "head");
        Fails(3, Executable.WithFixtures.Run("[S1] Hi.", "--codes", In("no"), "--model", headless), "logits_dense.weight");
        Assert.False(File.Exists(In("no")));
    }

    [Fact]
    public void Where_one_of_two_outputs_cannot_be_written_the_other_stays_as_it_was()
    {
        TensorFile.Write(In("in"), ("encoder_last_hidden_state", [1, 2, 32], new float[64]));
        foreach (string[] outputs in new[] { ["/dev/full", In("kept")], new[] { In("kept"), "/dev/full" } })
        {
            File.WriteAllText(In("kept"), "kept");
            Fails(6, Executable.WithFixtures.Run("forward", In("in"), outputs[0], "--model", Model, "--cache-out", outputs[1]), "/dev/full");
            Assert.Equal("kept", File.ReadAllText(In("kept")));
        }
    }

    [Fact]
    public void Wrong_caches_and_encoder_outputs_are_named_with_file_and_tensor()
    {
        var encoded = ("encoder_last_hidden_state", new[] { 1, 2, 32 }, (Array)new float[64]);
        void Refused(int code, string[] says, (string, int[], Array)[] input, params string[] more)
        {
            TensorFile.Write(In("in"), input);
            Fails(code, Executable.WithFixtures.Run(["forward", In("in"), In("out"), "--model", Model, .. more]), says);
            Assert.False(File.Exists(In("out")));
        }

        Refused(4, [In("in"), "input_ids and encoder_last_hidden_state"], [("input_ids", [1, 2], new[] { 1, 2 }), encoded]);
        Refused(4, [In("in"), "encoder_last_hidden_state is [1, 2, 31]"], [("encoder_last_hidden_state", [1, 2, 31], new float[62])]);
        Refused(4, [In("in"), "encoder_last_hidden_state has the shape [2, 32]"], [("encoder_last_hidden_state", [2, 32], new float[64])]);
        Refused(4, [In("in"), "cache_position"], [encoded, ("cache_position", [1], new[] { 1 })]);
        Refused(4, [In("in"), "input_ids"], [("attention_mask", [1, 2], new[] { 1, 1 })]);
        Refused(2, ["--cache-out", "two files"], [encoded], "--cache-out", In("out"));
        File.CreateSymbolicLink(In("link"), In("out"));
        Refused(2, ["--cache-out", "two files"], [encoded], "--cache-out", In("link"));
        Refused(4, [In("none")], [encoded], "--cache", In("none"));

        (string, int[], Array) Layer(string name, params int[] shape) => (name, shape, new float[shape.Aggregate(1, (a, b) => a * b)]);
        void Cache(string says, params (string, int[], Array)[] tensors)
        {
            TensorFile.Write(In("cache"), tensors);
            Refused(4, [In("cache"), says], [("attention_mask", [1, 2], new[] { 1, 1 })], "--cache", In("cache"));
        }

        Cache("self.0.keys", Layer("other", 1));
        Cache("self.0.values", Layer("self.0.keys", 1, 2, 3, 16));
        Cache("self.0.values has the shape [1, 2, 4, 16]", Layer("self.0.keys", 1, 2, 3, 16), Layer("self.0.values", 1, 2, 4, 16));
        Cache("self.0.keys has the shape [2, 3, 16]", Layer("self.0.keys", 2, 3, 16));
        Cache("1 layers of self-attention; the model has 3", Layer("self.0.keys", 1, 2, 3, 16), Layer("self.0.values", 1, 2, 3, 16),
            Layer("cross.0.keys", 1, 4, 2, 16), Layer("cross.0.values", 1, 4, 2, 16));
    }

    private static (string, int[], Array) Text => ("input_ids", [2, 26], Right.Ints("in.input_ids"));

    private static (string, int[], Array) Mask => ("attention_mask", [2, 26], Right.Ints("in.attention_mask"));

    private static (string, int[], Array) Rows(int first, int count)
    {
        int[] all = Right.Ints("in.decoder_input_ids");
        return ("decoder_input_ids", [2, count, 9], new[] { 0, 28 }.SelectMany(b => all.Skip((b + first) * 9).Take(count * 9)).ToArray());
    }

    private void Forward(string device, string input, string output, params string[] more) =>
        Succeeds(Executable.WithFixtures.RunOn(device, ["forward", input, In(output), "--model", Model, .. more]));

    private void Equal(string expected, string file, string tensor)
    {
        TensorFile made = TensorFile.Open(In(file));
        Assert.Equal(Right.Shape(expected), made.Shape(tensor));
        Testing.Tolerance.Equal(expected, Right.Floats(expected), made.Floats(tensor), Bound);
    }
}
