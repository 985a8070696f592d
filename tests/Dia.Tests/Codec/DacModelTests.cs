using System.Text.Json;
using Dia.Backends;
using Dia.Codec;
using Dia.Compiled;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Codec;

/// <summary>The codec against the reference's: latents, codes, quantized representation, audio.</summary>
public sealed class DacModelTests
{
    // Float32 sums in another order through some thirty convolutions: the fixtures' own bound, of the largest value.
    private const double Bound = 1e-5;

    public static TheoryData<string, string> Cases() => new()
    {
        { "base", "scalar" }, { "base", "cpu1" }, { "base", "cpu2" }, { "odd", "scalar" }, { "odd", "cpu1" }, { "odd", "cpu2" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Encodes_as_the_reference(string name, string deviceName)
    {
        TestTensors expected = TestTensors.Load("dac", name, "cases.safetensors");
        using Device device = TestDevice.Create(deviceName);
        using DacModel codec = Load("dac", name, device);
        JsonElement json = TestTensors.Json("dac", name, "cases.json");
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

            var decoded = new CodecTrace(codes.GetLength(0), codec.Config.HiddenSize, codes.GetLength(1), codec.Config.CodebookDim);
            Tolerance.Equal(key + "decoded", expected.Floats(key + "decoded"), codec.Decode(codes, decoded), Bound);
            Tolerance.Equal(key + "quantized", ChannelsLast(expected, key + "quantized"), decoded.QuantizedValues, Bound);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Decodes_as_the_reference(string name, string deviceName)
    {
        TestTensors expected = TestTensors.Load("dac", name, "cases.safetensors");
        using Device device = TestDevice.Create(deviceName);
        using DacModel codec = Load("dac", name, device);
        foreach (int frames in new[] { 1, 2, 7, 33 })
            Tolerance.Equal($"decode{frames}", expected.Floats($"decode{frames}.audio"), codec.Decode(Transposed(expected.Ints2($"decode{frames}.codes"))), Bound);
    }

    [Theory]
    [InlineData("base")]
    [InlineData("odd")]
    public void Any_window_is_a_part_of_the_whole_bit_for_bit(string name)
    {
        using Device device = Device.CreateCpu(2);
        using DacModel codec = Load("dac", name, device);
        var random = new Random(5);
        // Several windows long, so that the whole itself is decoded piece by piece.
        var codes = new int[150, codec.Codebooks];
        for (int t = 0; t < codes.GetLength(0); t++)
            for (int c = 0; c < codes.GetLength(1); c++)
                codes[t, c] = random.Next(codec.Config.CodebookSize);
        float[] whole = codec.Decode(codes);
        for (int i = 0; i < 40; i++)
        {
            int start = random.Next(whole.Length), count = random.Next(1, Math.Min(300, whole.Length - start) + 1);
            Assert.Equal(whole[start..(start + count)], codec.Decode(codes, new RowRange(start, count)));
        }
    }

    internal static DacModel Load(string group, string name, Device device) =>
        DacModel.FromPretrained(ModelFolder.Open(TestTensors.FixturePath(group, name)), CompiledModels.All, device);

    private static int[,] Transposed(int[,] m)
    {
        var t = new int[m.GetLength(1), m.GetLength(0)];
        for (int i = 0; i < m.GetLength(0); i++)
            for (int j = 0; j < m.GetLength(1); j++)
                t[j, i] = m[i, j];
        return t;
    }

    // The reference keeps channels first.
    private static float[] ChannelsLast(TestTensors t, string name)
    {
        int[] shape = t.Shape(name);
        float[] x = t.Floats(name), y = new float[x.Length];
        for (int c = 0; c < shape[0]; c++)
            for (int i = 0; i < shape[1]; i++)
                y[(i * shape[0]) + c] = x[(c * shape[1]) + i];
        return y;
    }
}
