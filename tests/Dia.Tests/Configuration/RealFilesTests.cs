using Dia.Configuration;
using Xunit;

namespace Dia.Tests.Configuration;

/// <summary>Every configuration file of the repository parses without any problem, and says what it should.</summary>
public sealed class RealFilesTests
{
    public static TheoryData<string> Configs => new(Repository.Configurations("config.json"));

    public static TheoryData<string> GenerationConfigs => new(Repository.Configurations("generation_config.json"));

    [Theory]
    [MemberData(nameof(Configs))]
    public void Config_parses_without_problem(string path)
    {
        string json = File.ReadAllText(Repository.At(path));
        if (ConfigurationFile.Read(json).ModelType == "dac")
        {
            ConfigurationResult<DacConfig> dac = DacConfigParser.Parse(json);
            Assert.Empty(dac.Problems);
            Assert.NotNull(dac.Config);
            return;
        }
        Assert.True(DiaConfig.Has(ConfigurationFile.Read(json).ModelType));
        ConfigurationResult<DiaConfig> dia = DiaConfigParser.Parse(json, ProblemSeverity.Error);
        Assert.Empty(dia.Problems);
        Assert.NotNull(dia.Config);
        Assert.Equal(dia.Config, DiaConfigParser.Parse(json, ProblemSeverity.Warning).Config);
    }

    [Theory]
    [MemberData(nameof(GenerationConfigs))]
    public void Generation_config_parses_without_problem(string path)
    {
        ConfigurationResult<GenerationFile> result = GenerationConfigParser.Parse(File.ReadAllText(Repository.At(path)), ProblemSeverity.Error);
        Assert.Empty(result.Problems);
        Assert.NotNull(result.Config);
    }

    [Fact]
    public void The_released_model_is_the_defaults()
    {
        Assert.Equal(new DiaConfig(), Dia("configs/dia-1.6b/config.json"));
        Assert.Equal(new DiaConfig(), DiaConfigParser.Parse("{\"model_type\": \"dia\"}", ProblemSeverity.Error).Config);
        DacConfig dac = DacConfigParser.Parse(File.ReadAllText(Repository.At("configs/dia-1.6b/dac/config.json"))).Config!;
        Assert.Equal(new DacConfig { SamplingRate = 44100 }, dac);
        Assert.Equal((512, 1024), (dac.HopLength, dac.HiddenSize));
        Assert.Equal([8, 8, 4, 2], dac.UpsamplingRatios);
    }

    [Fact]
    public void Every_field_is_read()
    {
        DiaConfig odd = Dia("tests/fixtures/tiny/odd/config.json");
        Assert.Equal(3, odd.EncoderConfig.NumAttentionHeads);
        Assert.Equal(1, odd.EncoderConfig.NumKeyValueHeads);
        Assert.Equal(10, odd.EncoderConfig.HeadDim);
        Assert.Equal(500, odd.EncoderConfig.RopeTheta);
        Assert.Equal(1e-3, odd.EncoderConfig.NormEps);
        Assert.Equal(28, odd.EncoderConfig.IntermediateSize);
        Assert.Equal(20, odd.DecoderConfig.CrossHiddenSize);
        Assert.Equal(6, odd.DecoderConfig.CrossHeadDim);
        Assert.Equal(2, odd.DecoderConfig.CrossNumKeyValueHeads);
        Assert.Equal(37, odd.DecoderConfig.VocabSize);
        Assert.Equal(3, odd.DecoderConfig.NumChannels);
        Assert.Equal(40, odd.DecoderConfig.MaxPositionEmbeddings);
        Assert.Equal(3, odd.DelayPattern.Length);
        Assert.Equal(HiddenActivation.GeluNew, Dia("tests/fixtures/tiny/act-gelu-gelu_new/config.json").DecoderConfig.HiddenAct);
        Assert.Equal(HiddenActivation.Gelu, Dia("tests/fixtures/tiny/act-gelu-gelu_new/config.json").EncoderConfig.HiddenAct);
        RopeScaling longrope = Dia("tests/fixtures/tiny/rope-longrope/config.json").DecoderConfig.RopeScaling!;
        Assert.Equal(RopeType.LongRope, longrope.RopeType);
        Assert.Equal(3.4000000000000004, longrope.LongFactor[6]);
    }

    [Fact]
    public void Generation_settings_are_read_and_default_to_the_references()
    {
        GenerationFile read =
            GenerationConfigParser.Parse(File.ReadAllText(Repository.At("configs/dia-1.6b/generation_config.json")), ProblemSeverity.Error).Config!;
        var defaults = new GenerationConfig();
        Assert.Equal(defaults with { DoSample = true, GuidanceScale = 3, MaxLength = 3072, Temperature = 1.2, TopK = 45, TopP = 0.95 },
            read.Config with { DelayPattern = defaults.DelayPattern });
        Assert.Contains("guidance_scale", read.Keys);
        Assert.DoesNotContain("max_new_tokens", read.Keys);
        GenerationFile none = GenerationConfigParser.Parse("{}", ProblemSeverity.Error).Config!;
        Assert.Equal(defaults, none.Config with { DelayPattern = defaults.DelayPattern });
        Assert.Empty(none.Keys);
        Assert.Equal((false, null, 1.0, 50, 1.0),
            (none.Config.DoSample, none.Config.GuidanceScale, none.Config.Temperature, none.Config.TopK, none.Config.TopP));
        Assert.Null(GenerationConfigParser.Parse("{\"top_k\": null}", ProblemSeverity.Error).Config!.Config.TopK);
    }

    private static DiaConfig Dia(string path) => DiaConfigParser.Parse(File.ReadAllText(Repository.At(path)), ProblemSeverity.Error).Config!;
}
