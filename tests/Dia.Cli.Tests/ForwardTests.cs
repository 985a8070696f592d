using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

public sealed class ForwardTests : TestFolder
{
    // float32 sums in another order than the reference's, over a few layers: fixtures/README.md.
    private const double Tolerance = 2e-5;

    private static readonly string[] Always = ["encoder_last_hidden_state", "model.last_hidden_state"];

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (string folder in Directory.EnumerateDirectories(Fixtures.Path("tiny")).Order(StringComparer.Ordinal))
        {
            cases.Add(Path.GetFileName(folder), "cpu");
            cases.Add(Path.GetFileName(folder), SoftGpu.Avx2);
            cases.Add(Path.GetFileName(folder), "scalar");
            cases.Add(Path.GetFileName(folder), "cuda");
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_tensor_is_the_references(string name, string device)
    {
        string folder = Fixtures.Path("tiny/" + name), expected = Path.Combine(folder, "forward.safetensors");
        Succeeds(Executable.WithFixtures.RunOn(device, "forward", expected, In("out"), "--model", folder, "--hidden-states", "--attentions"));
        TensorFile right = TensorFile.Open(expected), made = TensorFile.Open(In("out"));
        string[] names = [.. right.Names.Where(n => n.StartsWith("out.", StringComparison.Ordinal)).Select(n => n[4..])];
        Assert.Equal(names.Concat(Always).Order(StringComparer.Ordinal), made.Names);
        foreach (string tensor in names)
        {
            Assert.Equal(right.Shape("out." + tensor), made.Shape(tensor));
            Testing.Tolerance.Equal(tensor, right.Floats("out." + tensor), made.Floats(tensor), Tolerance);
        }
    }

    [Theory]
    [InlineData("base", "scalar")]
    [InlineData("base", "cpu")]
    [InlineData("odd", "cpu")]
    [InlineData("odd", SoftGpu.Avx2)]
    public void Every_gradient_is_the_references(string name, string device)
    {
        string folder = Fixtures.Path("tiny/" + name);
        Succeeds(Executable.WithFixtures.RunOn(device, "forward", Path.Combine(folder, "forward.safetensors"), In("out"), "--model", folder, "--grad"));
        TensorFile right = TensorFile.Open(Path.Combine(folder, "grads.safetensors")), made = TensorFile.Open(In("out"));
        Assert.Equal([.. right.Names.Select(n => "grad." + n), Always[0], "logits", "loss", Always[1]], made.Names.Order(StringComparer.Ordinal)
            .OrderBy(n => !n.StartsWith("grad.", StringComparison.Ordinal)));
        foreach (string parameter in right.Names)
        {
            Assert.Equal(right.Shape(parameter), made.Shape("grad." + parameter));
            Testing.Tolerance.Equal(parameter, right.Floats(parameter), made.Floats("grad." + parameter), 1e-4); // fixtures/README.md
        }
    }

    [Fact]
    public void Gradients_that_cannot_be_had_are_refused()
    {
        string folder = Fixtures.Path("tiny/base"), all = Path.Combine(folder, "forward.safetensors");
        TensorFile.Write(In("text"), ("input_ids", [2, 26], TensorFile.Open(all).Ints("in.input_ids").Select(i => (long)i).ToArray()));
        Fails(4, Executable.WithFixtures.Run("forward", In("text"), In("out"), "--model", folder, "--grad"), "labels");
        Fails(2, Executable.WithFixtures.Run("forward", all, In("out"), "--model", folder, "--grad", "--hidden-states"), "--hidden-states");
        Fails(5, Executable.WithFixtures.RunOn("cuda", "forward", all, In("out"), "--model", folder, "--grad"), "cannot train");
        Assert.False(File.Exists(In("out")));
    }

    [Fact]
    public void The_result_does_not_depend_on_the_number_of_threads()
    {
        string folder = Fixtures.Path("tiny/base");
        foreach (string threads in new[] { "1", "2", "3" })
            Succeeds(Executable.WithFixtures.Run("forward", Path.Combine(folder, "forward.safetensors"), In(threads), "--model", folder, "--threads", threads,
                "--hidden-states", "--attentions"));
        Assert.Equal(File.ReadAllBytes(In("1")), File.ReadAllBytes(In("2")));
        Assert.Equal(File.ReadAllBytes(In("1")), File.ReadAllBytes(In("3")));
    }

    [Fact]
    public void Only_what_was_asked_for_is_written()
    {
        string folder = Fixtures.Path("tiny/base"), all = Path.Combine(folder, "forward.safetensors");
        Succeeds(Executable.WithFixtures.Run("forward", all, In("a"), "--model", folder));
        Assert.Equal([Always[0], "logits", "loss", Always[1]], TensorFile.Open(In("a")).Names);

        // Without labels no loss; without decoder rows one BOS row; without prefixes the same.
        TensorFile.Write(In("text"), ("input_ids", [2, 26], TensorFile.Open(all).Ints("in.input_ids").Select(i => (long)i).ToArray()));
        Succeeds(Executable.WithFixtures.Run("forward", In("text"), In("b"), "--model", folder));
        Assert.Equal([Always[0], "logits", Always[1]], TensorFile.Open(In("b")).Names);
        Assert.Equal([18, 1, 68], TensorFile.Open(In("b")).Shape("logits"));
    }

    [Fact]
    public void Decoder_rows_may_come_by_channel()
    {
        string folder = Fixtures.Path("tiny/odd"), all = Path.Combine(folder, "forward.safetensors");
        int batch = 2, rows = 18, channels = 3;
        int[] ids = TensorFile.Open(all).Ints("in.decoder_input_ids");
        long[] turned = new long[ids.Length];
        for (int i = 0; i < ids.Length; i++)
            turned[(i / rows / channels * channels + i % channels) * rows + i / channels % rows] = ids[i];
        var text = ("input_ids", new[] { 2, 26 }, (Array)TensorFile.Open(all).Ints("in.input_ids"));
        TensorFile.Write(In("rows"), text, ("decoder_input_ids", [batch, rows, channels], ids));
        TensorFile.Write(In("channels"), text, ("decoder_input_ids", [batch * channels, rows], turned));
        Succeeds(Executable.WithFixtures.Run("forward", In("rows"), In("a"), "--model", folder));
        Succeeds(Executable.WithFixtures.Run("forward", In("channels"), In("b"), "--model", folder));
        Assert.Equal(File.ReadAllBytes(In("a")), File.ReadAllBytes(In("b")));
    }

    [Fact]
    public void Bad_inputs_are_named()
    {
        string folder = Fixtures.Path("tiny/base");
        void Refused(string says, params (string Name, int[] Shape, Array Values)[] tensors)
        {
            TensorFile.Write(In("in"), tensors);
            Fails(4, Executable.WithFixtures.Run("forward", In("in"), In("out"), "--model", folder), says);
            Assert.False(File.Exists(In("out")));
        }

        Refused("input_ids", ("other", [1, 2], new[] { 1, 2 }));
        Refused("two dimensions", ("input_ids", [2], new[] { 1, 2 }));
        Refused("256", ("input_ids", [1, 2], new[] { 1, 256 }));
        Refused("-1", ("input_ids", [1, 2], new[] { 1, -1 }));
        Refused("empty", ("input_ids", [1, 0], Array.Empty<int>()));
        Refused("attention_mask", ("input_ids", [1, 2], new[] { 1, 2 }), ("attention_mask", [1, 3], new[] { 1, 1, 1 }));
        Refused("decoder_input_ids", ("input_ids", [1, 2], new[] { 1, 2 }), ("decoder_input_ids", [1, 1, 2], new[] { 1, 1 }));
        Refused("decoder_input_ids", ("input_ids", [1, 2], new[] { 1, 2 }), ("decoder_input_ids", [7, 2], new int[14]));
        Refused("labels", ("input_ids", [1, 2], new[] { 1, 2 }), ("labels", [9, 2], new int[18]));
        Refused("0.5", ("input_ids", [1, 2], new[] { 1, 0.5f }));
        File.WriteAllText(In("in"), "no tensors");
        Fails(4, Executable.WithFixtures.Run("forward", In("in"), In("out"), "--model", folder), In("in"));
    }

    [Fact]
    public void Labels_that_are_all_ignored_give_NaN()
    {
        string folder = Fixtures.Path("tiny/base");
        TensorFile.Write(In("in"), ("input_ids", [1, 2], new[] { 1, 2 }), ("labels", [9, 1], Enumerable.Repeat(-100, 9).ToArray()));
        Succeeds(Executable.WithFixtures.Run("forward", In("in"), In("out"), "--model", folder));
        Assert.True(float.IsNaN(TensorFile.Open(In("out")).Floats("loss").Single()));
    }

    /// <summary>The dtype of what is written.</summary>
    [Fact]
    public void Results_are_float32()
    {
        string folder = Fixtures.Path("tiny/base");
        Succeeds(Executable.WithFixtures.Run("forward", Path.Combine(folder, "forward.safetensors"), In("out"), "--model", folder));
        TensorFile file = TensorFile.Open(In("out"));
        Assert.All(file.Names, n => Assert.Equal("F32", file.Type(n)));
    }
}
