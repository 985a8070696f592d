using Dia.Configuration;
using Xunit;

namespace Dia.Tests.Generation;

public sealed class GenerationConfigTests
{
    private static readonly GenerationConfig Valid = GenerationFixture.TinyConfig;

    public static TheoryData<GenerationConfig, string> Refused => new()
    {
        { Valid with { GuidanceScale = 0.5 }, "guidance_scale is 0.5" },
        { Valid with { GuidanceScale = double.NaN }, "guidance_scale is NaN" },
        { Valid with { GuidanceScale = double.PositiveInfinity }, "guidance_scale" },
        { Valid with { Temperature = 0 }, "temperature is 0" },
        { Valid with { Temperature = -1 }, "temperature is -1" },
        { Valid with { Temperature = double.NaN }, "temperature is NaN" },
        { Valid with { Temperature = 1e-300 }, "temperature" },
        { Valid with { TopK = 0 }, "top_k is 0" },
        { Valid with { TopP = 0 }, "top_p is 0" },
        { Valid with { TopP = 1.1 }, "top_p is 1.1" },
        { Valid with { TopP = double.NaN }, "top_p is NaN" },
        { Valid with { MaxLength = 0 }, "max_length is 0" },
        { Valid with { MaxNewTokens = 0 }, "max_new_tokens is 0" },
        { Valid with { EosTokenId = 0 }, "eos_token_id is 0" },
        { Valid with { EosTokenId = 68 }, "eos_token_id is 68" },
        { Valid with { PadTokenId = -1 }, "pad_token_id is -1" },
        { Valid with { BosTokenId = 1026 }, "bos_token_id is 1026" },
        { Valid with { DelayPattern = [] }, "delay_pattern" },
        { Valid with { DelayPattern = [0, -1] }, "delay_pattern is -1" },
    };

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public void A_value_out_of_range_is_refused_by_name(GenerationConfig config, string message)
    {
        DiaException error = Assert.Throws<DiaException>(() => config.Validate(68));
        Assert.Equal(DiaErrorKind.Usage, error.Kind);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Defaults_are_the_references_general_ones()
    {
        GenerationConfig config = new();
        config.Validate(1028);
        Assert.Equal((null, 1.0, 50, 1.0, false, 20, null),
            (config.GuidanceScale, config.Temperature, config.TopK, config.TopP, config.DoSample, config.MaxLength, config.MaxNewTokens));
        Assert.False((config with { GuidanceScale = 1 }).UsesGuidance);
        Assert.True((config with { GuidanceScale = 1.5 }).UsesGuidance);
    }

    [Theory]
    [InlineData(3072, null, 1, 3087)]
    [InlineData(20, null, 1, 35)]
    [InlineData(20, 100, 50, 150)]
    public void Row_limit_is_the_prompt_and_new_tokens_or_max_length_and_the_delay(int maxLength, int? newTokens, int promptRows, int expected) =>
        Assert.Equal(expected, (Valid with { MaxLength = maxLength, MaxNewTokens = newTokens }).RowLimit(promptRows, 3087));

    [Theory]
    [InlineData(20, null, 35)]
    [InlineData(3073, null, 1)]
    [InlineData(20, 3087, 1)]
    [InlineData(20, int.MaxValue, 100)]
    [InlineData(int.MaxValue, null, 1)]
    public void A_generation_that_cannot_fit_is_refused_before_it_starts(int maxLength, int? newTokens, int promptRows)
    {
        DiaException error = Assert.Throws<DiaException>(() => (Valid with { MaxLength = maxLength, MaxNewTokens = newTokens }).RowLimit(promptRows, 3087));
        Assert.Equal(DiaErrorKind.Usage, error.Kind);
    }
}
