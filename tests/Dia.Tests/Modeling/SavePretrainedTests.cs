using System.Text.Json;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>A model is written as the reference writes it, and comes back with every bit.</summary>
public sealed class SavePretrainedTests : IDisposable
{
    private static readonly int[,] Text = { { 1, 72, 105 } };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("tiny/base", "float32")]
    [InlineData("tiny/bf16", "bfloat16")]
    [InlineData("tiny/rope-yarn", "float32")]
    public void A_saved_model_has_the_same_tensors_configuration_and_settings(string name, string dtype)
    {
        string from = Fixtures.Path(name.Split('/')), to = _folder["saved"];
        using Device device = new CpuDevice(1);
        using DiaForConditionalGeneration model = Load(from, device);
        model.SavePretrained(to);
        Assert.Equal(["config.json", "generation_config.json", "model.safetensors"], Names(to));
        Assert.Equal(File.ReadAllBytes(Path.Combine(from, "model.safetensors")), File.ReadAllBytes(Path.Combine(to, "model.safetensors")));
        Assert.Equal(File.ReadAllBytes(Path.Combine(from, "generation_config.json")), File.ReadAllBytes(Path.Combine(to, "generation_config.json")));
        JsonElement json = JsonElement.Parse(File.ReadAllBytes(Path.Combine(to, "config.json")));
        Assert.Equal(("DiaForConditionalGeneration", dtype), (json.GetProperty("architectures")[0].GetString(), json.GetProperty("dtype").GetString()));
        using DiaForConditionalGeneration again = Load(to, device);
        Assert.Equal(model.Config, again.Config);
        Assert.Equal(model.GenerationConfig(), again.GenerationConfig());
        Assert.Equal(model.Forward(Text).Logits, again.Forward(Text).Logits);
        again.SavePretrained(to); // Over the files that it has mapped.
        Assert.Equal(File.ReadAllBytes(Path.Combine(from, "model.safetensors")), File.ReadAllBytes(Path.Combine(to, "model.safetensors")));
    }

    [Fact]
    public void A_model_without_head_is_saved_under_the_references_names_and_loads_again()
    {
        using Device device = new CpuDevice(1);
        using DiaForConditionalGeneration whole = Load(Fixtures.Path("tiny", "base"), device);
        using DiaModel model = LoadBase(Fixtures.Path("tiny", "base"), device);
        model.SavePretrained(_folder["saved"]);
        Assert.Equal(["config.json", "model.safetensors"], Names(_folder["saved"]));
        string[] names = [.. TensorFile.Open(Path.Combine(_folder["saved"], "model.safetensors")).Names];
        Assert.Contains("encoder.embedding.weight", names);
        Assert.DoesNotContain(names, n => n.StartsWith("model.", StringComparison.Ordinal) || n.StartsWith("logits", StringComparison.Ordinal));
        Assert.Contains("\"DiaModel\"", File.ReadAllText(Path.Combine(_folder["saved"], "config.json")), StringComparison.Ordinal);
        using DiaModel again = LoadBase(_folder["saved"], device);
        Assert.Equal(whole.Forward(Text).LastHiddenState, again.Forward(Text).LastHiddenState);
        Assert.Equal(whole.Forward(Text).EncoderLastHiddenState, again.Forward(Text).EncoderLastHiddenState);

        // Whose head is asked for is told that there is none; with a checkpoint that is open already too.
        Assert.Contains("logits_dense.weight", Assert.Throws<DiaException>(() => Load(_folder["saved"], device)).Message, StringComparison.Ordinal);
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(ModelFolder.Open(_folder["saved"]), CompiledModels.All, needsHead: false);
        Assert.False(checkpoint.HasHead);
        Assert.Contains("without its head", Assert.Throws<DiaException>(() => DiaForConditionalGeneration.FromPretrained(checkpoint, device)).Message,
            StringComparison.Ordinal);
        Assert.Empty(checkpoint.Warnings);
    }

    [Fact]
    public void What_cannot_be_saved_whole_is_not_saved_at_all()
    {
        using Device device = new CpuDevice(1);
        DiaForConditionalGeneration model = Load(Fixtures.Path("tiny", "base"), device);
        Directory.CreateDirectory(_folder["taken/generation_config.json"]);
        Assert.Equal(DiaErrorKind.Output, Assert.Throws<DiaException>(() => model.SavePretrained(_folder["taken"])).Kind);
        Assert.Equal(["generation_config.json"], Names(_folder["taken"]));
        _folder.Write("file", "x");
        Assert.Equal(DiaErrorKind.Output, Assert.Throws<DiaException>(() => model.SavePretrained(_folder["file"])).Kind);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.SavePretrained(_folder["late"]));
    }

    [Fact]
    public void Configurations_come_back_as_they_were()
    {
        var config = new DiaConfig { InitializerRange = 0.5, DecoderConfig = new() { RopeScaling = new() { RopeType = RopeType.Linear, Factor = 2 } } };
        config.SavePretrained(_folder["a"]);
        Assert.Equal(config, DiaConfig.FromPretrained(ModelFolder.Open(_folder["a"])));
        Assert.Same(config.DecoderConfig, config.GetTextConfig());
        var settings = new GenerationConfig { DoSample = true, Temperature = 1.25, TopK = 7, GuidanceScale = 3, MaxNewTokens = 9, MinNewTokens = 2 };
        settings.SavePretrained(_folder["a"]);
        GenerationConfig read = GenerationConfig.FromPretrained(ModelFolder.Open(_folder["a"]));
        Assert.Equal(settings, read with { DelayPattern = settings.DelayPattern });
        Assert.Contains("generation_config.json is missing", Assert.Throws<DiaException>(() =>
            GenerationConfig.FromPretrained(ModelFolder.Open(Fixtures.Path("dac", "base")))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_weights_are_the_same_for_a_seed_with_and_without_head_and_after_saving()
    {
        using Device device = new CpuDevice(2), scalar = TestDevice.Create("scalar");
        DiaConfig config = DiaConfig.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", "base")));
        using var model = new DiaForConditionalGeneration(config, CompiledModels.All, device, seed: 3);
        using var again = new DiaForConditionalGeneration(config, CompiledModels.All, device, seed: 3);
        using var other = new DiaForConditionalGeneration(config, CompiledModels.All, device, seed: 4);
        using var headless = new DiaModel(config, CompiledModels.All, device, seed: 3);
        float[] logits = model.Forward(Text).Logits;
        Assert.Equal(logits, again.Forward(Text).Logits);
        Assert.NotEqual(logits, other.Forward(Text).Logits);
        Assert.Equal(model.Forward(Text).LastHiddenState, headless.Forward(Text).LastHiddenState);
        Assert.Equal(config.EosTokenId, model.GenerationConfig().EosTokenId);
        model.SavePretrained(_folder["random"]);
        Assert.Equal(["config.json", "model.safetensors"], Names(_folder["random"]));
        using DiaForConditionalGeneration loaded = Load(_folder["random"], device);
        Assert.Equal(logits, loaded.Forward(Text).Logits);

        TensorFile tensors = TensorFile.Open(Path.Combine(_folder["random"], "model.safetensors"));
        Assert.All(tensors.Names.Where(n => n.Contains("norm", StringComparison.Ordinal)), n => Assert.All(tensors.Floats(n), v => Assert.Equal(1, v)));
        DiaConfig missing = config with { EncoderConfig = config.EncoderConfig with { HiddenSize = 33 } };
        string message = Assert.Throws<DiaException>(() => new DiaModel(missing, CompiledModels.All, scalar)).Message;
        Assert.Contains("encoder_config.hidden_size: 32 compiled in, 33 asked for", message, StringComparison.Ordinal);
        Assert.Throws<DiaException>(() => new DiaModel(config with { InitializerRange = double.NaN, DecoderConfig = config.DecoderConfig with
            { InitializerRange = double.NaN } }, CompiledModels.All, scalar));
    }

    /// <summary>Each part has the initializer_range of its own configuration, the head that of the whole, as in the reference.</summary>
    [Fact]
    public void Random_weights_have_the_range_of_their_part()
    {
        using Device device = new CpuDevice(1);
        DiaConfig config = DiaConfig.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", "base")));
        config = config with { InitializerRange = 4, EncoderConfig = config.EncoderConfig with { InitializerRange = 1 }, DecoderConfig =
            config.DecoderConfig with { InitializerRange = 2 } };
        using var model = new DiaForConditionalGeneration(config, CompiledModels.All, device, seed: 1);
        model.SavePretrained(_folder["parts"]);
        TensorFile tensors = TensorFile.Open(Path.Combine(_folder["parts"], "model.safetensors"));
        foreach ((string name, double range) in new[]
        {
            ("model.encoder.embedding.weight", 1), ("model.encoder.layers.1.mlp.down_proj.weight", 1), ("model.decoder.embeddings.embed.weight", 2),
            ("model.decoder.layers.0.cross_attention.k_proj.weight", 2), ("model.decoder.layers.2.mlp.gate_up_proj.weight", 2), ("logits_dense.weight", 4.0),
        })
        {
            // The standard error of a deviation of n values is 1/√(2n) of it: five of them.
            float[] values = tensors.Floats(name);
            double deviation = Math.Sqrt(values.Average(v => (double)v * v));
            Assert.True(Math.Abs(deviation / range - 1) < 5 / Math.Sqrt(2.0 * values.Length), $"{name}: {deviation} where {range} was asked for");
            Assert.True(Math.Abs(values.Average()) < 5 * range / Math.Sqrt(values.Length), name);
        }
    }

    private static string[] Names(string folder) => [.. Directory.GetFileSystemEntries(folder).Select(p => Path.GetFileName(p)).Order(StringComparer.Ordinal)];

    private static DiaForConditionalGeneration Load(string folder, Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);

    private static DiaModel LoadBase(string folder, Device device) => DiaModel.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);
}
