using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>A LoRA adapter on the commands that take a model, beside the weights and in them.</summary>
public sealed class AdapterTests : TestFolder
{
    private static readonly string Model = Fixtures.Path("tiny/base"), Adapter = Fixtures.Path("training/lora/adapter");

    private static TensorFile Cases => TensorFile.Open(Fixtures.Path("training/lora/cases.safetensors"));

    [Theory]
    [InlineData("scalar")]
    [InlineData("cpu")]
    [InlineData("cuda")]
    public void A_pass_with_it_is_the_references(string device)
    {
        TensorFile cases = Cases;
        Inputs(cases);
        Succeeds(Executable.WithFixtures.RunOn(device, "forward", In("in"), In("out"), "--model", Model, "--adapter", Adapter));
        TensorFile made = TensorFile.Open(In("out"));
        Testing.Tolerance.Equal("logits", cases.Floats("out.logits"), made.Floats("logits"), 2e-5); // fixtures/README.md, of the base model's logits
        Testing.Tolerance.Equal("loss", cases.Floats("out.loss"), made.Floats("loss"), 1e-5);
    }

    [Fact]
    public void Its_gradients_are_the_references_and_the_weights_have_none()
    {
        TensorFile cases = Cases;
        Inputs(cases);
        Succeeds(Executable.WithFixtures.Run("forward", In("in"), In("out"), "--model", Model, "--adapter", Adapter, "--grad"));
        TensorFile made = TensorFile.Open(In("out"));
        string[] names = [.. cases.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal))];
        Assert.Equal(names, made.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal)));
        foreach (string name in names)
            Testing.Tolerance.Equal(name, cases.Floats(name), made.Floats(name), 1e-4);
    }

    [Fact]
    public void Merged_it_gives_what_it_gives_beside_the_weights()
    {
        Inputs(Cases);
        Succeeds(Executable.WithFixtures.Run("convert", Model, "--adapter", Adapter, "--adapter-strength", "-1.5", "--dtype", "f32", "-o", In("merged")));
        Succeeds(Executable.WithFixtures.Run("forward", In("in"), In("beside"), "--model", Model, "--adapter", Adapter, "--adapter-strength", "-1.5"));
        Succeeds(Executable.WithFixtures.Run("forward", In("in"), In("inside"), "--model", In("merged")));
        Testing.Tolerance.Equal("logits", TensorFile.Open(In("beside")).Floats("logits"), TensorFile.Open(In("inside")).Floats("logits"), 2e-5);
        Succeeds(Executable.WithFixtures.Run("forward", In("in"), In("plain"), "--model", Model));
        Assert.NotEqual(TensorFile.Open(In("plain")).Floats("logits"), TensorFile.Open(In("inside")).Floats("logits"));
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("cuda")]
    public void Speech_with_it_is_that_of_the_merged_checkpoint(string device)
    {
        // Greedy, so that rounding decides nothing but where two scores are all but equal: eight rows of this model have none such.
        string[] speak = ["[S1] Hello.", "--greedy", "--max-tokens", "20", "--codes"];
        Succeeds(Executable.WithFixtures.Run("convert", Model, "--adapter", Adapter, "--dtype", "f32", "-o", In("merged")));
        Succeeds(Executable.WithFixtures.RunOn(device, [.. speak, In("beside"), "--model", Model, "--adapter", Adapter]));
        Succeeds(Executable.WithFixtures.RunOn(device, [.. speak, In("inside"), "--model", In("merged")]));
        Succeeds(Executable.WithFixtures.RunOn(device, [.. speak, In("plain"), "--model", Model]));
        int[] beside = TensorFile.Open(In("beside")).Ints("rows"), inside = TensorFile.Open(In("inside")).Ints("rows");
        Assert.Equal(inside, beside);
        Assert.NotEqual(TensorFile.Open(In("plain")).Ints("rows"), beside);
    }

    [Fact]
    public void What_is_no_adapter_of_the_model_is_refused()
    {
        Inputs(Cases);
        string[] forward = ["forward", In("in"), In("out"), "--model", Model, "--adapter"];
        Fails(3, Executable.WithFixtures.Run([.. forward, In("nothing")]), "is no folder");
        Fails(3, Executable.WithFixtures.Run([.. forward, Model]), "adapter_config.json is missing");
        Fails(2, Executable.WithFixtures.Run("forward", In("in"), In("out"), "--model", Model, "--adapter-strength", "2"), "--adapter");
        Fails(3, Executable.WithFixtures.Run("forward", In("in"), In("out"), "--model", Fixtures.Path("tiny/odd"), "--adapter", Adapter), "adapter_model.safetensors");
        Directory.CreateDirectory(In("dora"));
        File.WriteAllText(In("dora/adapter_config.json"), File.ReadAllText(Path.Combine(Adapter, "adapter_config.json"))
            .Replace("\"use_dora\": false", "\"use_dora\": true", StringComparison.Ordinal));
        Fails(3, Executable.WithFixtures.Run([.. forward, In("dora")]), "use_dora");
        Directory.CreateDirectory(In("rank"));
        foreach (string file in Directory.GetFiles(Adapter))
            File.Copy(file, Path.Combine(In("rank"), Path.GetFileName(file)));
        File.WriteAllText(In("rank/adapter_config.json"), File.ReadAllText(In("rank/adapter_config.json"))
            .Replace("\"r\": 4", "\"r\": 5", StringComparison.Ordinal));
        Fails(3, Executable.WithFixtures.Run([.. forward, In("rank")]), "of rank 4, where adapter_config.json says r 5");
        Fails(6, Executable.WithFixtures.Run("convert", Model, "--adapter", In("rank"), "--dtype", "f32", "-o", In("rank")), "the adapter's own folder");
        Assert.False(File.Exists(In("out")));
    }

    private void Inputs(TensorFile cases) => TensorFile.Write(In("in"), [.. new[] { "input_ids", "attention_mask", "step0.decoder_input_ids",
        "step0.decoder_attention_mask", "step0.labels" }.Select(n => (n[(n.IndexOf('.', StringComparison.Ordinal) + 1)..], cases.Shape(n),
            (Array)Array.ConvertAll(cases.Ints(n), i => (long)i)))]);
}
