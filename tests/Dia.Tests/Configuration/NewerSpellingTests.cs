using Dia.Configuration;
using Xunit;

namespace Dia.Tests.Configuration;

/// <summary>Configurations as newer versions of the reference write them mean what the older spelling means.</summary>
public sealed class NewerSpellingTests
{
    public static TheoryData<string, string> Pairs => new()
    {
        // newer, older
        { "tiny-base", "tests/fixtures/tiny/base" },
        { "tiny-base-ids-in-decoder", "tests/fixtures/tiny/base" },
        { "tiny-odd", "tests/fixtures/tiny/odd" },
        { "tiny-act-gelu-gelu_new", "tests/fixtures/tiny/act-gelu-gelu_new" },
        { "tiny-rope-linear", "tests/fixtures/tiny/rope-linear" },
        { "tiny-rope-dynamic", "tests/fixtures/tiny/rope-dynamic" },
        { "tiny-rope-yarn", "tests/fixtures/tiny/rope-yarn" },
        { "tiny-rope-longrope", "tests/fixtures/tiny/rope-longrope" },
        { "tiny-rope-llama3", "tests/fixtures/tiny/rope-llama3" },
        { "generate-model", "tests/fixtures/generate/model" },
        { "defaults", "configs/dia-1.6b" },
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Both_spellings_are_one_configuration(string newer, string older)
    {
        ConfigurationResult<DiaConfig> result =
            DiaConfigParser.Parse(File.ReadAllText(Repository.At($"tests/fixtures/newer/{newer}/config.json")), ProblemSeverity.Error);
        Assert.Empty(result.Problems);
        Assert.Equal(DiaConfigParser.Parse(File.ReadAllText(Repository.At($"{older}/config.json")), ProblemSeverity.Error).Config, result.Config);
    }

    [Fact]
    public void The_encoder_is_read_likewise()
    {
        DiaConfig config = DiaConfigParser.Parse(File.ReadAllText(Fixtures.Path("newer/tiny-encoder-rope-yarn/config.json")), ProblemSeverity.Error).Config!;
        Assert.Equal(new RopeScaling { RopeType = RopeType.Yarn, Factor = 4, OriginalMaxPositionEmbeddings = 24 }, config.EncoderConfig.RopeScaling);
        Assert.Null(config.DecoderConfig.RopeScaling);
    }

    [Theory]
    [InlineData("\"rope_parameters\": {\"rope_theta\": 500}", 500)]
    [InlineData("\"rope_theta\": 500", 500)]
    [InlineData("\"rope_theta\": 500, \"rope_parameters\": {\"rope_type\": \"default\"}", 500)]
    [InlineData("\"rope_theta\": 500.0, \"rope_scaling\": null, \"rope_parameters\": {\"rope_theta\": 500, \"rope_type\": \"default\"}", 500)]
    [InlineData("\"rope_parameters\": null", 10000)]
    [InlineData("\"rope_parameters\": {\"rope_type\": \"default\"}", 10000)]
    public void Theta_comes_from_either(string keys, double theta)
    {
        ConfigurationResult<DiaConfig> result = Decoder(keys);
        Assert.Empty(result.Problems);
        Assert.Equal(new DiaConfig { DecoderConfig = new DiaDecoderConfig { RopeTheta = theta } }, result.Config);
    }

    [Theory]
    // yarn and llama3: the original length may stand beside, and is max_position_embeddings where it stands nowhere.
    [InlineData("\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 2}", "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2}")]
    [InlineData("\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 2, \"original_max_position_embeddings\": 3072}",
        "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2}")]
    [InlineData("\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 2}",
        "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2, \"original_max_position_embeddings\": 3072}")]
    [InlineData("\"rope_parameters\": {\"type\": \"llama3\", \"factor\": 2, \"low_freq_factor\": 1, \"high_freq_factor\": 4}",
        "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 2, \"low_freq_factor\": 1, \"high_freq_factor\": 4, \"original_max_position_embeddings\": 3072}")]
    // longrope with two heads' halves: the length inside is the one beside of the older spelling.
    [InlineData(
        "\"head_dim\": 4, \"rope_parameters\": {\"rope_type\": \"longrope\", \"short_factor\": [1, 2], \"long_factor\": [3, 4], \"original_max_position_embeddings\": 1536}", "\"head_dim\": 4, \"original_max_position_embeddings\": 1536, \"rope_scaling\": {\"rope_type\": \"longrope\", \"short_factor\": [1, 2], \"long_factor\": [3, 4]}")]
    [InlineData(
        "\"head_dim\": 4, \"original_max_position_embeddings\": 1536, \"rope_parameters\": {\"rope_type\": \"longrope\", \"factor\": 2, \"short_factor\": [1, 2], \"long_factor\": [3, 4], \"original_max_position_embeddings\": 1536}", "\"head_dim\": 4, \"original_max_position_embeddings\": 1536, \"rope_scaling\": {\"rope_type\": \"longrope\", \"factor\": 2, \"short_factor\": [1, 2], \"long_factor\": [3, 4]}")]
    [InlineData("\"head_dim\": 4, \"rope_parameters\": {\"rope_type\": \"longrope\", \"factor\": 4, \"short_factor\": [1, 2], \"long_factor\": [3, 4]}",
        "\"head_dim\": 4, \"rope_scaling\": {\"rope_type\": \"longrope\", \"factor\": 4, \"short_factor\": [1, 2], \"long_factor\": [3, 4]}")]
    public void Rope_types_have_the_same_meaning(string newer, string older)
    {
        ConfigurationResult<DiaConfig> result = Decoder(newer);
        Assert.Empty(result.Problems);
        Assert.Equal(Decoder(older).Config, result.Config);
        Assert.NotNull(result.Config!.DecoderConfig.RopeScaling);
    }

    [Fact]
    public void A_factor_of_longrope_that_is_not_the_lengths_gives_the_attention_factor()
    {
        // sqrt(1 + ln 8 / ln 1536), as the newer version computes it; the older takes 3072 / 1536 in place of 8.
        DiaDecoderConfig config =
            Decoder("\"head_dim\": 4, \"rope_parameters\": {\"rope_type\": \"longrope\", \"factor\": 8, \"short_factor\": [1, 2], \"long_factor\": [3, 4], \"original_max_position_embeddings\": 1536}").Config!.DecoderConfig;
        RotaryFrequencies frequencies = RotaryFrequencies.For(config);
        Assert.Equal((float)Math.Sqrt(1 + Math.Log(8) / Math.Log(1536)), frequencies.AttentionScaling);
        Assert.Equal(1536, frequencies.OriginalLength);
    }

    [Theory]
    [InlineData("\"rope_theta\": 10000, \"rope_parameters\": {\"rope_theta\": 500}",
        "rope_parameters.rope_theta: contradicts decoder_config.rope_theta", 1, 97)]
    [InlineData("\"rope_scaling\": null,\n\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2}",
        "decoder_config.rope_parameters: contradicts decoder_config.rope_scaling", 2, 20)]
    [InlineData("\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 4},\n\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2}",
        "contradicts decoder_config.rope_scaling", 2, 20)]
    [InlineData("\"rope_parameters\": {\"rope_type\": \"linear\",\n\"type\": \"dynamic\", \"factor\": 2}",
        "contradicts decoder_config.rope_parameters.rope_type", 2, 9)]
    [InlineData(
        "\"original_max_position_embeddings\": 24,\n\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 2, \"original_max_position_embeddings\": 25}",
        "contradicts decoder_config.original_max_position_embeddings", 2, 91)]
    [InlineData("\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2, \n\"partial_rotary_factor\": 0.5}",
        "\"partial_rotary_factor\" is no key", 2, 1)]
    [InlineData("\"rope_parameters\": {\"rope_type\": \n\"proportional\"}", "is none of default, linear", 2, 1)]
    [InlineData("\"rope_parameters\": {\"rope_type\": \"linear\"}", "rope_parameters.factor is missing", 1, 61)]
    [InlineData("\"rope_parameters\": [1]", "must be an object", 1, 61)]
    [InlineData("\"eos_token_id\": 1028", "eos_token_id: is 1028 where decoder_config.vocab_size is 1028", 1, 58)]
    [InlineData("\"eos_token_id\": 7},\n\"eos_token_id\": 8, \"encoder_config\": {\"vocab_size\": 256",
        "eos_token_id: is 8 where decoder_config.eos_token_id is 7", 2, 17)]
    public void What_is_wrong_is_told_where_it_stands(string keys, string says, int line, int column)
    {
        // At run time too.
        ConfigurationResult<DiaConfig> result = DiaConfigParser.Parse(Json(keys), ProblemSeverity.Warning);
        ConfigurationProblem problem = Assert.Single(result.Problems);
        Assert.Null(result.Config);
        Assert.Contains(says, problem.Message, StringComparison.Ordinal);
        Assert.Equal((line, column), (problem.Line, problem.Column));
    }

    [Theory]
    [InlineData("{\"model_type\": \"dia\", \"pad_token_id\": null, \"eos_token_id\": null, \"bos_token_id\": null}", 1025, 1024, 1026)]
    [InlineData(
        "{\"model_type\": \"dia\", \"pad_token_id\": null, \"decoder_config\": {\"pad_token_id\": 1, \"eos_token_id\": 2, \"bos_token_id\": 3}}", 1, 2, 3)]
    [InlineData(
        "{\"model_type\": \"dia\", \"pad_token_id\": 1, \"decoder_config\": {\"pad_token_id\": 1, \"eos_token_id\": null, \"bos_token_id\": 3}, \"eos_token_id\": 2}", 1, 2, 3)]
    public void Ids_come_from_either_place(string json, int pad, int eos, int bos)
    {
        ConfigurationResult<DiaConfig> result = DiaConfigParser.Parse(json, ProblemSeverity.Error);
        Assert.Empty(result.Problems);
        Assert.Equal((pad, eos, bos), (result.Config!.PadTokenId, result.Config.EosTokenId, result.Config.BosTokenId));
    }

    /// <summary>All keys of the base class in a sub-configuration, as either version writes them where it leaves none out.</summary>
    [Fact]
    public void General_keys_may_stand_in_the_parts()
    {
        const string Version4 =
            "\"return_dict\": true, \"output_hidden_states\": false, \"torchscript\": false, \"dtype\": null, \"use_bfloat16\": false, \"tf_legacy_loss\": false, \"pruned_heads\": {}, \"tie_word_embeddings\": true, \"chunk_size_feed_forward\": 0, \"is_encoder_decoder\": false, \"is_decoder\": false, \"cross_attention_hidden_size\": null, \"add_cross_attention\": false, \"tie_encoder_decoder\": false, \"max_length\": 20, \"min_length\": 0, \"do_sample\": false, \"early_stopping\": false, \"num_beams\": 1, \"num_beam_groups\": 1, \"diversity_penalty\": 0.0, \"temperature\": 1.0, \"top_k\": 50, \"top_p\": 1.0, \"typical_p\": 1.0, \"repetition_penalty\": 1.0, \"length_penalty\": 1.0, \"no_repeat_ngram_size\": 0, \"encoder_no_repeat_ngram_size\": 0, \"bad_words_ids\": null, \"num_return_sequences\": 1, \"output_scores\": false, \"return_dict_in_generate\": false, \"forced_bos_token_id\": null, \"forced_eos_token_id\": null, \"remove_invalid_values\": false, \"exponential_decay_length_penalty\": null, \"suppress_tokens\": null, \"begin_suppress_tokens\": null, \"architectures\": null, \"finetuning_task\": null, \"id2label\": {\"0\": \"LABEL_0\"}, \"label2id\": {\"LABEL_0\": 0}, \"tokenizer_class\": null, \"prefix\": null, \"bos_token_id\": null, \"pad_token_id\": null, \"eos_token_id\": null, \"sep_token_id\": null, \"decoder_start_token_id\": null, \"task_specific_params\": null, \"problem_type\": null, \"_name_or_path\": \"\", \"_attn_implementation_autoset\": false, \"output_attentions\": false";
        const string Version5 =
            "\"_name_or_path\": \"\", \"architectures\": null, \"chunk_size_feed_forward\": 0, \"dtype\": \"float32\", \"id2label\": {\"0\": \"LABEL_0\"}, \"is_encoder_decoder\": false, \"label2id\": {\"LABEL_0\": 0}, \"output_attentions\": false, \"output_hidden_states\": false, \"problem_type\": null, \"return_dict\": true";
        foreach (string keys in new[] { Version4, Version5 })
        {
            ConfigurationResult<DiaConfig> result =
                DiaConfigParser.Parse($"{{\"model_type\": \"dia\", \"encoder_config\": {{{keys}}}, \"decoder_config\": {{{keys}}}}}", ProblemSeverity.Error);
            Assert.Empty(result.Problems);
            Assert.Equal(new DiaConfig { DecoderConfig = new DiaDecoderConfig { IsEncoderDecoder = false } }, result.Config);
            Assert.Empty(DacConfigParser.Parse($"{{\"model_type\": \"dac\", {keys}}}").Problems);
        }
    }

    [Fact]
    public void A_newer_generation_configuration_passes()
    {
        ConfigurationResult<GenerationFile> result = GenerationConfigParser.Parse(
            "{\"max_length\": 96, \"use_mtp\": null, \"max_cache_len\": null, \"top_h\": null, \"assistant_ensemble_weight\": null, \"speculation_type\": null, \"continuous_batching_config\": null, \"num_beams\": null, \"transformers_version\": \"5.24.0\"}", ProblemSeverity.Error);
        Assert.Empty(result.Problems);
        Assert.Equal(ProblemIds.UnsupportedValue, Assert.Single(GenerationConfigParser.Parse("{\"top_h\": 0.4}", ProblemSeverity.Error).Problems).Id);
    }

    [Theory]
    [InlineData("{\"model_type\": \"dia\", \"encoder_config\": {\"layer_types\": 1}}", "encoder_config.\"layer_types\" is no key")]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"sliding_window\": 4}}", "might change what is computed")]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2, \"x\": 1}}}",
        "rope_scaling.\"x\" is no key")]
    [InlineData("{\"model_type\": \"dia\", \"compression_config\": {\"quant_method\": \"compressed-tensors\"}}",
        "the weights are quantised (\"compressed-tensors\")")]
    [InlineData("{\"model_type\": \"dia\", \"decoder_config\": {\"quantization_config\": {}}}", "the weights are quantised,")]
    [InlineData("{\"model_type\": \"dia\", \"tie_encoder_decoder\": true}", "share no weights")]
    [InlineData("{\"model_type\": \"dia\", \"encoder_config\": {\"pruned_heads\": {\"0\": [1]}}}", "without some of its heads")]
    public void What_would_be_other_numbers_is_an_error_at_run_time(string json, string says)
    {
        ConfigurationResult<DiaConfig> result = DiaConfigParser.Parse(json, ProblemSeverity.Warning);
        Assert.Null(result.Config);
        Assert.Contains(says, Assert.Single(result.Problems).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"model_type\": \"dac\",\n \"encoder_rates\": [2]}", "\"encoder_rates\" is no key")]
    [InlineData("{\"model_type\": \"dac\",\n \"quantization_config\": {}}", "the weights are quantised")]
    public void An_unknown_key_of_a_codec_is_an_error(string json, string says)
    {
        ConfigurationResult<DacConfig> result = DacConfigParser.Parse(json);
        Assert.Null(result.Config);
        Assert.Contains(says, Assert.Single(result.Problems).Message, StringComparison.Ordinal);
        Assert.Equal(2, result.Problems[0].Line);
    }

    private static string Json(string decoderKeys) => $"{{\"model_type\": \"dia\", \"decoder_config\": {{{decoderKeys}}}}}";

    private static ConfigurationResult<DiaConfig> Decoder(string keys) => DiaConfigParser.Parse(Json(keys), ProblemSeverity.Error);
}
