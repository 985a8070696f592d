using Dia.Configuration;
using Xunit;

namespace Dia.Tests.Configuration;

/// <summary>Each kind of problem, with its id at its line and columns.</summary>
public sealed class ProblemTests
{
    [Theory]
    // JSON itself.
    [InlineData("", "DIA0001", 1, 1, 1)]
    [InlineData("{\n", "DIA0001", 2, 1, 1)]
    [InlineData("{\n  \"model_type\": \"dia\",\n}", "DIA0001", 3, 1, 2)]
    [InlineData("{\"model_type\": \"dia\"} x", "DIA0001", 1, 23, 24)]
    [InlineData("{\"model_type\": \"dia\" // name\n}", "DIA0001", 1, 22, 23)]
    [InlineData("/* name */ {}", "DIA0001", 1, 1, 2)]
    [InlineData("{\"norm_eps\": NaN}", "DIA0001", 1, 14, 17)]
    [InlineData("{\"norm_eps\": -Infinity}", "DIA0001", 1, 15, 16)]
    [InlineData("{\"norm_eps\": 01}", "DIA0001", 1, 15, 16)]
    [InlineData("{\"norm_eps\": .5}", "DIA0001", 1, 14, 15)]
    [InlineData("{\"norm_eps\": 1.}", "DIA0001", 1, 16, 17)]
    [InlineData("{\"norm_eps\": 1e}", "DIA0001", 1, 16, 17)]
    [InlineData("{\"norm_eps\": +1}", "DIA0001", 1, 14, 15)]
    [InlineData("{'norm_eps': 1}", "DIA0001", 1, 2, 3)]
    [InlineData("{\"norm_eps\" 1}", "DIA0001", 1, 13, 14)]
    [InlineData("{\"delay_pattern\": [0 1]}", "DIA0001", 1, 22, 23)]
    [InlineData("{\"delay_pattern\": [0,]}", "DIA0001", 1, 22, 23)]
    [InlineData("{\"model_type\": \"dia", "DIA0001", 1, 16, 17)]
    [InlineData("{\"model_type\": True}", "DIA0001", 1, 16, 20)]
    [InlineData("{\r\n\"model_type\":\r\"dia\"\n\n\t?", "DIA0001", 5, 2, 3)]
    [InlineData("\uFEFF{ ?", "DIA0001", 1, 3, 4)]
    [InlineData("{\"prefix\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]}", "DIA0002", 1, 43, 44)]
    [InlineData("{\"prefix\": \"a\\x\"}", "DIA0003", 1, 14, 16)]
    [InlineData("{\"prefix\": \"a\tb\"}", "DIA0003", 1, 14, 15)]
    [InlineData("{\"prefix\": \"a\n\"}", "DIA0003", 1, 14, 15)]
    [InlineData("{\"prefix\": \"\\ud800\"}", "DIA0003", 1, 13, 19)]
    [InlineData("{\"prefix\": \"\\udc00\\ud800\"}", "DIA0003", 1, 13, 19)]
    [InlineData("{\"prefix\": \"\\ud800\\u0041\"}", "DIA0003", 1, 13, 19)]
    [InlineData("{\"prefix\": \"\\u12g4\"}", "DIA0003", 1, 13, 15)]
    [InlineData("{\"model_type\": \"dia\",\n \"use_cache\": true,\n \"use_cache\": true}", "DIA0004", 3, 2, 13)]
    [InlineData("{\"model_type\": \"dia\", \"use_cache\": true, \"use\\u005fcache\": true}", "DIA0004", 1, 42, 58)]
    // Keys and types.
    [InlineData("{\"model_type\": \"dia\",\n \"hidden_sise\": 1}", "DIA0005", 2, 2, 15)]
    [InlineData("{\"model_type\": \"dia\",\n \"decoder_config\": {\n  \"num_layers\": 3}}", "DIA0005", 3, 3, 15)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2, \"x\": 1}}}",
        "DIA0005", 1, 95, 98)]
    [InlineData("[]", "DIA0006", 1, 1, 2)]
    [InlineData("{\"model_type\": 7}", "DIA0006", 1, 16, 17)]
    [InlineData("{\"model_type\": \"dia\", \"pad_token_id\": \"x\"}", "DIA0006", 1, 39, 42)]
    [InlineData("{\"model_type\": \"dia\", \"pad_token_id\": 3.0}", "DIA0006", 1, 39, 42)]
    [InlineData("{\"model_type\": \"dia\", \"norm_eps\": true}", "DIA0006", 1, 35, 39)]
    [InlineData("{\"model_type\": \"dia\", \"use_cache\": 1}", "DIA0006", 1, 36, 37)]
    [InlineData("{\"model_type\": \"dia\", \"delay_pattern\": 9}", "DIA0006", 1, 40, 41)]
    [InlineData("{\"model_type\": \"dia\", \"delay_pattern\": [0, \"1\"]}", "DIA0006", 1, 44, 47)]
    [InlineData("{\"model_type\": \"dia\", \"encoder_config\": []}", "DIA0006", 1, 41, 42)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"cross_num_key_value_heads\": null}}", "DIA0006", 1, 71, 75)]
    [InlineData("\n {}", "DIA0007", 2, 2, 3)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"rope_scaling\": {}}}", "DIA0007", 1, 58, 59)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"rope_scaling\": {\"rope_type\": \"dynamic\"}}}", "DIA0007", 1, 58, 59)]
    // Ranges.
    [InlineData("{\"model_type\": \"dia\", \"pad_token_id\": -1}", "DIA0008", 1, 39, 41)]
    [InlineData("{\"model_type\": \"dia\", \"pad_token_id\": 99999999999999999999}", "DIA0008", 1, 39, 59)]
    [InlineData("{\"model_type\": \"dia\", \"norm_eps\": 1e999}", "DIA0008", 1, 35, 40)]
    [InlineData("{\"model_type\": \"dia\", \"norm_eps\": -1e-5}", "DIA0008", 1, 35, 40)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"rope_theta\": 0}}", "DIA0008", 1, 56, 57)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"head_dim\": 127}}", "DIA0008", 1, 54, 57)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"num_hidden_layers\": 0}}", "DIA0008", 1, 63, 64)]
    // Contradictions.
    [InlineData("{\"model_type\": \"dia\", \"delay_pattern\": [0, 1]}", "DIA0009", 1, 40, 41)]
    [InlineData("{\"model_type\": \"dia\", \"eos_token_id\": 1028}", "DIA0009", 1, 39, 43)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"num_key_value_heads\": 3}}", "DIA0009", 1, 65, 66)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"cross_num_key_value_heads\": 3}}", "DIA0009", 1, 71, 72)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"cross_hidden_size\": 3}}", "DIA0009", 1, 63, 64)]
    [InlineData(
        "{\"model_type\": \"dia\", \"decoder_config\": {\"rope_scaling\": {\"type\": \"longrope\", \"factor\": 2, \"short_factor\": [1], \"long_factor\": [1]}}}", "DIA0009", 1, 108, 109)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"beta_fast\": 1, \"beta_slow\": 2}}}",
        "DIA0009", 1, 101, 102)]
    // Names.
    [InlineData("{\"model_type\": \"llama\"}", "DIA0010", 1, 16, 23)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"hidden_act\": \"tanh\"}}", "DIA0010", 1, 56, 62)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"model_type\": \"dia_encoder\"}}", "DIA0010", 1, 56, 69)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"rope_scaling\": {\"rope_type\": \"su\"}}}", "DIA0010", 1, 72, 76)]
    // Shapes.
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"intermediate_size\": 1000000}}", "DIA0011", 1, 63, 70)]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"vocab_size\": 1000000}}", "DIA0011", 1, 56, 63)]
    [InlineData("{\"model_type\": \"dia\", \"delay_pattern\": [0, 8, 9, 10, 11, 12, 13, 14, 9000000]}", "DIA0011", 1, 40, 41)]
    // Without effect.
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2, \"mscale\": 1}}}", "DIA0012",
        1, 105, 106)]
    public void A_model_configuration(string json, string id, int line, int column, int endColumn) =>
        AssertProblem(DiaConfigParser.Parse(json, ProblemSeverity.Error), id, line, column, endColumn);

    [Theory]
    [InlineData("{\"model_type\": \"dac\", \"hop_length\": 320}", "DIA0009", 1, 37, 40)]
    [InlineData("{\"model_type\": \"dac\", \"hidden_size\": 64}", "DIA0009", 1, 38, 40)]
    [InlineData("{\"model_type\": \"dac\", \"upsampling_ratios\": [2, 4, 8, 8]}", "DIA0009", 1, 44, 45)]
    [InlineData("{\"model_type\": \"dac\", \"codebook_size\": 1000}", "DIA0008", 1, 40, 44)]
    [InlineData("{\"model_type\": \"dac\", \"quantizer_dropout\": 1.5}", "DIA0008", 1, 44, 47)]
    [InlineData("{\"model_type\": \"dac\", \"downsampling_ratios\": []}", "DIA0008", 1, 46, 47)]
    [InlineData("{\"model_type\": \"dac\", \"downsampling_ratios\": [1024, 1024, 2]}", "DIA0011", 1, 46, 47)]
    [InlineData("{\"model_type\": \"dac\", \"decoder_hidden_size\": 15}", "DIA0009", 1, 46, 48)]
    [InlineData("{\"model_type\": \"dac\", \"encoder_hidden_size\": 100000}", "DIA0011", 1, 46, 52)]
    [InlineData("{\"model_type\": \"dia\", \"hop_length\": 320}", "DIA0010", 1, 16, 21)]
    public void A_codec_configuration(string json, string id, int line, int column, int endColumn) =>
        AssertProblem(DacConfigParser.Parse(json), id, line, column, endColumn);

    [Theory]
    [InlineData("{\"tempreature\": 1}", "DIA0005", 1, 2, 15)]
    [InlineData("{\"temperature\": 0}", "DIA0008", 1, 17, 18)]
    [InlineData("{\"guidance_scale\": 0.5}", "DIA0008", 1, 20, 23)]
    [InlineData("{\"top_p\": 1.1}", "DIA0008", 1, 11, 14)]
    [InlineData("{\"guidance_scale\": 3, \"top_k\": 0}", "DIA0009", 1, 32, 33)]
    [InlineData("{\"num_beams\": 4}", "DIA0010", 1, 15, 16)]
    [InlineData("{\"renormalize_logits\": true}", "DIA0012", 1, 24, 28)]
    [InlineData("{\"repetition_penalty\": 0}", "DIA0008", 1, 24, 25)]
    [InlineData("{\"bad_words_ids\": [[3, -1]]}", "DIA0008", 1, 20, 21)]
    [InlineData("{\"bad_words_ids\": [[]]}", "DIA0008", 1, 20, 21)]
    [InlineData("{\"bad_words_ids\": [3]}", "DIA0006", 1, 20, 21)]
    [InlineData("{\"sequence_bias\": [[[3], \"x\"]]}", "DIA0008", 1, 20, 21)]
    [InlineData("{\"exponential_decay_length_penalty\": [2, 0]}", "DIA0008", 1, 38, 39)]
    [InlineData("{\"typical_p\": 0}", "DIA0008", 1, 15, 16)]
    public void A_generation_configuration(string json, string id, int line, int column, int endColumn) =>
        AssertProblem(GenerationConfigParser.Parse(json, ProblemSeverity.Error), id, line, column, endColumn);

    [Fact]
    public void An_unknown_key_is_a_warning_at_run_time()
    {
        ConfigurationResult<DiaConfig> result = DiaConfigParser.Parse("{\"model_type\": \"dia\", \"new_key\": {}}", ProblemSeverity.Warning);
        Assert.Equal(new DiaConfig(), result.Config);
        ConfigurationProblem problem = Assert.Single(result.Problems);
        Assert.Equal((ProblemIds.UnknownKey, ProblemSeverity.Warning), (problem.Id, problem.Severity));
    }

    [Fact]
    public void All_problems_of_a_file_come_in_its_order()
    {
        ConfigurationResult<DiaConfig> result =
            DiaConfigParser.Parse("{\"x\": 1,\n\"model_type\": \"dia\",\n\"decoder_config\": {\"head_dim\": 1},\n\"norm_eps\": []}", ProblemSeverity.Error);
        Assert.Null(result.Config);
        Assert.Equal([(1, "DIA0005"), (3, "DIA0008"), (4, "DIA0006")], result.Problems.Select(p => (p.Line, p.Id)));
        Assert.Equal("3:32: error DIA0008: decoder_config.head_dim: must be even (its halves are rotated against each other), not 1",
            result.Problems[1].ToString());
    }

    [Fact]
    public void A_file_that_is_too_long_is_refused() =>
        AssertProblem(DiaConfigParser.Parse(new string(' ', (1 << 20) + 1), ProblemSeverity.Error), "DIA0002", 1, 1, 2);

    [Fact]
    public void General_keys_pass_whatever_they_hold()
    {
        const string General =
            "\"id2label\": {\"0\": \"a\"}, \"torch_dtype\": 7, \"architectures\": null, \"_name_or_path\": [], \"task_specific_params\": {\"x\": 1e999}, \"temperature\": -1, \"output_attentions\": \"yes\"";
        string json =
            $"{{\"model_type\": \"dia\", {General}, \"encoder_config\": {{{General}}}, \"decoder_config\": {{{General}, \"num_key_value_heads\": null}}}}";
        ConfigurationResult<DiaConfig> result = DiaConfigParser.Parse(json, ProblemSeverity.Error);
        Assert.Empty(result.Problems);
        Assert.Equal(16, result.Config!.DecoderConfig.NumKeyValueHeads);
        Assert.Empty(DacConfigParser.Parse($"{{\"model_type\": \"dac\", {General}}}").Problems);
    }

    [Theory]
    [InlineData("{\"rope_type\": \"default\"}", null)]
    [InlineData("{\"type\": \"linear\", \"factor\": 2.5, \"rope_type\": \"dynamic\"}", RopeType.Linear)]
    [InlineData("{\"rope_type\": \"dynamic\", \"factor\": 2, \"original_max_position_embeddings\": 100}", RopeType.Dynamic)]
    [InlineData("{\"rope_type\": \"yarn\", \"factor\": 2, \"beta_fast\": null}", RopeType.Yarn)]
    public void Rope_scaling_is_read(string scaling, RopeType? type)
    {
        ConfigurationResult<DiaConfig> result =
            DiaConfigParser.Parse($"{{\"model_type\": \"dia\", \"encoder_config\": {{\"rope_scaling\": {scaling}}}}}", ProblemSeverity.Error);
        Assert.Empty(result.Problems);
        Assert.Equal(type, result.Config!.EncoderConfig.RopeScaling?.RopeType);
    }

    private static void AssertProblem<T>(ConfigurationResult<T> result, string id, int line, int column, int endColumn)
        where T : class
    {
        ConfigurationProblem problem = result.Problems.First();
        Assert.Equal((id, line, column, endColumn), (problem.Id, problem.Line, problem.Column, problem.EndColumn));
        Assert.Equal(problem.Severity == ProblemSeverity.Error, result.Config is null);
    }
}
