using System.Reflection;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Networks;
using Xunit;

namespace Dia.Tests.Configuration;

/// <summary>Every field is stated once, and reading, writing, comparing and compiling follow from that.</summary>
public sealed class FieldsTests
{
    public static TheoryData<string> Models =>
        new(Repository.Configurations("config.json").Where(p => ConfigurationFile.Read(File.ReadAllText(Repository.At(p))).ModelType == "dia"));

    public static TheoryData<string> Codecs =>
        new(Repository.Configurations("config.json").Where(p => ConfigurationFile.Read(File.ReadAllText(Repository.At(p))).ModelType == "dac"));

    [Fact]
    public void Every_property_that_can_be_set_is_stated()
    {
        AssertStated(typeof(DiaConfig), FieldList.Of(new DiaConfig()));
        AssertStated(typeof(DacConfig), FieldList.Of(new DacConfig()));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_model_is_written_as_it_is_read(string path)
    {
        DiaConfig config = DiaConfigParser.Parse(File.ReadAllText(Repository.At(path)), ProblemSeverity.Error).Config!;
        ConfigurationResult<DiaConfig> again = DiaConfigParser.Parse(CanonicalJson.Write(config), ProblemSeverity.Error);
        Assert.Empty(again.Problems);
        Assert.Equal(config, again.Config);
        Assert.Equal(CanonicalJson.Write(config), CanonicalJson.Write(again.Config!));
        Assert.Empty(ConfigurationDifference.Between(config, again.Config!));
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void A_codec_is_written_as_it_is_read(string path)
    {
        DacConfig config = DacConfigParser.Parse(File.ReadAllText(Repository.At(path))).Config!;
        ConfigurationResult<DacConfig> again = DacConfigParser.Parse(CanonicalJson.Write(config));
        Assert.Empty(again.Problems);
        Assert.Equal(config, again.Config);
    }

    [Fact]
    public void Text_has_every_field_sorted_in_the_references_names()
    {
        string expected = """
            {
              "architectures": ["DacModel"],
              "codebook_dim": 8,
              "codebook_loss_weight": 1.0,
              "codebook_size": 1024,
              "commitment_loss_weight": 0.25,
              "decoder_hidden_size": 1536,
              "downsampling_ratios": [2, 4, 8, 8],
              "encoder_hidden_size": 64,
              "hidden_size": 1024,
              "hop_length": 512,
              "model_type": "dac",
              "n_codebooks": 9,
              "quantizer_dropout": 0.0,
              "sampling_rate": 16000,
              "upsampling_ratios": [8, 8, 4, 2]
            }

            """;
        Assert.Equal(expected, CanonicalJson.Write(new DacConfig()));
        var scaling = new RopeScaling { RopeType = RopeType.LongRope, Factor = 4, ShortFactor = new(1, 2.5), LongFactor = new(3, 1e-5) };
        string text =
            CanonicalJson.Write(new DiaConfig { EncoderConfig = new DiaEncoderConfig { HiddenAct = HiddenActivation.GeluNew, RopeScaling = scaling } });
        Assert.Contains(
            "\"rope_scaling\": {\n      \"factor\": 4.0,\n      \"long_factor\": [3.0, 1E-05],\n      \"rope_type\": \"longrope\",\n      \"short_factor\": [1.0, 2.5]\n    },\n", text, StringComparison.Ordinal);
        Assert.Contains("\"hidden_act\": \"gelu_new\"", text, StringComparison.Ordinal);
        Assert.Contains("\"rope_scaling\": null", text, StringComparison.Ordinal);
        Assert.DoesNotContain("original_max_position_embeddings", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_compiled_class_makes_the_configuration_that_was_read()
    {
        int models = 0, codecs = 0;
        foreach (CompiledNetwork network in CompiledModels.All)
        {
            if (network is CompiledModel model)
            {
                Assert.Contains(model.Config, Files(model.Name + "/config.json").Select(json => DiaConfigParser.Parse(json, ProblemSeverity.Error).Config));
                models++;
            }

            if (network is CompiledCodec codec)
            {
                bool isAlone = !CompiledModels.All.Any(n => n is CompiledModel && n.Name == codec.Name);
                Assert.Contains(codec.Config,
                    Files(codec.Name + (isAlone ? "/config.json" : "/dac/config.json")).Select(json => DacConfigParser.Parse(json).Config));
                codecs++;
            }
        }

        Assert.True(models > 10 && codecs > 3, $"{models} models, {codecs} codecs");
    }

    /// <summary>A model's name is as much of its folder's path as tells it from the others that are compiled in.</summary>
    private static IEnumerable<string> Files(string end) =>
        Repository.Configurations("config.json").Where(p => p.EndsWith("/" + end, StringComparison.Ordinal)).Select(p => File.ReadAllText(Repository.At(p)));

    private static void AssertStated(Type type, IReadOnlyList<Field> fields)
    {
        Assert.Equal(
            type.GetProperties().Where(p => p.SetMethod is { IsPublic: true }).Select(p => p.Name).Order(StringComparer.Ordinal),
            fields.Where(f => f.Value is not null || f.Parts is not null || f.Text == Field.Null || f.Text == "[]")
                .Select(f => string.Concat(f.Key.Split('_').Select(w => char.ToUpperInvariant(w[0]) + w[1..]))).Order(StringComparer.Ordinal));
        foreach (Field part in fields.Where(f => f.Parts is not null))
        {
            PropertyInfo property = type.GetProperties()
                .Single(p => string.Equals(p.Name, part.Key.Replace("_", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase));
            AssertStated(property.PropertyType, part.Parts!);
        }
    }
}
