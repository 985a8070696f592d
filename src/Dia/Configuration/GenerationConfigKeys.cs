namespace Dia.Configuration;

/// <summary>What becomes of a key of a generation_config.json.</summary>
public enum GenerationKeyUse
{
    /// <summary>It has a member of <see cref="GenerationConfig"/>.</summary>
    Used,

    /// <summary>Whatever it holds changes nothing that is generated.</summary>
    Passed,

    /// <summary>The reference would do something else, which changes little: a warning.</summary>
    Warned,

    /// <summary>The reference would generate otherwise, or refuse it too: an error.</summary>
    Refused,
}

/// <summary>A key of the reference's GenerationConfig.</summary>
/// <param name="Name">The key.</param>
/// <param name="Use">What becomes of it.</param>
/// <param name="Neutral">The value that says nothing, beside null, where it is warned of or refused.</param>
/// <param name="Why">The reason.</param>
public sealed record GenerationKey(string Name, GenerationKeyUse Use, string Neutral = "null", string Why = "");

/// <summary>Every key that the reference's GenerationConfig writes (Transformers 4.56.2 and 5.24.0), and what becomes of it here.</summary>
public static class GenerationConfigKeys
{
    private const string NoBeams = "ids are picked row by row, the best or drawn: there are no beams";
    private const string NoAssistant = "there is no assistant model that would propose rows";
    private const string NoText = "it is about ids of a text, and a channel's ids are codes";
    private const string OfBeams = "it is about beams, of which there is one";
    private const string OfAssistant = "it is about an assistant model, of which there is none";
    private const string OfMemory = "it is about how the reference computes, not about what";
    private const string OfFile = "it is about the file";

    private static readonly GenerationKey[] Others =
    [
        Refused("num_beams", "1", NoBeams), Refused("num_beam_groups", "1", NoBeams), Refused("diversity_penalty", "0", NoBeams),
        Refused("constraints", "null", NoBeams), Refused("force_words_ids", "null", NoBeams),
        Refused("penalty_alpha", "0", "contrastive search is none of Dia's, in the reference neither"),
        Refused("dola_layers", "null", "decoding by contrasting layers is none of Dia's, in the reference neither"),
        Refused("prompt_lookup_num_tokens", "null", NoAssistant), Refused("assistant_early_exit", "null", NoAssistant), Refused("use_mtp", "false", NoAssistant),
        Refused("stop_strings", "null", NoText), Refused("token_healing", "false", NoText),
        Refused("encoder_repetition_penalty", "1", NoText), Refused("encoder_no_repeat_ngram_size", "0", NoText),
        Refused("forced_decoder_ids", "null", "give decoder_input_ids in its place"),
        Refused("watermarking_config", "null", "no watermark is put into codes"),
        Refused("top_h", "null", "this way of sampling is not there; take min_p or typical_p"),
        Warned("renormalize_logits", "false", "it moves a row's scores alike, which changes no id"),
        Warned("remove_invalid_values", "false", "a logit that is not finite is an error here"),
        .. Passed(OfBeams, "early_stopping", "length_penalty", "low_memory"),
        .. Passed(OfAssistant, "is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold",
            "max_matching_ngram_size", "assistant_lookbehind", "target_lookbehind", "assistant_ensemble_weight", "speculation_type"),
        .. Passed(OfMemory, "use_cache", "cache_implementation", "cache_config", "max_cache_len", "return_legacy_cache", "compile_config", "disable_compile",
            "prefill_chunk_size", "continuous_batching_config"),
        .. Passed("GenerateOutputs gives all there is", "return_dict_in_generate"),
        .. Passed("the first row is made of bos_token_id", "decoder_start_token_id"),
        .. Passed("arguments of a call are no settings", "generation_kwargs", "encoder_outputs", "logits_processor"),
        .. Passed(OfFile, "sep_token_id", "prefix", "_from_model_config", "_commit_hash", "_original_object_hash", "transformers_version"),
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<GenerationKey> All { get; } =
        [.. FieldList.Of(f => new GenerationConfig(new GenerationConfig(), f)).Select(f => new GenerationKey(f.Key, GenerationKeyUse.Used)), .. Others];

    /// <summary>Says what is wrong with a file's other keys; those that are used have been read.</summary>
    internal static void Check(ObjectReader file)
    {
        foreach (GenerationKey key in Others)
        {
            if (file.GetNotNull(key.Name) is not { } value || key.Use == GenerationKeyUse.Passed || IsNeutral(value, key.Neutral))
                continue;
            string message = $"{key.Why}; only {key.Neutral} is possible here";
            if (key.Use == GenerationKeyUse.Refused)
                file.Error(ProblemIds.UnsupportedValue, key.Name, message);
            else
                file.Problems.Warning(ProblemIds.NoEffect, value.Position, $"{key.Name} has no effect: {key.Why}");
        }
    }

    private static bool IsNeutral(JsonValue value, string neutral) => value.Kind switch
    {
        JsonKind.Boolean => neutral == (value.Boolean ? "true" : "false"),
        JsonKind.Number => value.Text == neutral || value.Text == neutral + ".0",
        _ => false,
    };

    private static GenerationKey Refused(string name, string neutral, string why) => new(name, GenerationKeyUse.Refused, neutral, why);

    private static GenerationKey Warned(string name, string neutral, string why) => new(name, GenerationKeyUse.Warned, neutral, why);

    private static IEnumerable<GenerationKey> Passed(string why, params string[] names) =>
        names.Select(name => new GenerationKey(name, GenerationKeyUse.Passed, Why: why));
}
