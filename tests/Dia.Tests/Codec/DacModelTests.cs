using System.Text.Json;
using Dia.Audio;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Compiled;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Codec;

/// <summary>The codec against the reference's: latents, codes, quantized representation, audio.</summary>
public sealed class DacModelTests
{
    // Float32 sums in another order through some thirty convolutions: the fixtures' own bound, of the largest value.
    private const double Bound = 1e-5;

    private const string Filtered = "cpu2, filtered";

    public static TheoryData<string, string> Cases() => new()
    {
        { "base", "scalar" }, { "base", "cpu1" }, { "base", "cpu2" }, { "odd", "scalar" }, { "odd", "cpu1" }, { "odd", "cpu2" },
        { "base", Filtered }, { "odd", Filtered },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Encodes_as_the_reference(string name, string deviceName)
    {
        TensorFile expected = Fixtures.Tensors("dac", name, "cases.safetensors");
        using Device device = TestDevice.Create(deviceName.Split(',')[0]);
        using DacModel codec = Load("dac", name, device, deviceName == Filtered);
        JsonElement json = Fixtures.Json("dac", name, "cases.json");
        int index = 0;
        foreach (JsonElement length in json.GetProperty("encode_lengths").EnumerateArray())
        {
            // A margin below rounding would make the codes a matter of luck.
            Assert.True(json.GetProperty("smallest_code_margin")[index++].GetDouble() > 1e-5);
            string key = $"encode{length.GetInt32()}.";
            int[,] codes = codec.Encode(expected.Floats(key + "audio"), null, out CodecTrace trace);
            Tolerance.Equal(key + "latent", ChannelsLast(expected, key + "latent"), trace.LatentValues, Bound);
            Assert.Equal(Transposed(expected.Ints2(key + "codes")), codes);
            Tolerance.Equal(key + "projected", ChannelsLast(expected, key + "projected"), trace.ProjectedValues, Bound);
            Assert.Equal(Transposed(expected.Ints2(key + "codes3")), codec.Encode(expected.Floats(key + "audio"), 3, out _));

            var decoded =
                new CodecTrace(Dia.Backends.DeviceMemory.Host, codes.GetLength(0), codec.Config.HiddenSize, codes.GetLength(1), codec.Config.CodebookDim);
            Tolerance.Equal(key + "decoded", expected.Floats(key + "decoded"), codec.Decode(codes, decoded), Bound);
            Tolerance.Equal(key + "quantized", ChannelsLast(expected, key + "quantized"), decoded.QuantizedValues, Bound);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Decodes_as_the_reference(string name, string deviceName)
    {
        TensorFile expected = Fixtures.Tensors("dac", name, "cases.safetensors");
        using Device device = TestDevice.Create(deviceName.Split(',')[0]);
        using DacModel codec = Load("dac", name, device, deviceName == Filtered);
        Assert.Equal(deviceName == Filtered, codec.IsFiltered);
        foreach (int frames in new[] { 1, 2, 7, 33 })
            Tolerance.Equal($"decode{frames}", expected.Floats($"decode{frames}.audio"),
                codec.Decode(Transposed(expected.Ints2($"decode{frames}.codes"))), Bound);
    }

    [Theory]
    [InlineData("base")]
    [InlineData("odd")]
    public void A_codec_that_is_saved_is_the_same(string name)
    {
        using var folder = new TemporaryFolder();
        using Device device = new CpuDevice(1);
        using DacModel codec = Load("dac", name, device);
        codec.SavePretrained(folder.Path);
        TensorFile expected = Fixtures.Tensors("dac", name, "model.safetensors"), made = TensorFile.Open(folder["model.safetensors"]);
        Assert.Equal(expected.Names, made.Names);
        Assert.All(expected.Names, tensor => Assert.Equal(expected.Shape(tensor), made.Shape(tensor)));
        Assert.All(expected.Names, tensor => Assert.Equal(expected.Floats(tensor), made.Floats(tensor)));
        using DacModel again = DacModel.FromPretrained(ModelFolder.Open(folder.Path), CompiledModels.All, device);
        Assert.Equal(codec.Config, again.Config);
        Assert.True(codec.Identity.Matches(again.Identity));
        JsonElement config = JsonElement.Parse(File.ReadAllText(folder["config.json"]));
        Assert.All(Fixtures.Json("dac", name, "config.json").EnumerateObject().Where(p => p.Name != "transformers_version"),
            p => Assert.True(JsonElement.DeepEquals(p.Value, config.GetProperty(p.Name)), p.Name));
    }

    /// <summary>What the reference's three codes decode to is, before the decoder, the sum of three codebooks' projected rows: the weights say which.</summary>
    [Theory]
    [InlineData("base", "scalar")]
    [InlineData("odd", "cpu2")]
    public void Fewer_codebooks_are_the_first_ones(string name, string deviceName)
    {
        TensorFile expected = Fixtures.Tensors("dac", name, "cases.safetensors"), weights = Fixtures.Tensors("dac", name, "model.safetensors");
        using Device device = TestDevice.Create(deviceName);
        using DacModel codec = Load("dac", name, device);
        int length = Fixtures.Json("dac", name, "cases.json").GetProperty("encode_lengths")[0].GetInt32();
        int[,] codes = codec.Encode(new AudioBuffer(expected.Floats($"encode{length}.audio"), codec.SamplingRate), 3);
        Assert.Equal(Transposed(expected.Ints2($"encode{length}.codes3")), codes);

        int frames = codes.GetLength(0), width = codec.Config.HiddenSize, dim = codec.Config.CodebookDim;
        var sum = new float[frames * width];
        for (int q = 0; q < 3; q++)
        {
            string at = $"quantizer.quantizers.{q}.";
            float[] rows = weights.Floats(at + "codebook.weight"), matrix = weights.Floats(at + "out_proj.weight"), bias = weights.Floats(at + "out_proj.bias");
            for (int i = 0; i < sum.Length; i++)
                for (int d = -1; d < dim; d++)
                    sum[i] += d < 0 ? bias[i % width] : matrix[i % width * dim + d] * rows[codes[i / width, q] * dim + d];
        }
        var trace = new CodecTrace(Dia.Backends.DeviceMemory.Host, frames, width, 3, dim);
        Assert.Equal(codec.SamplesOf(frames), codec.Decode(codes, trace).Length);
        Tolerance.Equal("quantized", sum, trace.QuantizedValues, Bound);
        foreach (int quantizers in new[] { 0, codec.Codebooks + 1 })
            Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => codec.Encode(new AudioBuffer([1f], 16000), quantizers)).Kind);
    }

    [Theory]
    [InlineData("base")]
    [InlineData("odd")]
    public void A_recording_at_the_codecs_rate_is_encoded_as_it_is(string name)
    {
        using Device device = new CpuDevice(2);
        using DacModel codec = Load("dac", name, device);
        // Noise has as much above the resampler's pass band as below.
        float[] noise = Noise(20 * codec.HopLength);
        int[,] expected = codec.Encode(noise);
        Assert.Equal(expected, codec.Encode(new AudioBuffer(noise, codec.SamplingRate)));
        float[] stereo = [.. noise.SelectMany(s => new[] { s * 1.5f, s * 0.5f })];
        Assert.Equal(expected, codec.Encode(new AudioBuffer(stereo, codec.SamplingRate, 2)));

        // What is missing to a whole frame is silence.
        Array.Clear(noise, noise.Length - 3, 3);
        Assert.Equal(codec.Encode(noise), codec.Encode(new AudioBuffer(noise[..^3], codec.SamplingRate)));
        DiaException error = Assert.Throws<DiaException>(() => codec.Encode(new AudioBuffer([], codec.SamplingRate)));
        Assert.Equal(DiaErrorKind.Input, error.Kind);

        static float[] Noise(int count)
        {
            var random = new Random(1);
            return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() - 0.5f) / 2)];
        }
    }

    [Theory]
    [InlineData("cpu2")]
    [InlineData(Filtered)]
    public void Kernels_of_a_direction_are_laid_out_at_its_first_use(string deviceName)
    {
        using Device device = TestDevice.Create(deviceName.Split(',')[0]);
        using DacModel codec = Load("dac", "base", device, deviceName == Filtered);
        HashSet<int> ofDecoding = [.. codec.Layout.Kernels(encoding: false)], ofEncoding = [.. codec.Layout.Kernels(encoding: true)];
        bool AreThere(IEnumerable<int> kernels, bool there) => kernels.All(i => codec.Network.Weights[i].IsMissing != there);
        Assert.True(AreThere(ofEncoding.Union(ofDecoding), false));

        var codes = new int[5, codec.Codebooks];
        float[] samples = codec.Decode(codes);
        Assert.True(AreThere(ofDecoding, true));
        Assert.True(AreThere(ofEncoding.Except(ofDecoding), false)); // what a quantizer gives back is both's

        codec.Encode(samples);
        Assert.True(AreThere(ofEncoding.Union(ofDecoding), true));
        Assert.Equal(samples, codec.Decode(codes));
    }

    [Fact]
    public void A_filtered_codec_is_planned_for_with_its_larger_kernels_and_not_trained()
    {
        using Device device = new CpuDevice(1), scalar = TestDevice.Create("scalar");
        using CodecCheckpoint checkpoint = CodecCheckpoint.Open(ModelFolder.Open(Fixtures.Path("dac", "base")), CompiledModels.All);
        using DacModel direct = DacModel.FromPretrained(checkpoint, device), filtered = DacModel.FromPretrained(checkpoint, device, filters: true);
        long kernels = direct.Layout.Filtered.PreparedSpecs(direct.Specs).Where(s => s.IsFiltered).Sum(s => s.Count * sizeof(float));
        Assert.True(kernels > 0);
        long exact = MemoryPlan.Of(device, null, checkpoint, 1, exact: true).Bytes, fast = MemoryPlan.Of(device, null, checkpoint, 1).Bytes;
        // Ten values in place of seven; weights of the fixture are float32, and each begins at a multiple of some bytes.
        Assert.InRange(fast - exact, kernels * 3 / 7 - 100_000, kernels * 3 / 7 + 100_000);
        Assert.Throws<InvalidOperationException>(() => filtered.CreateGradients());

        // What cannot filter does not.
        using DacModel plain = DacModel.FromPretrained(checkpoint, scalar, filters: true);
        Assert.False(plain.IsFiltered);
    }

    internal static DacModel Load(string group, string name, Device device, bool filters = false) =>
        DacModel.FromPretrained(ModelFolder.Open(Fixtures.Path(group, name)), CompiledModels.All, device, filters: filters);

    private static int[,] Transposed(int[,] m)
    {
        var t = new int[m.GetLength(1), m.GetLength(0)];
        for (int i = 0; i < m.GetLength(0); i++)
            for (int j = 0; j < m.GetLength(1); j++)
                t[j, i] = m[i, j];
        return t;
    }

    // The reference keeps channels first.
    private static float[] ChannelsLast(TensorFile t, string name)
    {
        int[] shape = t.Shape(name);
        float[] x = t.Floats(name), y = new float[x.Length];
        for (int c = 0; c < shape[0]; c++)
            for (int i = 0; i < shape[1]; i++)
                y[i * shape[0] + c] = x[c * shape[1] + i];
        return y;
    }
}
