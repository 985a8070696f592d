namespace Dia.Configuration;

/// <summary>
/// Keys that any configuration of the reference may carry (Transformers 4.56.2 and 5.24.0, <c>PretrainedConfig</c>): they say nothing
/// about what is computed here, so they pass whatever they hold; but for a few switches.
/// </summary>
internal static class GeneralKeys
{
    private static readonly HashSet<string> Keys = new(StringComparer.Ordinal)
    {
        // Of the file and the model class.
        "_name_or_path", "name_or_path", "_commit_hash", "architectures", "auto_map", "custom_pipelines", "dtype", "torch_dtype", "model_type",
        "transformers_version", "_auto_class", "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset",
        "attn_implementation", "_pre_quantization_dtype", "quantization_config", "base_model_tp_plan", "base_model_pp_plan", "sub_configs",
        "is_composition", "keys_to_ignore_at_inference", "attribute_map", "base_config_key", "has_no_defaults_at_init", "compression_config",
        "adapter_kwargs", "_experts_implementation", "device_map", "gradient_checkpointing",

        // Of the base class.
        "return_dict", "use_return_dict", "output_hidden_states", "output_attentions", "_output_attentions", "torchscript", "use_bfloat16",
        "tf_legacy_loss", "pruned_heads", "tie_word_embeddings", "chunk_size_feed_forward", "is_encoder_decoder", "is_decoder",
        "cross_attention_hidden_size", "add_cross_attention", "tie_encoder_decoder", "use_cache",

        // Of fine-tuning and tokenizers.
        "finetuning_task", "id2label", "label2id", "num_labels", "task_specific_params", "problem_type", "tokenizer_class", "prefix",
        "bos_token_id", "pad_token_id", "eos_token_id", "sep_token_id", "decoder_start_token_id",

        // Of generation: model configurations carried them before generation_config.json did.
        "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k",
        "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids",
        "num_return_sequences", "output_scores", "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id",
        "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens",
    };

    public static bool Contains(string key) => Keys.Contains(key);

    /// <summary>
    /// Reports the general keys that would make the reference compute something else with the same weights. <c>tie_word_embeddings</c> is
    /// none of them: a Dia model has nothing that the reference would tie.
    /// </summary>
    /// <param name="file">The object.</param>
    /// <param name="mayBeQuantized">Whether it is one whose <c>quantization_config</c> is read with the weights.</param>
    public static void CheckSwitches(ObjectReader file, bool mayBeQuantized = false)
    {
        foreach (string key in new[] { "quantization_config", "compression_config" })
            if (file.GetNotNull(key) is { } quantization && !(mayBeQuantized && key == "quantization_config"))
                file.Error(ProblemIds.UnsupportedValue, key,
                    $"the weights are quantised{Method(quantization)}, which is not supported; take the checkpoint that they were made from");
        if (file.GetNotNull("tie_encoder_decoder") is { Kind: JsonKind.Boolean, Boolean: true })
            file.Error(ProblemIds.UnsupportedValue, "tie_encoder_decoder", "encoder and decoder share no weights here; only false is supported");
        if (file.GetNotNull("pruned_heads") is { Members.Count: > 0 })
            file.Error(ProblemIds.UnsupportedValue, "pruned_heads", "attention without some of its heads is not supported; only {} is");
    }

    private static string Method(JsonValue quantization) =>
        quantization.Members.FirstOrDefault(m => m.Key == "quant_method") is { Value.Kind: JsonKind.String } method
            ? $" ({JsonValue.Quote(method.Value.Text)})" : "";
}
