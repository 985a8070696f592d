using System.Text.Json;
using System.Text.Json.Nodes;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Graph;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

/// <summary>Checkpoints of integers are read for what they say, and what says something else is refused with its file and tensor.</summary>
public sealed class QuantizedCheckpointTests : IDisposable
{
    private const string Layer = "model.decoder.layers.0.mlp.down_proj", Weight = Layer + ".weight";

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names => new(QuantizedFixture.Names);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Weights_are_integers_times_scales(string name)
    {
        WeightSpec[] specs = QuantizedFixture.Parameters();
        using LoadedWeights weights = WeightFiles.Load(ModelFolder.Open(QuantizedFixture.Path(name)), specs);
        TensorFile file = TensorFile.Open(Path.Combine(QuantizedFixture.Path(name), "model.safetensors"));
        string[] quantised = QuantizedFixture.Quantized(name);
        for (int i = 0; i < specs.Length; i++)
        {
            bool isInteger = quantised.Contains(specs[i].Name);
            Assert.Equal(isInteger ? QuantizedFixture.Storage(name) : QuantizedFixture.Format(name), weights.Weights[i].Storage);
            float[] values = new float[specs[i].Count];
            weights.Weights[i].Read(0, values);
            Assert.Equal(isInteger ? QuantizedFixture.Values(name, specs[i]) : file.Floats(specs[i].Name), values);
        }
    }

    [Theory]
    [InlineData("refused-asymmetric", "config_groups.group_0.weights.symmetric: asymmetric weights (with zero points) are not supported")]
    [InlineData("refused-3bit", "config_groups.group_0.weights.num_bits: integers of 3 bits are not supported")]
    [InlineData("refused-float8", "config_groups.group_0.weights.type: weights of type \"float\" are not supported")]
    public void Other_schemes_of_the_library_are_refused_by_name(string name, string says)
    {
        var e = Assert.Throws<DiaException>(() => ModelCheckpoint.Open(ModelFolder.Open(QuantizedFixture.Path(name)), CompiledModels.All));
        Assert.Equal(DiaErrorKind.Model, e.Kind);
        Assert.Contains(Path.Combine(QuantizedFixture.Path(name), "config.json") + ":", e.Message);
        Assert.Contains(says, e.Message);
        Assert.Contains("take the checkpoint that the weights were made from", e.Message);
        Assert.Throws<DiaException>(() => CheckpointConverter.Convert(ModelFolder.Open(QuantizedFixture.Path(name)), null, WeightFormat.BFloat16, _folder["out"]));
        Assert.False(Directory.Exists(_folder["out"]));
    }

    [Theory]
    [InlineData("quant_method", "\"gptq\"", "quantised (\"gptq\")")]
    [InlineData("kv_cache_scheme", "{\"num_bits\": 8}", "kv_cache_scheme: quantised keys and values")]
    [InlineData("sparsity_config", "{\"format\": \"sparse-24-bitmask\"}", "sparsity_config: sparse weights")]
    [InlineData("transform_config", "{\"config_groups\": {}}", "transform_config: weights of transformed inputs")]
    [InlineData("format", "\"marlin-24\"", "format: \"marlin-24\" is none of")]
    [InlineData("format", "null", "neither the group nor quantization_config says which format")]
    [InlineData("format", "\"int-quantized\"", "4 bits are read as pack-quantized only")]
    [InlineData("ignore", "\"re:x\"", "ignore: must be a list of names")]
    [InlineData("ignore", "[\"re:(a\"]", "a pattern of it or of ignore cannot be read")]
    [InlineData("ignore", "[\"re:^(?!a)b\"]", "a pattern of it or of ignore cannot be read")]
    [InlineData("config_groups", "null", "config_groups: has no group")]
    [InlineData("surprise", "1", "\"surprise\" is no key of this configuration")]
    [InlineData("config_groups.group_0.input_activations", "{\"num_bits\": 8}", "input_activations: quantised activations are not supported")]
    [InlineData("config_groups.group_0.targets", "[\"Linear\", \"Linear\"]", "\"Linear\" stands in two groups")]
    [InlineData("config_groups.group_0.weights.group_size", "48", "group_size: groups must be of a multiple of 32 values")]
    [InlineData("config_groups.group_0.weights.group_size", "null", "group_size: groups must be of a multiple of 32 values")]
    [InlineData("config_groups.group_0.weights.num_bits", "8", "8 bits with a scale for each group")]
    [InlineData("config_groups.group_0.weights.strategy", "\"tensor\"", "strategy: \"tensor\" is not supported")]
    [InlineData("config_groups.group_0.weights.actorder", "\"group\"", "in the order of activations (weight_g_idx)")]
    [InlineData("config_groups.group_0.weights.dynamic", "true", "dynamic: scales that are found while the model runs")]
    [InlineData("config_groups.group_0.weights.block_structure", "[128, 128]", "block_structure: blocks of weights")]
    public void What_a_configuration_says_else_is_refused_by_its_key(string key, string json, string says)
    {
        ConfigurationResult<QuantizationConfig> result = QuantizationConfigParser.Parse(ConfigurationFile.Read(Changed(key, json)));
        Assert.Null(result.Config);
        Assert.Contains(result.Problems, p => p.Message.Contains(says, StringComparison.Ordinal) && p.Line > 0);
        // The class that is compiled of a configuration does not depend on it.
        DiaConfig? config = DiaConfigParser.Parse(Changed(key, json), ProblemSeverity.Error).Config;
        Assert.Equal(ModelCatalog.ReadConfig(ModelFolder.Open(QuantizedFixture.Source)), config);
    }

    [Theory]
    [InlineData("3")]
    [InlineData("0")]
    [InlineData("100")]
    [InlineData("\"eight\"")]
    public void Of_a_wrong_number_of_bits_one_thing_is_said(string bits) => Assert.Single(
        QuantizationConfigParser.Parse(ConfigurationFile.Read(Changed("config_groups.group_0.weights.num_bits", bits))).Problems);

    [Fact]
    public void What_ignores_a_layer_goes_before_its_name_before_a_pattern_before_the_class()
    {
        static string Group(int number, string targets, int size) =>
            $"\"{number}\": {{\"targets\": [{targets}], \"weights\": {{\"num_bits\": 4, \"strategy\": \"group\", \"group_size\": {size}}}}}";
        string groups = string.Join(", ", Group(0, "\"Linear\"", 32), Group(1, "\"a.q\", \"a.head\"", 64), Group(2, "\"re:a\\\\.[qk]\"", 96), Group(3, "\"re:a\\\\.k\"", 128));
        ConfigurationResult<QuantizationConfig> result = QuantizationConfigParser.Parse(ConfigurationFile.Read(
            "{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", \"ignore\": [\"a.head\", \"re:.*norm$\"], "
            + $"\"config_groups\": {{{groups}}}}}}}"));
        Assert.Empty(result.Problems);
        Assert.Equal([null, null, 64, 96, 32, 96], new[] { "a.head", "a.norm", "a.q", "a.k", "b", "a.qq" }.Select(m => result.Config!.SchemeOf(m)?.GroupSize));
    }

    [Theory]
    [InlineData("_packed", null, "_packed: missing")]
    [InlineData("_scale", null, "_scale: missing")]
    [InlineData("_shape", null, "_shape: not [64, 96]")]
    [InlineData("_packed", "I64 [64, 6]", "_packed: I64 where I32 is needed")]
    [InlineData("_packed", "I32 [64, 11]", "_packed: [64, 11] where [64, 12] is needed")]
    [InlineData("_packed", "I32 [768]", "_packed: of shape [768]")]
    [InlineData("_scale", "I16 [64, 3]", "_scale: I16 where F32, BF16 or F16 is needed")]
    [InlineData("_scale", "F32 [64, 1]", "_scale: [64, 1] where [64, 3] is needed")]
    [InlineData("_scale", "F32 [3, 64]", "_scale: [3, 64] where [64, 3] is needed")]
    [InlineData("_shape", "I64 [2]", "_shape: not [64, 96]")]
    [InlineData("_shape", "F64 [2]", "_shape: not [64, 96]")]
    [InlineData("_shape", "I64 [3]", "_shape: not [64, 96]")]
    [InlineData("_zero_point", "I8 [64, 3]", "_zero_point: zero points other than 0 are not supported")]
    [InlineData("", "F32 [64, 96]", ": the same weight is there as integers too")]
    [InlineData("_g_idx", "I32 [96]", "_g_idx: columns in another order are not supported")]
    public void A_tensor_that_is_not_as_its_configuration_says_is_named(string end, string? to, string says)
    {
        string folder = Copy("int4");
        Change(folder, Weight + end, to);
        string message = Refused(folder);
        Assert.Contains("do not fit the model", message);
        Assert.Contains(Weight + says, message);
    }

    [Fact]
    public void A_layer_that_is_quantised_in_the_file_alone_or_in_the_configuration_alone_is_refused()
    {
        string folder = Copy("int4");
        File.WriteAllText(Path.Combine(folder, "config.json"), Changed("ignore", $"[\"{Layer}\"]"));
        Assert.Contains($"{Weight}_packed: {Weight} is not to be quantised", Refused(folder));
        File.Copy(Path.Combine(QuantizedFixture.Source, "config.json"), Path.Combine(folder, "config.json"), overwrite: true);
        Assert.Contains("is not to be quantised", Refused(folder));
        File.Copy(Path.Combine(QuantizedFixture.Path("int4"), "config.json"), Path.Combine(folder, "config.json"), overwrite: true);
        File.Copy(Path.Combine(QuantizedFixture.Source, "model.safetensors"), Path.Combine(folder, "model.safetensors"), overwrite: true);
        Assert.Contains(".weight_packed: missing, though its layer is to be quantised", Refused(folder));
    }

    [Theory]
    [InlineData("int4", float.NaN)]
    [InlineData("int4", float.PositiveInfinity)]
    [InlineData("int8", -0.5f)]
    [InlineData("int4-bf16", float.NegativeInfinity)]
    [InlineData("int8-f16", float.NaN)]
    [InlineData("int8-f16", -1f)]
    public void A_scale_that_is_none_is_refused_with_its_place(string name, float scale)
    {
        string folder = Copy(name);
        WriteScale(folder, 5, scale);
        string place = $"value 5 of {Weight}_scale is ";
        Assert.Contains(place, Assert.Throws<DiaException>(() => WeightFiles.Load(ModelFolder.Open(folder), QuantizedFixture.Parameters())).Message);
        Assert.Contains(place, Assert.Throws<DiaException>(() =>
            CheckpointConverter.Convert(ModelFolder.Open(folder), null, WeightFormat.Float32, _folder["out"])).Message);
        Assert.Empty(Directory.Exists(_folder["out"]) ? Directory.GetFileSystemEntries(_folder["out"]) : []);
    }

    [Theory]
    [InlineData("int4")]
    [InlineData("int8-f16")]
    public void A_scale_of_zero_makes_zeros(string name)
    {
        string folder = Copy(name);
        WriteScale(folder, 0, 0);
        WriteScale(folder, 1, -0f);
        WeightSpec[] specs = QuantizedFixture.Parameters();
        using LoadedWeights weights = WeightFiles.Load(ModelFolder.Open(folder), specs);
        float[] values = new float[32];
        weights.Weights[Array.FindIndex(specs, s => s.Name == Weight)].Read(0, values);
        Assert.All(values, v => Assert.Equal(0, v));
    }

    [Fact]
    public void Zero_points_of_zero_pass_and_tensors_that_nobody_asks_for_are_a_warning()
    {
        string folder = Copy("int8");
        TensorFile.Change(Path.Combine(folder, "model.safetensors"), t =>
        {
            t[Weight + "_zero_point"] = ("I8", [64, 1], new byte[64]);
            t[Layer + ".input_scale"] = ("F32", [1], new byte[4]);
        });
        var warnings = new List<string>();
        using LoadedWeights weights = WeightFiles.Load(ModelFolder.Open(folder), QuantizedFixture.Parameters(), warnings);
        Assert.Contains(Layer + ".input_scale", Assert.Single(warnings));
    }

    [Fact]
    public void Integers_and_scales_that_lie_askew_are_read()
    {
        int mapped = 0;
        for (int bytes = 1; bytes <= 4; bytes++)
        {
            string folder = Copy("int4");
            TensorFile.Change(Path.Combine(folder, "model.safetensors"), t => t.Add("!", ("U8", [bytes], new byte[bytes])));
            WeightSpec[] specs = QuantizedFixture.Parameters();
            using LoadedWeights weights = WeightFiles.Load(ModelFolder.Open(folder), specs);
            int at = Array.FindIndex(specs, s => s.Name == Weight);
            float[] values = new float[specs[at].Count];
            weights.Weights[at].Read(0, values);
            Assert.Equal(QuantizedFixture.Values("int4", specs[at]), values);
            mapped += weights.MappedTensors(at).Length > 0 ? 1 : 0;
        }

        Assert.Equal(1, mapped); // of four places that a word can have
    }

    /// <summary>A checkpoint's files, to be spoiled.</summary>
    private string Copy(string name)
    {
        string folder = _folder["copy"];
        Directory.CreateDirectory(folder);
        foreach (string file in new[] { "config.json", "model.safetensors" })
            File.Copy(Path.Combine(QuantizedFixture.Path(name), file), Path.Combine(folder, file), overwrite: true);
        return folder;
    }

    private static string Refused(string folder)
    {
        var e = Assert.Throws<DiaException>(() => ModelCheckpoint.Open(ModelFolder.Open(folder), CompiledModels.All));
        Assert.Equal(DiaErrorKind.Model, e.Kind);
        return e.Message;
    }

    /// <summary>Removes a tensor, or makes it one of another type and shape, of ones.</summary>
    private static void Change(string folder, string name, string? to) => TensorFile.Change(Path.Combine(folder, "model.safetensors"), tensors =>
    {
        tensors.Remove(name);
        if (to is null)
            return;
        int[] shape = JsonSerializer.Deserialize<int[]>(to[(to.IndexOf(' ', StringComparison.Ordinal) + 1)..])!;
        string type = to.Split(' ')[0];
        byte[] data = new byte[shape.Aggregate(int.Parse(type[1..], System.Globalization.CultureInfo.InvariantCulture) / 8, (a, b) => a * b)];
        Array.Fill(data, (byte)1);
        tensors.Add(name, (type, shape, data));
    });

    private static void WriteScale(string folder, int index, float scale) => TensorFile.Change(Path.Combine(folder, "model.safetensors"), tensors =>
    {
        (string type, _, byte[] data) = tensors[Weight + "_scale"];
        if (type == "F32")
            BitConverter.TryWriteBytes(data.AsSpan(4 * index), scale);
        else
            BitConverter.TryWriteBytes(data.AsSpan(2 * index),
                type == "F16" ? BitConverter.HalfToInt16Bits((Half)scale) : (short)(BitConverter.SingleToInt32Bits(scale) >> 16));
    });

    /// <summary>The configuration of int4 with another value of a key of quantization_config.</summary>
    private static string Changed(string key, string json)
    {
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(QuantizedFixture.Path("int4"), "config.json")))!;
        JsonNode at = config["quantization_config"]!;
        string[] keys = key.Split('.');
        foreach (string k in keys[..^1])
            at = at[k]!;
        at[keys[^1]] = JsonNode.Parse(json);
        return config.ToJsonString();
    }
}
