using Dia.Configuration;
using Dia.Networks;
using Dia.Weights;
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
        { Valid with { MaxTime = -1 }, "max_time is -1" },
        { Valid with { NumReturnSequences = 0 }, "num_return_sequences is 0" },
        { Valid with { NumReturnSequences = 2 }, "without sampling" },
        { Valid with { MinLength = -1 }, "min_length is -1" },
        { Valid with { MinNewTokens = -1 }, "min_new_tokens is -1" },
        { Valid with { RepetitionPenalty = 0 }, "repetition_penalty is 0" },
        { Valid with { RepetitionPenalty = double.NaN }, "repetition_penalty is NaN" },
        { Valid with { NoRepeatNgramSize = -1 }, "no_repeat_ngram_size is -1" },
        { Valid with { BadWordsIds = [[]] }, "a sequence of bad_words_ids is empty" },
        { Valid with { BadWordsIds = [[3, 68]] }, "bad_words_ids is 68" },
        { Valid with { SequenceBias = [new([], 1)] }, "a sequence of sequence_bias is empty" },
        { Valid with { SequenceBias = [new([1], double.NaN)] }, "a bias of sequence_bias is NaN" },
        { Valid with { SuppressTokens = [-1] }, "suppress_tokens is -1" },
        { Valid with { BeginSuppressTokens = [68] }, "begin_suppress_tokens is 68" },
        { Valid with { ForcedBosTokenId = 68 }, "forced_bos_token_id is 68" },
        { Valid with { ForcedEosTokenId = [68] }, "forced_eos_token_id is 68" },
        { Valid with { ExponentialDecayLengthPenalty = new(-1, 1) }, "exponential_decay_length_penalty is [-1, 1]" },
        { Valid with { ExponentialDecayLengthPenalty = new(1, 0) }, "exponential_decay_length_penalty is [1, 0]" },
        { Valid with { MinP = 1.5 }, "min_p is 1.5" },
        { Valid with { TypicalP = 0 }, "typical_p is 0" },
        { Valid with { EpsilonCutoff = 1 }, "epsilon_cutoff is 1" },
        { Valid with { EtaCutoff = -0.1 }, "eta_cutoff is -0.1" },
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

    [Fact]
    public void It_is_written_as_the_reference_does_and_read_back_equal()
    {
        Assert.Equal("{\n  \"bos_token_id\": 66,\n  \"eos_token_id\": 64,\n  \"pad_token_id\": 65\n}\n", Valid.ToJson());
        GenerationConfig all = Valid with
        {
            GuidanceScale = 3, Temperature = 1.2, TopK = null, TopP = 0.95, DoSample = true, MaxLength = 100, MaxNewTokens = 7, MaxTime = 2.5,
            NumReturnSequences = 2, MinLength = 3, MinNewTokens = 4, RepetitionPenalty = 1.1, NoRepeatNgramSize = 5, BadWordsIds = [[5], [23, 4]],
            SequenceBias = [new([1, 2], -2), new([3], 0.5)], SuppressTokens = [3, 9], BeginSuppressTokens = [1], ExponentialDecayLengthPenalty = new(8, 1.4),
            ForcedBosTokenId = 2, ForcedEosTokenId = [64], MinP = 0.1, TypicalP = 0.9, EpsilonCutoff = 0.01, EtaCutoff = 0.02, OutputScores = true,
            OutputLogits = true, OutputHiddenStates = true, OutputAttentions = true,
        };
        string json = all.ToJson();
        Assert.Contains("\"bad_words_ids\": [[5], [23, 4]],", json);
        Assert.Contains("\"forced_eos_token_id\": 64,", json);
        Assert.Contains("\"guidance_scale\": 3.0,", json);
        Assert.Contains("\"sequence_bias\": [[[1, 2], -2], [[3], 0.5]],", json);
        Assert.Contains("\"top_k\": null,", json);

        using var folder = new TemporaryFolder();
        foreach (GenerationConfig config in new[] { all, Valid, all with { ForcedEosTokenId = [1, 2], ExponentialDecayLengthPenalty = null } })
        {
            config.SavePretrained(folder.Path);
            Assert.Equal(config.ToJson(), File.ReadAllText(folder["generation_config.json"]));
            List<string> warnings = [];
            GenerationConfig read = GenerationConfig.FromPretrained(ModelFolder.Open(folder.Path), warnings);
            Assert.Empty(warnings);
            Assert.Equal(config, read with { DelayPattern = config.DelayPattern });
        }

        // Each key that is used was there: none is read and not written, or the other way.
        string[] used = [.. GenerationConfigKeys.All.Where(k => k.Use == GenerationKeyUse.Used).Select(k => k.Name).Order(StringComparer.Ordinal)];
        Assert.Equal(used, System.Text.Json.JsonDocument.Parse(json).RootElement.EnumerateObject().Select(p => p.Name));
    }

    [Theory]
    [InlineData("num_beams", "4")]
    [InlineData("constraints", "[1]")]
    [InlineData("stop_strings", "[\"a\"]")]
    [InlineData("encoder_repetition_penalty", "1.1")]
    [InlineData("prompt_lookup_num_tokens", "2")]
    [InlineData("watermarking_config", "{}")]
    public void What_would_generate_otherwise_is_refused_by_name_and_place(string key, string value)
    {
        ConfigurationResult<GenerationFile> result = GenerationConfigParser.Parse($"{{\n \"{key}\": {value}}}", ProblemSeverity.Warning);
        ConfigurationProblem problem = Assert.Single(result.Problems);
        Assert.Equal((ProblemIds.UnsupportedValue, 2, ProblemSeverity.Error), (problem.Id, problem.Line, problem.Severity));
        Assert.StartsWith(key + ": ", problem.Message);
    }

    [Fact]
    public void A_key_of_the_reference_stands_in_the_table_once_and_passes_where_it_says_nothing()
    {
        Assert.Equal(GenerationConfigKeys.All.Count, GenerationConfigKeys.All.DistinctBy(k => k.Name).Count());
        foreach (GenerationKey key in GenerationConfigKeys.All)
            foreach (string value in new[] { "null", key.Use == GenerationKeyUse.Used ? "null" : key.Neutral })
                Assert.Empty(GenerationConfigParser.Parse($"{{\"{key.Name}\": {value}}}", ProblemSeverity.Error).Problems);
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
