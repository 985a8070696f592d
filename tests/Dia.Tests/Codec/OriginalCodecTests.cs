using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Codec;

/// <summary>The codec's own file, as its authors' code writes it, against that code's numbers.</summary>
public sealed class OriginalCodecTests
{
    // As for the reference's codec.
    private const double Bound = 1e-5;

    [Theory]
    [InlineData("dac", "dac/base")]
    [InlineData("dac-odd", "dac/odd")]
    public void It_encodes_and_decodes_as_its_own_code(string name, string sameShapes)
    {
        TensorFile expected = Fixtures.Tensors("old", name, "cases.safetensors");
        using Device device = new CpuDevice(1);
        using DacModel codec = DacModel.FromPretrained(ModelFolder.OpenCodec(Fixtures.Path("old", name, "weights.pth")), CompiledModels.All, device);
        Assert.Empty(ConfigurationDifference.Between(ModelCatalog.ReadCodecConfig(ModelFolder.OpenCodec(Fixtures.Path(sameShapes))), codec.Config));
        foreach (int frames in new[] { 4, 21 })
        {
            int[,] codes = codec.Encode(expected.Floats($"encode{frames}.audio"));
            Assert.Equal(Transposed(expected.Ints2($"encode{frames}.codes")), codes);
            Tolerance.Equal($"decoded{frames}", expected.Floats($"encode{frames}.decoded"), codec.Decode(codes), Bound);
        }

        foreach (int frames in new[] { 1, 9 })
            Tolerance.Equal($"decode{frames}", expected.Floats($"decode{frames}.audio"), codec.Decode(Transposed(expected.Ints2($"decode{frames}.codes"))), Bound);
    }

    [Fact]
    public void Its_folder_is_a_codecs_and_converts_to_one_of_the_references()
    {
        using var folder = new TemporaryFolder();
        using Device device = new CpuDevice(1);
        Directory.CreateDirectory(folder["model/dac"]);
        File.Copy(Fixtures.Path("old/dac/weights.pth"), folder["model/dac/weights.pth"]);
        ModelFolder inside = ModelFolder.Open(folder["model"]).Sub(ModelFolder.CodecName);
        Assert.Equal("dac", inside.ModelType);
        CheckpointConverter.Convert(inside, null, new ConversionOptions(WeightFormat.Float32), folder["out"]);
        using DacModel own = DacModel.FromPretrained(inside, CompiledModels.All, device);
        using DacModel converted = DacModel.FromPretrained(ModelFolder.Open(folder["out"]), CompiledModels.All, device);
        Assert.Equal(own.Config, converted.Config);
        Assert.True(own.Identity.Matches(converted.Identity));
        Assert.Equal(own.Decode(new int[3, 9]), converted.Decode(new int[3, 9]));
    }

    [Fact]
    public void A_PyTorch_file_that_does_not_say_what_it_is_is_told_as_such()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Fixtures.Path("old/pth/dict.pth"), folder["x.pth"]);
        string message = Assert.Throws<DiaException>(() => ModelCatalog.ReadCodecConfig(ModelFolder.OpenCodec(folder["x.pth"]))).Message;
        Assert.All([$"{folder["x.pth"]} is a PyTorch file with tensors alone", "metadata", folder["config.json"]], part => Assert.Contains(part, message));
    }

    private static int[,] Transposed(int[,] codes)
    {
        int[,] result = new int[codes.GetLength(1), codes.GetLength(0)];
        for (int t = 0; t < result.GetLength(0); t++)
            for (int c = 0; c < result.GetLength(1); c++)
                result[t, c] = codes[c, t];
        return result;
    }
}
