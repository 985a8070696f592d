using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Checkpoints whose configurations a newer version of the reference wrote run in the same compiled classes.</summary>
public sealed class NewerCheckpointTests : TestFolder
{
    [Theory]
    [InlineData("tiny-base", "base")]
    [InlineData("tiny-base-ids-in-decoder", "base")]
    [InlineData("tiny-odd", "odd")]
    [InlineData("tiny-act-gelu-gelu_new", "act-gelu-gelu_new")]
    [InlineData("tiny-rope-linear", "rope-linear")]
    [InlineData("tiny-rope-dynamic", "rope-dynamic")]
    [InlineData("tiny-rope-yarn", "rope-yarn")]
    [InlineData("tiny-rope-longrope", "rope-longrope")]
    [InlineData("tiny-rope-llama3", "rope-llama3")]
    public void Forward_gives_the_same_numbers_without_a_warning(string newer, string older)
    {
        // That the older spelling's are the reference's is what ForwardTests sees.
        string model = Fixtures.Path("tiny/" + older), inputs = Path.Combine(model, "forward.safetensors");
        Succeeds(Executable.WithFixtures.Run("forward", inputs, In("older"), "--model", model, "--hidden-states"));
        Outcome outcome =
            Succeeds(Executable.WithFixtures.Run("forward", inputs, In("newer"), "--model", Combined(newer, model), "--hidden-states", "--strict"));
        Assert.DoesNotContain("warning", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(In("older")), File.ReadAllBytes(In("newer")));
    }

    [Fact]
    public void Greedy_rows_are_the_same()
    {
        string model = Fixtures.Path("generate/model");
        string[] args = ["[S1] Hi there.", "--greedy", "--cfg-scale", "3", "--top-k", "50", "--max-tokens", "60"];
        Succeeds(Executable.WithFixtures.Run([.. args, "--model", model, "--codes", In("older")]));
        Outcome outcome = Succeeds(Executable.WithFixtures.Run([.. args, "--model", Combined("generate-model", model), "--codes", In("newer"), "--strict"]));
        Assert.DoesNotContain("warning", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(In("older")), File.ReadAllBytes(In("newer")));
    }

    /// <summary>Before, theta and scaling inside rope_parameters were passed over: other numbers, exit code 0.</summary>
    [Theory]
    [InlineData("\"rope_theta\": 10000.0", "\"rope_theta\": 20000.0", "rope_theta: 10000 compiled in, 20000 in the checkpoint")]
    [InlineData("\"rope_type\": \"default\"", "\"factor\": 4.0, \"rope_type\": \"linear\"", "rope_scaling.factor: null compiled in, 4 in the checkpoint")]
    [InlineData("\"rope_type\": \"default\"", "\"rope_type\": \"default\", \"beta\": 1", "config.json:")]
    public void Another_rotation_is_another_model(string from, string to, string says)
    {
        string model = Fixtures.Path("tiny/base"), folder = Combined("tiny-base", model), config = Path.Combine(folder, "config.json");
        string text = File.ReadAllText(config), changed = text.Replace(from, to, StringComparison.Ordinal);
        Assert.NotEqual(text, changed);
        File.WriteAllText(config, changed);
        Fails(3, Executable.WithFixtures.Run("forward", Path.Combine(model, "forward.safetensors"), In("out"), "--model", folder), says);
        Assert.False(File.Exists(In("out")));
    }

    /// <summary>A folder of the newer configuration and the older one's weights.</summary>
    private string Combined(string newer, string older)
    {
        Directory.CreateDirectory(In("model"));
        foreach (string file in Directory.EnumerateFiles(Fixtures.Path("newer/" + newer)))
            File.WriteAllText(Path.Combine(In("model"), Path.GetFileName(file)), File.ReadAllText(file));
        File.CreateSymbolicLink(Path.Combine(In("model"), "model.safetensors"), Path.Combine(older, "model.safetensors"));
        return In("model");
    }
}
