namespace Dia.Configuration;

/// <summary>What a <c>generation_config.json</c> says.</summary>
/// <param name="Config">What it configures; for keys that are missing, the reference's general defaults. Token ids and delays are no file's.</param>
/// <param name="Keys">The keys that it has, whatever they say; but for a max_length of null, which gives none.</param>
public sealed record GenerationFile(GenerationConfig Config, IReadOnlyList<string> Keys);

/// <summary>Reads <c>generation_config.json</c>.</summary>
public static class GenerationConfigParser
{
    private static readonly FieldType<int> Count = FieldType.Integer(1, int.MaxValue);

    /// <summary>
    /// Every other key the reference writes (Transformers 4.56.2 and 5.24.0, <c>GenerationConfig</c>), with the value that means
    /// «nothing» beside null, or an empty string where any value passes because none changes what is generated here.
    /// </summary>
    private static readonly Dictionary<string, string> OtherKeys = new(StringComparer.Ordinal)
    {
        ["min_length"] = "0", ["min_new_tokens"] = "0", ["early_stopping"] = "", ["max_time"] = "null", ["stop_strings"] = "null",
        ["num_beams"] = "1", ["num_beam_groups"] = "1", ["penalty_alpha"] = "0", ["dola_layers"] = "null",
        ["use_cache"] = "", ["cache_implementation"] = "", ["cache_config"] = "", ["return_legacy_cache"] = "",
        ["min_p"] = "0", ["typical_p"] = "1", ["epsilon_cutoff"] = "0", ["eta_cutoff"] = "0", ["diversity_penalty"] = "0",
        ["repetition_penalty"] = "1", ["encoder_repetition_penalty"] = "1", ["length_penalty"] = "", ["no_repeat_ngram_size"] = "0",
        ["encoder_no_repeat_ngram_size"] = "0", ["bad_words_ids"] = "null", ["force_words_ids"] = "null", ["renormalize_logits"] = "false",
        ["constraints"] = "null", ["forced_bos_token_id"] = "null", ["forced_eos_token_id"] = "null", ["remove_invalid_values"] = "",
        ["exponential_decay_length_penalty"] = "null", ["suppress_tokens"] = "null", ["begin_suppress_tokens"] = "null",
        ["forced_decoder_ids"] = "null", ["sequence_bias"] = "null", ["token_healing"] = "false", ["low_memory"] = "",
        ["watermarking_config"] = "null", ["num_return_sequences"] = "1", ["output_attentions"] = "", ["output_hidden_states"] = "",
        ["output_scores"] = "", ["output_logits"] = "", ["return_dict_in_generate"] = "", ["is_assistant"] = "", ["num_assistant_tokens"] = "",
        ["num_assistant_tokens_schedule"] = "", ["assistant_confidence_threshold"] = "", ["prompt_lookup_num_tokens"] = "",
        ["max_matching_ngram_size"] = "", ["assistant_early_exit"] = "", ["assistant_lookbehind"] = "", ["target_lookbehind"] = "",
        ["compile_config"] = "", ["disable_compile"] = "", ["prefill_chunk_size"] = "", ["generation_kwargs"] = "",
        ["encoder_outputs"] = "", ["logits_processor"] = "", ["sep_token_id"] = "", ["prefix"] = "",
        ["use_mtp"] = "", ["max_cache_len"] = "", ["top_h"] = "null", ["assistant_ensemble_weight"] = "", ["speculation_type"] = "",
        ["continuous_batching_config"] = "",
        ["_from_model_config"] = "", ["_commit_hash"] = "", ["_original_object_hash"] = "", ["transformers_version"] = "",
    };

    /// <summary>The settings in a file's text, and everything that is wrong with it.</summary>
    /// <param name="json">The file's text.</param>
    /// <param name="unknownKeys">How an unknown key counts: an error when compiled, a warning at run time.</param>
    public static ConfigurationResult<GenerationFile> Parse(string json, ProblemSeverity unknownKeys) =>
        ConfigurationFile.Read(json).Parse(null, unknownKeys, Read);

    private static GenerationFile Read(ObjectReader file)
    {
        var defaults = new GenerationConfig();
        int? maxLength = file.Optional("max_length", null, Count);
        var config = new GenerationConfig
        {
            MaxLength = maxLength ?? defaults.MaxLength,
            MaxNewTokens = file.Optional("max_new_tokens", null, Count),
            DoSample = file.Optional("do_sample", null, FieldType.Boolean) ?? false,
            GuidanceScale = file.Optional("guidance_scale", null, FieldType.Number(x => x >= 1, "a number from 1 (1 turns guidance off)")),
            Temperature = file.Optional("temperature", null, FieldType.Number(x => x > 0, "a number above 0")) ?? 1,
            TopK = file.Optional("top_k", defaults.TopK, FieldType.Id),
            TopP = file.Optional("top_p", null, FieldType.Fraction) ?? 1,
        };
        // Generation uses the model configuration's; there may be several that end a text.
        foreach (string key in new[] { "bos_token_id", "pad_token_id", "decoder_start_token_id" })
            file.Optional(key, null, FieldType.Id);
        if (file.Get("eos_token_id") is { Kind: JsonKind.Array })
            file.List("eos_token_id", [], FieldType.Id);
        else
            file.Optional("eos_token_id", null, FieldType.Id);
        if (config is { GuidanceScale: > 1, TopK: 0 })
            file.Error(ProblemIds.Contradiction, "top_k", "0 cannot go with guidance_scale above 1, which keeps the top_k best; write null to keep all");
        foreach (KeyValuePair<string, string> other in OtherKeys)
            if (file.GetNotNull(other.Key) is { } value && other.Value.Length > 0 && !IsNeutral(value, other.Value))
                file.Problems.Warning(ProblemIds.NoEffect, value.Position, $"{other.Key} has no effect here; only {other.Value} is what it says");
        file.Finish(_ => false);
        return new GenerationFile(config, [.. file.Keys.Where(key => key != "max_length" || maxLength is not null)]);
    }

    private static bool IsNeutral(JsonValue value, string neutral) => value.Kind switch
    {
        JsonKind.Boolean => neutral == (value.Boolean ? "true" : "false"),
        JsonKind.Number => value.Text == neutral || value.Text == neutral + ".0",
        _ => false,
    };
}
