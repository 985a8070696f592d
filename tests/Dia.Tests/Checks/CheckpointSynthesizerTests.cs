using System.Text.Json;
using Dia.Checks;
using Dia.Graph;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Checks;

public sealed class CheckpointSynthesizerTests : IDisposable
{
    /// <summary>The parameters of the full models whose first values the fixture holds.</summary>
    private static readonly WeightSpec[] Specs =
    [
        new("encoder.conv1.weight", [64, 1, 7], WeightRole.Convolution),
        new("encoder.conv1.bias", [64], WeightRole.Vector),
        new("encoder.block.0.res_unit1.snake1.alpha", [1, 64, 1], WeightRole.Vector),
        new("encoder.block.0.res_unit1.conv1.weight", [64, 64, 7], WeightRole.Convolution),
        new("encoder.block.0.res_unit1.conv1.bias", [64], WeightRole.Vector),
        new("encoder.block.0.res_unit1.snake2.alpha", [1, 64, 1], WeightRole.Vector),
        new("model.encoder.embedding.weight", [256, 1024], WeightRole.Embedding),
        new("model.encoder.layers.0.pre_sa_norm.weight", [1024], WeightRole.Vector),
        new("model.encoder.layers.0.self_attention.q_proj.weight", [2048, 1024], WeightRole.Linear),
        new("model.encoder.layers.0.self_attention.k_proj.weight", [2048, 1024], WeightRole.Linear),
        new("model.encoder.layers.0.self_attention.v_proj.weight", [2048, 1024], WeightRole.Linear),
        new("model.encoder.layers.0.self_attention.o_proj.weight", [1024, 2048], WeightRole.Linear),
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(WeightFormat.BFloat16, SafetensorsDType.BF16)]
    [InlineData(WeightFormat.Float32, SafetensorsDType.F32)]
    public void First_values_are_the_references(WeightFormat format, SafetensorsDType type)
    {
        CheckpointSynthesizer.Write(_folder["out"], Specs, format, new Dictionary<string,
            string> { ["config.json"] = "{\"dtype\": \"x\"}", ["generation_config.json"] = "{}" });
        using var file = SafetensorsFile.Open(_folder["out/model.safetensors"]);
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("full/full.json")));
        int compared = 0;
        foreach (string model in new[] { "dac", "dia" })
        {
            foreach (var values in json.RootElement.GetProperty(model).GetProperty("first_values").EnumerateObject())
            {
                Assert.Equal(type, file[values.Name].DType);
                Assert.Equal(values.Value.EnumerateArray().Select(v => v.GetSingle()), file[values.Name].ToSingle().Take(4));
                compared++;
            }
        }

        Assert.Equal(Specs.Length, compared);
        Assert.Equal($"{{\"dtype\": \"{WeightFormats.ReferenceName(format)}\"}}", File.ReadAllText(_folder["out/config.json"]));
        Assert.True(File.Exists(_folder["out/generation_config.json"]));
    }

    [Fact]
    public void Bytes_depend_on_nothing_but_the_recipe()
    {
        // More values than one step holds, and not a multiple of a block; any place can be computed by itself.
        WeightSpec[] specs = [new("w", [5, 1_000_003], WeightRole.Linear)];
        var none = new Dictionary<string, string>();
        CheckpointSynthesizer.Write(_folder["one"], specs, WeightFormat.BFloat16, none, threads: 1);
        CheckpointSynthesizer.Write(_folder["many"], specs, WeightFormat.BFloat16, none, threads: 4);
        Assert.Equal(File.ReadAllBytes(_folder["one/model.safetensors"]), File.ReadAllBytes(_folder["many/model.safetensors"]));

        using var file = SafetensorsFile.Open(_folder["one/model.safetensors"]);
        float[] all = file["w"].ToSingle(), part = new float[1000];
        CheckpointSynthesizer.Values(specs[0], 4_194_000, part);
        Assert.Equal(part.Select(v => WeightFormats.FromBFloat16(WeightFormats.ToBFloat16(v))), all.Skip(4_194_000).Take(1000));
    }

    [Theory]
    [InlineData("decoder.block.0.conv_t1.weight", new[] { 1536, 768, 16 }, 0, 0.015625)]
    [InlineData("decoder.block.0.conv_t1.bias", new[] { 768 }, 0, 0.0625)]
    [InlineData("decoder.conv2.weight", new[] { 1, 96, 7 }, 0, 0.0083519138)]
    [InlineData("quantizer.quantizers.0.codebook.weight", new[] { 1024, 8 }, 0, 1)]
    [InlineData("quantizer.quantizers.0.in_proj.weight", new[] { 8, 1024, 1 }, 0, 0.054126587)]
    [InlineData("logits_dense.weight", new[] { 9252, 2048 }, 0, 0.07654655)]
    [InlineData("model.decoder.norm.weight", new[] { 2048 }, 1, 0.25)]
    [InlineData("model.decoder.embeddings.embed.weight", new[] { 9252, 2048 }, 0, 1)]
    public void Kinds_follow_the_recipe(string name, int[] shape, float center, double bound)
    {
        var kind = CheckpointSynthesizer.Kind(name, shape);
        Assert.Equal(center, kind.Center);
        Assert.Equal((float)bound, kind.Bound, 1e-8f); // The numbers above have 8 digits.
    }

    [Fact]
    public void Float16_is_refused() =>
        Assert.Equal(DiaErrorKind.Usage,
            Assert.Throws<DiaException>(() => CheckpointSynthesizer.Write(_folder.Path, Specs, WeightFormat.Float16, new Dictionary<string, string>())).Kind);
}
