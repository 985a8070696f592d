using Dia.Graph;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

public sealed unsafe class LoadedWeightsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("tests/fixtures/tiny/base", WeightFormat.Float32)]
    [InlineData("tests/fixtures/tiny/bf16", WeightFormat.BFloat16)]
    [InlineData("tests/fixtures/dac/odd", WeightFormat.Float32)]
    [InlineData("configs/dia-demo", WeightFormat.BFloat16)]
    public void Fixture_checkpoints_load(string name, WeightFormat format)
    {
        string path = Repository.At(name);
        var specs = WeightFiles.SpecsOf(Path.Combine(path, "model.safetensors"));
        using var loaded = WeightFiles.Load(ModelFolder.Open(path), specs);
        using var file = SafetensorsFile.Open(Path.Combine(path, "model.safetensors"));
        for (int i = 0; i < specs.Length; i++)
        {
            Assert.Equal(format, loaded.Weights[i].Format);
            var expected = file[specs[i].Name];
            Assert.True(new ReadOnlySpan<byte>(expected.Data, (int)expected.ByteLength)
                .SequenceEqual(new ReadOnlySpan<byte>(loaded.Weights[i].Data, (int)expected.ByteLength)));
        }
    }

    [Fact]
    public void A_single_file_is_a_model_too()
    {
        string file = Fixtures.Path("tiny/base/model.safetensors");
        using var loaded = WeightFiles.Load(ModelFolder.Open(file), WeightFiles.SpecsOf(file));
        Assert.True(ModelFolder.Open(file).Exists("config.json"));
        Assert.All(loaded.Weights, w => Assert.True(w.Data != null));
    }

    [Fact]
    public void Shards_load_as_the_whole()
    {
        string whole = Fixtures.Path("tiny/base/model.safetensors");
        Shard(whole);
        var specs = WeightFiles.SpecsOf(whole);
        using var a = WeightFiles.Load(ModelFolder.Open(Fixtures.Path("tiny/base")), specs);
        using var b = WeightFiles.Load(ModelFolder.Open(_folder.Path), specs);
        for (int i = 0; i < specs.Length; i++)
            Assert.True(new ReadOnlySpan<float>(a.Weights[i].Data, (int)specs[i].Count)
                .SequenceEqual(new ReadOnlySpan<float>(b.Weights[i].Data, (int)specs[i].Count)));
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"../x.safetensors"}}""", "not a plain file name")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "not a plain file name")]
    [InlineData("""{"weight_map":{"a":".."}}""", "not a plain file name")]
    [InlineData("""{"weight_map":{"a":3}}""", "not a plain file name")]
    [InlineData("""{"weight_map":{"a":"x","a":"x"}}""", "appears twice")]
    [InlineData("""{"weight_map":{"a":"x"},"weight_map":{"a":"x"}}""", "appears twice")]
    [InlineData("""{"weight_map":{}}""", "no weight_map")]
    [InlineData("""[1]""", "no weight_map")]
    [InlineData("""{"weight_map":{"a":"x"}""", "not valid JSON")]
    [InlineData("""{"metadata":{"total_size":1},"weight_map":{"a":"gone.safetensors"}}""", "gone.safetensors, which is missing")]
    [InlineData("""{"weight_map":{"a":"s.safetensors","b":"s.safetensors"}}""", "disagree about 1 tensors: b (not in s.safetensors)")]
    [InlineData("""{"weight_map":{"a":"s.safetensors","b":"t.safetensors"}}""", "c (in t.safetensors)")]
    public void Bad_indexes_are_refused(string json, string expected)
    {
        _folder.Save("s.safetensors", new SafetensorsArray("a", [1], new float[1]));
        _folder.Save("t.safetensors", new SafetensorsArray("b", [1], new float[1]), new SafetensorsArray("c", [1], new float[1]));
        _folder.Write("model.safetensors.index.json", json);
        var e = Assert.Throws<DiaException>(() => WeightFiles.Load(ModelFolder.Open(_folder.Path), []));
        Assert.Equal(DiaErrorKind.Model, e.Kind);
        Assert.Contains(expected, e.Message);
    }

    [Fact]
    public void One_message_tells_everything_that_does_not_fit()
    {
        var extra = Enumerable.Range(0, 20).Select(i => new SafetensorsArray($"extra{i:00}", [1], new float[1]));
        _folder.Save("model.safetensors", [.. extra, new("bad.shape", [2, 3], new float[6]), new("bad.type", [2], new long[2])]);
        WeightSpec[] specs = [new("bad.shape", [3, 2], WeightRole.Linear), new("bad.type", [2], WeightRole.Vector), new("gone.1", [1], WeightRole.Vector),
            new("gone.2", [1], WeightRole.Vector)];
        var e = Assert.Throws<DiaException>(() => WeightFiles.Load(ModelFolder.Open(_folder.Path), specs));
        Assert.Contains("2 missing (gone.1, gone.2)", e.Message);
        Assert.Contains("20 unexpected (extra00, ", e.Message);
        Assert.Contains("and 12 more", e.Message);
        Assert.DoesNotContain("extra08", e.Message);
        Assert.Contains("1 of another shape (bad.shape: [2, 3] where the model has [3, 2])", e.Message);
        Assert.Contains("1 stored as I64: integers are not supported (bad.type)", e.Message);
    }

    [Fact]
    public void Extra_tensors_are_left_alone_with_one_warning()
    {
        _folder.Save("model.safetensors",
            [new("a", [2], new float[] { 1, 2 }), .. Enumerable.Range(0, 20).Select(i => new SafetensorsArray($"extra{i:00}", [1], new long[1]))]);
        var warnings = new List<string>();
        using var loaded = WeightFiles.Load(ModelFolder.Open(_folder.Path), [new("a", [2], WeightRole.Vector)], warnings);
        Assert.Equal([1f, 2f], new ReadOnlySpan<float>(loaded.Weights[0].Data, 2).ToArray());
        string warning = Assert.Single(warnings);
        Assert.Contains("model.safetensors holds 20 tensors that the model does not have, and that are ignored: extra00, ", warning);
        Assert.Contains("and 12 more", warning);
        using var silent = WeightFiles.Load(ModelFolder.Open(_folder.Path), [new("a", [2], WeightRole.Vector)]);
    }

    [Fact]
    public void An_empty_folder_is_no_model()
    {
        var e = Assert.Throws<DiaException>(() => WeightFiles.Load(ModelFolder.Open(_folder.Path), []));
        Assert.Contains("config.json is missing", e.Message);
        _folder.Write("config.json", "{}");
        Assert.Contains("holds neither model.safetensors nor", Assert.Throws<DiaException>(() => WeightFiles.Load(ModelFolder.Open(_folder.Path), [])).Message);
        Assert.Equal(DiaErrorKind.Model, Assert.Throws<DiaException>(() => ModelFolder.Open(_folder["gone"])).Kind);
    }

    [Theory]
    [InlineData("c.weight_g", "c.weight_v", WeightRole.Convolution)]
    [InlineData("c.parametrizations.weight.original0", "c.parametrizations.weight.original1", WeightRole.TransposedConvolution)]
    public void Weight_norm_pairs_are_multiplied_out(string g, string v, WeightRole role)
    {
        float[] direction = [3, 0, 4, 0, 1, 2, 2, 0], magnitude = [10, 0.3f];
        _folder.Save("model.safetensors", new(g, [2, 1, 1], magnitude), new(v, [2, 2, 2], direction));
        using var loaded = WeightFiles.Load(ModelFolder.Open(_folder.Path), [new("c.weight", [2, 2, 2], role)]);
        Assert.Equal(WeightFormat.Float32, loaded.Weights[0].Format);
        float[] expected = [6, 0, 8, 0, 0.1f, 0.2f, 0.2f, 0];

        // Norms 5 and 3 are exact; one rounding in the quotient and one in the product remain: 2 units of 2^-24 relative.
        for (int i = 0; i < 8; i++)
            Assert.Equal(expected[i], ((float*)loaded.Weights[0].Data)[i], 1.2e-7f * Math.Abs(expected[i]));
    }

    [Fact]
    public void Weight_norm_of_a_real_codec_gives_its_weights_back()
    {
        // A pair with g = ‖v‖ and v = c·w stands for w.
        string plain = Fixtures.Path("dac/base/model.safetensors");
        var arrays = new List<SafetensorsArray>();
        foreach (var a in WeightFiles.ArraysOf(plain))
            arrays.AddRange(a.Name.EndsWith(".weight", StringComparison.Ordinal) && a.Shape.Length == 3 ? Pair(a) : [a]);
        Assert.Contains(arrays, a => a.Name == "decoder.conv1.weight_v");
        _folder.Save("model.safetensors", [.. arrays]);
        var specs = WeightFiles.SpecsOf(plain);
        using var expected = WeightFiles.Load(ModelFolder.Open(Fixtures.Path("dac/base")), specs);
        using var actual = WeightFiles.Load(ModelFolder.Open(_folder.Path), specs);

        // g, the norm, the quotient and two products are rounded once each: five half units of 2^-23.
        for (int i = 0; i < specs.Length; i++)
        {
            for (long j = 0; j < specs[i].Count; j++)
                Assert.Equal(((float*)expected.Weights[i].Data)[j], ((float*)actual.Weights[i].Data)[j],
                    3e-7f * Math.Abs(((float*)expected.Weights[i].Data)[j]));
        }
    }

    [Fact]
    public void Incomplete_or_empty_weight_norm_is_refused()
    {
        WeightSpec[] specs = [new("c.weight", [1, 2, 1], WeightRole.Convolution)];
        _folder.Save("model.safetensors", new SafetensorsArray("c.weight_g", [1, 1, 1], new float[1]));
        Assert.Contains("1 missing (c.weight_v)", Assert.Throws<DiaException>(() => WeightFiles.Load(ModelFolder.Open(_folder.Path), specs)).Message);
        _folder.Save("model.safetensors", new("c.weight_g", [1, 1, 1], new float[1]), new("c.weight_v", [1, 2, 1], new float[2]));
        Assert.Contains("has no length", Assert.Throws<DiaException>(() => WeightFiles.Load(ModelFolder.Open(_folder.Path), specs)).Message);
        _folder.Save("model.safetensors", new("c.weight_g", [1, 2, 1], new float[2]), new("c.weight_v", [1, 2, 1], new float[2]));
        Assert.Contains("c.weight_g: [1, 2, 1] where the model has [1, 1, 1]",
            Assert.Throws<DiaException>(() => WeightFiles.Load(ModelFolder.Open(_folder.Path), specs)).Message);
    }

    [Fact]
    public void Misaligned_tensors_are_copied_into_place()
    {
        // Early writers did not pad the header: data may begin anywhere.
        string json = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""";
        json += new string(' ', (9 - json.Length % 8) % 8);
        Assert.Equal(1, json.Length % 8);
        _folder.Write("model.safetensors", TensorFile.Bytes(json, [.. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(-2f)]));
        using var loaded = WeightFiles.Load(ModelFolder.Open(_folder.Path), [new("a", [2], WeightRole.Vector)]);
        float* data = (float*)loaded.Weights[0].Data;
        Assert.Equal(0u, (nuint)data % 4);
        Assert.Equal([1.5f, -2f], new ReadOnlySpan<float>(data, 2).ToArray());
    }

    private static SafetensorsArray[] Pair(SafetensorsArray weight)
    {
        float[] w = (float[])weight.Values, g = new float[weight.Shape[0]], v = new float[w.Length];
        int width = w.Length / g.Length;
        for (int r = 0; r < g.Length; r++)
        {
            g[r] = (float)Math.Sqrt(w.AsSpan(r * width, width).ToArray().Sum(x => (double)x * x));
            for (int i = 0; i < width; i++)
                v[r * width + i] = w[r * width + i] * (0.25f * (1 + r));
        }

        return [new(weight.Name + "_g", [g.Length, 1, 1], g), new(weight.Name + "_v", weight.Shape, v)];
    }

    /// <summary>Splits a checkpoint into three files and an index.</summary>
    private void Shard(string whole)
    {
        var arrays = WeightFiles.ArraysOf(whole);
        var map = new List<string>();
        for (int s = 0; s < 3; s++)
        {
            string name = $"model-{s + 1:00000}-of-00003.safetensors";
            var part = arrays.Where((_, i) => i % 3 == s).ToArray();
            _folder.Save(name, part);
            map.AddRange(part.Select(a => $"\"{a.Name}\":\"{name}\""));
        }

        _folder.Write("model.safetensors.index.json", """{"metadata":{"total_size":1,"deep":[[1]]},"weight_map":{""" + string.Join(",", map) + "}}");
    }
}
