using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Checkpoints of 8- and 4-bit weights by the command: written, shown, read, refused.</summary>
public sealed class QuantizedTests : TestFolder
{
    private static readonly string Source = Fixtures.Path("quantized/source");

    [Theory]
    [InlineData("int4", "scalar")]
    [InlineData("int4", "cpu")]
    [InlineData("int8-f16", SoftGpu.Avx2)]
    [InlineData("int8-packed", "cpu")]
    public void A_pass_is_the_references(string name, string device)
    {
        string folder = Fixtures.Path("quantized/" + name), expected = Path.Combine(folder, "forward.safetensors");
        Succeeds(Executable.WithFixtures.RunOn(device, "forward", expected, In("out"), "--model", folder));
        TensorFile right = TensorFile.Open(expected), made = TensorFile.Open(In("out"));
        Testing.Tolerance.Equal("logits", right.Floats("out.logits"), made.Floats("logits"), 2e-5); // fixtures/README.md
        Testing.Tolerance.Equal("loss", right.Floats("out.loss"), made.Floats("loss"), 2e-5);
    }

    [Fact]
    public void A_converted_checkpoint_is_shown_and_speaks_as_the_librarys()
    {
        Succeeds(Executable.WithFixtures.Run("convert", Source, "--dtype", "int4", "--keep", "logits_dense.weight=bf16", "--keep", "*norm*=f32", "-o", In("int4")));
        string info = Succeeds(Executable.WithFixtures.Run("info", "--model", In("int4"))).Text;
        Assert.Matches("linear layers +int4, a scale in bfloat16 for each 32 of a row +26 ", info);
        Assert.Matches("linear layers +bfloat16 +1 +76.5 KiB", info);
        Assert.Matches("embeddings +bfloat16 +2 ", info);
        Assert.Matches("norms, biases +float32 +", info);

        // Greedy and in float32, so that both compute the same products in another order at most.
        string[] speak = ["[S1] Hi.", "--greedy", "--exact", "--max-tokens", "20", "--codes"];
        Succeeds(Executable.WithFixtures.Run("convert", In("int4"), "--dtype", "f32", "-o", In("floats")));
        Succeeds(Executable.WithFixtures.Run([.. speak, In("integers.codes"), "--model", In("int4")]));
        Succeeds(Executable.WithFixtures.Run([.. speak, In("floats.codes"), "--model", In("floats")]));
        Assert.Equal(TensorFile.Open(In("floats.codes")).Ints("rows"), TensorFile.Open(In("integers.codes")).Ints("rows"));
        Succeeds(Executable.WithFixtures.Run([.. speak[..1], "--seed", "1", "--max-tokens", "20", "--codes", In("rounded.codes"), "--model", In("int4")]));
    }

    [Fact]
    public void What_cannot_be_is_refused_by_name()
    {
        Fails(3, Executable.WithFixtures.Run("info", "--model", Fixtures.Path("quantized/refused-asymmetric")), "config.json:", "asymmetric weights", "dia convert --dtype");
        string quantised = Fixtures.Path("quantized/int8");
        Fails(3, Executable.WithFixtures.Run("convert", quantised, "--dtype", "int4", "-o", In("a")), "integers are not rounded again");
        Fails(3, Executable.WithFixtures.Run("info", "--train", "--model", quantised), "train on the checkpoint that they were made from");
        Fails(2, Executable.WithFixtures.Run("convert", Source, "--dtype", "int4", "--keep", "*.q_project*=bf16", "-o", In("b")), "*.q_project*");
        Fails(2, Executable.WithFixtures.Run("convert", Source, "--dtype", "int4", "--keep", "norm=int3", "-o", In("b")), "--keep", "norm=int3");
        Assert.False(Directory.Exists(In("b")));
    }
}
