using System.Text.Json;
using Dia.Compiled;
using Dia.Graph;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

/// <summary>convert writes the bytes that the compressed-tensors library writes, and takes integers back.</summary>
public sealed class QuantizingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names => new(QuantizedFixture.Names);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Round_to_nearest_gives_the_librarys_integers_and_scales(string name)
    {
        TensorFile source = TensorFile.Open(Path.Combine(QuantizedFixture.Source, "model.safetensors"));
        TensorFile expected = TensorFile.Open(Path.Combine(QuantizedFixture.Path(name), "model.safetensors"));
        WeightStorage storage = QuantizedFixture.Storage(name);
        foreach (WeightSpec spec in QuantizedFixture.Parameters().Where(s => QuantizedFixture.Quantized(name).Contains(s.Name)))
        {
            float[] rows = Rounded(source.Floats(spec.Name), storage.ScaleFormat), scales = new float[spec.Shape[0] * storage.Groups(spec.Shape[1])];
            var integers = new sbyte[rows.Length];
            RoundToNearest.Instance.Quantize(spec, storage, storage.ScaleFormat, 0, rows, integers, scales);
            Assert.Equal(expected.Floats(spec.Name + "_scale"), scales);
            int k = spec.Shape[1], groups = storage.Groups(k), size = storage.Group == 0 ? k : storage.Group;
            Assert.Equal(QuantizedFixture.Values(name, spec), integers.Select((q, i) => q * scales[i / k * groups + i % k / size]));
        }
    }

    [Theory]
    [InlineData("int8", WeightFormat.Int8)]
    [InlineData("int8-packed", WeightFormat.Int8Packed)]
    [InlineData("int4", WeightFormat.Int4)]
    [InlineData("int4-bf16", WeightFormat.Int4)]
    [InlineData("int8-f16", WeightFormat.Int8)]
    [InlineData("int8-keep-head", WeightFormat.Int8, "logits_dense.weight")]
    [InlineData("int4-keep-cross", WeightFormat.Int4, "*cross_attention*", "logits_dense*")]
    public void A_converted_checkpoint_is_the_librarys(string name, WeightFormat format, params string[] keep)
    {
        WeightFormat kept = QuantizedFixture.Format(name);
        string source = QuantizedFixture.Source;
        if (kept != WeightFormat.Float32)
            CheckpointConverter.Convert(ModelFolder.Open(source), null, kept, source = _folder["source"]);
        var options = new ConversionOptions(format)
        {
            Kept = kept, Keep = [.. keep.Select(p => new KeptWeights(p, kept))], Parameters = QuantizedFixture.Parameters(),
        };
        CheckpointConverter.Convert(ModelFolder.Open(source), null, options, _folder["out"]);
        Assert.Equal(File.ReadAllBytes(Path.Combine(QuantizedFixture.Path(name), "model.safetensors")), File.ReadAllBytes(_folder["out/model.safetensors"]));

        // Of the configurations, what is ignored may be said by patterns there; and the library leaves out the dtype.
        JsonElement expected = Fixtures.Json("quantized", name, "config.json"), actual = JsonElement.Parse(File.ReadAllBytes(_folder["out/config.json"]));
        Assert.Equal(expected.EnumerateObject().Select(p => p.Name), actual.EnumerateObject().Select(p => p.Name).Where(n => n != "dtype"));
        string theirs = expected.GetProperty("quantization_config").GetRawText(), ours = actual.GetProperty("quantization_config").GetRawText();
        if (name == "int4-keep-cross")
            (theirs, ours) = (WithoutIgnored(theirs), WithoutIgnored(ours));
        Assert.Equal(theirs, ours);
        ModelFolder folder = ModelFolder.Open(_folder["out"]), library = ModelFolder.Open(QuantizedFixture.Path(name));
        foreach (WeightSpec spec in QuantizedFixture.Parameters().Where(s => s.Role == WeightRole.Linear))
            Assert.Equal(library.Quantization!.SchemeOf(LoraWeights.Module(spec)), folder.Quantization!.SchemeOf(LoraWeights.Module(spec)));
    }

    [Theory]
    [InlineData("int4-bf16", WeightFormat.Float32)]
    [InlineData("int8", WeightFormat.BFloat16)]
    [InlineData("int8-packed", WeightFormat.Float16)]
    [InlineData("int4-keep-cross", WeightFormat.Float32)]
    public void Integers_are_taken_back_to_floats(string name, WeightFormat format)
    {
        CheckpointConverter.Convert(ModelFolder.Open(QuantizedFixture.Path(name)), null, format, _folder["out"]);
        using SafetensorsFile file = SafetensorsFile.Open(_folder["out/model.safetensors"]);
        WeightSpec[] specs = QuantizedFixture.Parameters();
        Assert.Equal(specs.Select(s => s.Name).Order(StringComparer.Ordinal), file.Tensors.Keys.Order(StringComparer.Ordinal));
        Assert.All(file.Tensors.Values, t => Assert.Equal(WeightFormats.Type(format), t.DType));
        foreach (WeightSpec spec in specs.Where(s => QuantizedFixture.Quantized(name).Contains(s.Name)))
            Assert.Equal(Rounded(QuantizedFixture.Values(name, spec), format), file[spec.Name].ToSingle());
        JsonElement config = JsonElement.Parse(File.ReadAllBytes(_folder["out/config.json"]));
        Assert.False(config.TryGetProperty("quantization_config", out _));
        ModelCheckpoint.Open(ModelFolder.Open(_folder["out"]), CompiledModels.All).Dispose();
    }

    [Fact]
    public void Integers_are_not_rounded_again_and_no_adapter_is_put_into_them()
    {
        ModelFolder from = ModelFolder.Open(QuantizedFixture.Path("int8"));
        var options = new ConversionOptions(WeightFormat.Int4) { Parameters = QuantizedFixture.Parameters() };
        Assert.Contains("integers are not rounded again", Assert.Throws<DiaException>(() => CheckpointConverter.Convert(from, null, options, _folder["out"])).Message);
        ModelFolder lora = ModelFolder.OpenAdapter(Fixtures.Path("training", "lora", "adapter"));
        options = new ConversionOptions(WeightFormat.Float32) { Adapter = new MergedAdapter(lora, LoraFiles.ReadConfig(lora), 1) };
        Assert.Contains("nothing is added to them", Assert.Throws<DiaException>(() => CheckpointConverter.Convert(from, null, options, _folder["out"])).Message);
    }

    [Theory]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Int4)]
    public void An_adapter_is_added_before_weights_are_rounded(WeightFormat format)
    {
        ModelFolder model = ModelFolder.Open(Fixtures.Path("tiny", "base")), lora = ModelFolder.OpenAdapter(Fixtures.Path("training", "lora", "adapter"));
        var adapter = new MergedAdapter(lora, LoraFiles.ReadConfig(lora), 0.5);
        CheckpointConverter.Convert(model, null, new ConversionOptions(WeightFormat.Float32) { Adapter = adapter }, _folder["merged"]);
        var options = new ConversionOptions(format) { Parameters = QuantizedFixture.ParametersOf(model.Description) };
        CheckpointConverter.Convert(ModelFolder.Open(_folder["merged"]), null, options, _folder["two"]);
        CheckpointConverter.Convert(model, null, options with { Adapter = adapter }, _folder["one"]);
        Assert.Equal(File.ReadAllBytes(_folder["two/model.safetensors"]), File.ReadAllBytes(_folder["one/model.safetensors"]));
        CheckpointConverter.Convert(model, null, options, _folder["without"]);
        Assert.NotEqual(File.ReadAllBytes(_folder["without/model.safetensors"]), File.ReadAllBytes(_folder["one/model.safetensors"]));
    }

    [Fact]
    public void Layers_in_several_formats_have_groups_of_their_own_and_the_codec_stays_as_it_is()
    {
        ModelFolder demo = ModelFolder.Open(Fixtures.Demo);
        var options = new ConversionOptions(WeightFormat.Int4)
        {
            Parameters = QuantizedFixture.ParametersOf(Fixtures.Demo),
            Keep = [new("*.layers.0.*", WeightFormat.Int8), new("*.layers.0.cross_attention*", WeightFormat.Float32), new("*norm*", WeightFormat.Float16)],
        };
        CheckpointConverter.Convert(demo, null, options, _folder["out"]);
        Assert.Equal(File.ReadAllBytes(demo.Describe("dac/model.safetensors")), File.ReadAllBytes(_folder["out/dac/model.safetensors"]));
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(ModelFolder.Open(_folder["out"]), CompiledModels.All);
        Assert.Empty(checkpoint.Warnings);
        foreach ((WeightSpec spec, WeightStorage storage) in checkpoint.Parameters)
            Assert.Equal(spec.Name switch
            {
                _ when spec.Name.Contains("norm", StringComparison.Ordinal) => WeightFormat.Float16,
                _ when spec.Role != WeightRole.Linear => WeightFormat.BFloat16,
                _ when spec.Name.Contains(".layers.0.cross_attention", StringComparison.Ordinal) => WeightFormat.Float32,
                _ when spec.Name.Contains(".layers.0.", StringComparison.Ordinal) => new WeightStorage(WeightFormat.Int8Packed, WeightFormat.BFloat16),
                _ => new WeightStorage(WeightFormat.Int4, WeightFormat.BFloat16, 32),
            }, storage);
        using var config = JsonDocument.Parse(File.ReadAllText(_folder["out/config.json"]));
        Assert.Equal(["Linear"], Targets("group_0"));
        Assert.Contains("model.decoder.layers.0.mlp.down_proj", Targets("group_1"));

        IEnumerable<string?> Targets(string group) => config.RootElement.GetProperty("quantization_config").GetProperty("config_groups").GetProperty(group)
            .GetProperty("targets").EnumerateArray().Select(t => t.GetString());
    }

    [Theory]
    [InlineData("base", 0, 32)]
    [InlineData("odd", 0)]
    public void Rows_that_are_no_whole_groups_share_one_scale(string name, params int[] groups)
    {
        string from = Fixtures.Path("tiny", name);
        var options = new ConversionOptions(WeightFormat.Int4) { Parameters = QuantizedFixture.ParametersOf(from) };
        CheckpointConverter.Convert(ModelFolder.Open(from), null, options, _folder["out"]);
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(ModelFolder.Open(_folder["out"]), CompiledModels.All);
        Assert.Equal(groups, checkpoint.Parameters.Where(p => p.Storage.IsQuantized).Select(p => p.Storage.Group).Distinct().Order());
        Assert.All(checkpoint.Parameters.Where(p => p.Storage.IsQuantized), p => Assert.Equal(p.Spec.Shape[1] % 32 == 0 ? 32 : 0, p.Storage.Group));
    }

    [Fact]
    public void A_pattern_that_fits_nothing_and_a_weight_that_is_no_number_are_refused()
    {
        string folder = _folder["source"];
        Directory.CreateDirectory(folder);
        foreach (string file in new[] { "config.json", "model.safetensors" })
            File.Copy(Path.Combine(QuantizedFixture.Source, file), Path.Combine(folder, file));
        var options = new ConversionOptions(WeightFormat.Int8) { Parameters = QuantizedFixture.Parameters(), Keep = [new("model.*.weights", WeightFormat.BFloat16)] };
        DiaException slip = Assert.Throws<DiaException>(() => CheckpointConverter.Convert(ModelFolder.Open(folder), null, options, _folder["out"]));
        Assert.Equal(DiaErrorKind.Usage, slip.Kind);
        Assert.Contains("model.*.weights", slip.Message);
        Assert.Throws<DiaException>(() =>
            CheckpointConverter.Convert(ModelFolder.Open(folder), null, options with { Keep = [new("*norm*", WeightFormat.Int8)] }, _folder["out"]));

        TensorFile.Change(Path.Combine(folder, "model.safetensors"),
            t => BitConverter.TryWriteBytes(t["logits_dense.weight"].Data.AsSpan(4 * 64 * 3), float.NaN));
        DiaException nan =
            Assert.Throws<DiaException>(() => CheckpointConverter.Convert(ModelFolder.Open(folder), null, options with { Keep = [] }, _folder["out"]));
        Assert.Contains("tensor logits_dense.weight", nan.Message);
        Assert.Contains("in row 3 a value that is not finite", nan.Message);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["out"]));
    }

    private static float[] Rounded(float[] values, WeightFormat format) => format switch
    {
        WeightFormat.BFloat16 => [.. values.Select(v => WeightFormats.FromBFloat16(WeightFormats.ToBFloat16(v)))],
        WeightFormat.Float16 => [.. values.Select(v => (float)(Half)v)],
        _ => values,
    };

    private static string WithoutIgnored(string json) => json[..json.IndexOf("\"ignore\"", StringComparison.Ordinal)] + json[json.IndexOf("\"kv_cache", StringComparison.Ordinal)..];
}
