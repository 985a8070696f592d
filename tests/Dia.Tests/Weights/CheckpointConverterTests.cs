using System.Text.Json;
using Dia.IO;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

public sealed unsafe class CheckpointConverterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void B_float16_survives_float32_and_back()
    {
        var demo = ModelFolder.Open(Fixtures.Demo);
        CheckpointConverter.Convert(demo, null, WeightFormat.Float32, _folder["f32"]);
        CheckpointConverter.Convert(ModelFolder.Open(_folder["f32"]), null, WeightFormat.BFloat16, _folder["bf16"]);
        foreach (string name in new[] { "model.safetensors", "dac/model.safetensors", "config.json", "dac/config.json", "generation_config.json",
            "tokenizer_config.json", "preprocessor_config.json" })
            Assert.Equal(File.ReadAllBytes(demo.Describe(name)), File.ReadAllBytes(_folder["bf16/" + name]));
        Assert.False(File.Exists(_folder["bf16/README.md"]));

        using var original = SafetensorsFile.Open(demo.Describe("model.safetensors"));
        using var wide = SafetensorsFile.Open(_folder["f32/model.safetensors"]);
        Assert.Equal("pt", wide.Metadata["format"]);
        Assert.All(wide.Tensors.Values, t => Assert.Equal(SafetensorsDType.F32, t.DType));
        Assert.Equal(original["logits_dense.weight"].ToSingle(), wide["logits_dense.weight"].ToSingle());
        using var config = JsonDocument.Parse(File.ReadAllText(_folder["f32/config.json"]));
        Assert.Equal("float32", config.RootElement.GetProperty("dtype").GetString());
    }

    [Theory]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Float16)]
    public void Rounds_every_float_tensor_and_copies_the_rest(WeightFormat format)
    {
        float[] values = [.. Enumerable.Range(0, 3000).Select(i => MathF.Sin(i) * 100)];
        long[] steps = [1L << 40];
        _folder.Save("in/model.safetensors", new("w", [3, 1000], values), new("c.weight_g", [1, 1, 1], new float[] { 2 }), new("steps", [1], steps));
        _folder.Write("in/config.json", "{}");
        CheckpointConverter.Convert(ModelFolder.Open(_folder["in"]), null, format, _folder["out"]);
        using var file = SafetensorsFile.Open(_folder["out/model.safetensors"]);
        Func<float, float> round = format == WeightFormat.BFloat16 ? v => WeightFormats.FromBFloat16(WeightFormats.ToBFloat16(v)) : v => (float)(Half)v;
        Assert.Equal(values.Select(round), file["w"].ToSingle());
        Assert.Equal([3L, 1000L], file["w"].Shape);
        Assert.Equal(SafetensorsDType.I64, file["steps"].DType);
        Assert.Equal(steps[0], *(long*)file["steps"].Data);
        Assert.True(file.Tensors.ContainsKey("c.weight_g"));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void A_value_that_is_not_finite_is_found_before_anything_is_spoken(float wrong)
    {
        float[] values = new float[40_000];
        values[^1] = wrong;
        _folder.Save("in/model.safetensors", new("a", [2], new float[2]), new("odd", [4, 10_000], values));
        _folder.Write("in/config.json", "{}");
        var folder = ModelFolder.Open(_folder["in"]);
        DiaException e = Assert.Throws<DiaException>(() => CheckpointConverter.Check(folder, null, WeightFormat.BFloat16, _folder["out"]));
        Assert.Equal(DiaErrorKind.Model, e.Kind);
        Assert.Contains($"tensor odd in {folder.Description} has a value that is not finite", e.Message, StringComparison.Ordinal);
        Assert.Contains("value 39999", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Takes_the_codec_from_elsewhere()
    {
        CheckpointConverter.Convert(ModelFolder.Open(Fixtures.Path("tiny/base")), ModelFolder.Open(Fixtures.Path("dac/base")), WeightFormat.BFloat16,
            _folder["out"]);
        using var codec = SafetensorsFile.Open(_folder["out/dac/model.safetensors"]);
        Assert.Equal(SafetensorsDType.BF16, codec["decoder.conv1.weight"].DType);
        Assert.True(File.Exists(_folder["out/dac/config.json"]));
    }

    [Theory]
    [InlineData(WeightFormat.Float16, 70000f)]
    [InlineData(WeightFormat.BFloat16, 3.4e38f)]
    public void Values_too_large_for_the_format_are_refused(WeightFormat format, float value)
    {
        _folder.Save("in/model.safetensors", new SafetensorsArray("w", [3], new[] { 1, float.NegativeInfinity, -value }));
        var e = Assert.Throws<DiaException>(() => CheckpointConverter.Convert(ModelFolder.Open(_folder["in"]), null, format, _folder["out"]));
        Assert.Equal(DiaErrorKind.Model, e.Kind);
        Assert.Contains("value 2 of tensor w", e.Message);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["out"]));
    }

    [Fact]
    public void What_cannot_be_converted_is_refused()
    {
        _folder.Save("in/model.safetensors", new SafetensorsArray("w", [1], new double[1]));
        Assert.Contains("tensor w", Assert.Throws<DiaException>(() =>
            CheckpointConverter.Convert(ModelFolder.Open(_folder["in"]), null, WeightFormat.Float32, _folder["out"])).Message);
        var odd = ModelFolder.Open(Fixtures.Path("tiny/odd"));
        _folder.Write("in/file", "x");
        Assert.Equal(DiaErrorKind.Output,
            Assert.Throws<DiaException>(() => CheckpointConverter.Convert(odd, null, WeightFormat.Float32, _folder["in/file"])).Kind);
        CheckpointConverter.Convert(odd, null, WeightFormat.Float32, _folder["same"]);
        Assert.Contains("own folder", Assert.Throws<DiaException>(() =>
            CheckpointConverter.Convert(ModelFolder.Open(_folder["same"]), null, WeightFormat.BFloat16, _folder["same"])).Message);
    }

    [Fact]
    public void What_is_read_is_not_written_over_by_another_name()
    {
        CheckpointConverter.Convert(ModelFolder.Open(Fixtures.Path("tiny/odd")), null, WeightFormat.Float32, _folder["model"]);
        CheckpointConverter.Convert(ModelFolder.OpenCodec(Fixtures.Path("dac/base")), null, WeightFormat.Float32, _folder["model/dac"]);
        CheckpointConverter.Convert(ModelFolder.OpenCodec(Fixtures.Path("dac/base")), null, WeightFormat.Float32, _folder["codec"]);
        Directory.CreateSymbolicLink(_folder["link"], _folder["model"]);
        Directory.CreateDirectory(_folder["links"]);
        File.CreateSymbolicLink(_folder["links/model.safetensors"], _folder["model/model.safetensors"]);
        Dictionary<string, byte[]> before = Directory.GetFiles(_folder["."], "*", SearchOption.AllDirectories).ToDictionary(f => f, File.ReadAllBytes);
        foreach ((string model, string? codec, string to, string whose) in new[]
        {
            ("model", null, "link", "checkpoint"), ("link", null, "model", "checkpoint"), ("model", null, "links", "checkpoint"),
            ("model", null, "model/dac", "codec"), ("model", "codec", "codec", "codec"),
        })
        {
            var e = Assert.Throws<DiaException>(() => CheckpointConverter.Convert(ModelFolder.Open(_folder[model]),
                codec is null ? null : ModelFolder.OpenCodec(_folder[codec]), WeightFormat.BFloat16, _folder[to]));
            Assert.Equal(DiaErrorKind.Output, e.Kind);
            Assert.Contains($"is the {whose}'s own folder", e.Message);
        }

        Assert.All(before, file => Assert.Equal(file.Value, File.ReadAllBytes(file.Key)));
    }

    [Fact]
    public void What_a_killed_writer_left_goes_and_what_is_being_written_stays()
    {
        Directory.CreateDirectory(_folder["out"]);
        File.WriteAllText(_folder["out/.dia-left.tmp"], "half");
        using (AtomicFile other = AtomicFile.Create(_folder["out/other"]))
        {
            CheckpointConverter.Convert(ModelFolder.Open(Fixtures.Path("tiny/odd")), null, WeightFormat.Float32, _folder["out"]);
            Assert.False(File.Exists(_folder["out/.dia-left.tmp"]));
            other.Commit();
        }

        Assert.True(File.Exists(_folder["out/other"]));
    }

    [Theory]
    [InlineData("{ \"a\": 1,\n\t\"dtype\" : \"float32\" }\n", "{ \"a\": 1,\n\t\"dtype\" : \"bfloat16\" }\n")]
    [InlineData("{\"torch_dtype\":null,\"x\":{\"dtype\":\"é\"},\"y\":\"dtype\"}", "{\"torch_dtype\":\"bfloat16\",\"x\":{\"dtype\":\"é\"},\"y\":\"dtype\"}")]
    [InlineData("{\"a\":\"é\"}", "{\"a\":\"é\"}")]
    public void Only_the_d_type_of_a_config_changes(string json, string expected) =>
        Assert.Equal(expected, ConfigurationText.WithDType(json, WeightFormat.BFloat16, "config.json"));

    [Fact]
    public void A_broken_config_is_refused() =>
        Assert.Contains("config.json is not valid JSON",
            Assert.Throws<DiaException>(() => ConfigurationText.WithDType("{\"a\":", WeightFormat.BFloat16, "config.json")).Message);
}
