namespace Dia.Configuration;

/// <summary>What a generation_config.json states, each key once: read and written by it.</summary>
public sealed partial record GenerationConfig
{
    private static readonly FieldType<int> Count = FieldType.Integer(1, int.MaxValue);
    private static readonly FieldType<double> AnyNumber = FieldType.Number(_ => true, "a number");
    private static readonly FieldType<double> Positive = FieldType.Number(x => x > 0, "a number above 0");
    private static readonly FieldType<double> Cutoff = FieldType.Number(x => x is >= 0 and < 1, "a number from 0, below 1");

    private static readonly FieldType<EquatableArray<int>> Ids = new("a list of ids", v => v.Kind == JsonKind.Array,
        FormattableString.Invariant($"of one id or more, each from 0 to {int.MaxValue}"), ReadIds);

    private static readonly FieldType<BiasedSequence> Biased = new("a list of two, ids and a bias", v => v is { Kind: JsonKind.Array, Items.Count: 2 },
        "a list of ids and a number", v =>
            ReadIds(v.Items[0]) is { } ids && ReadNumber(v.Items[1]) is double bias ? new BiasedSequence(ids, bias) : null);

    private static readonly FieldType<ExponentialDecay> Decay = new("a list of two, a start and a factor", v => v is { Kind: JsonKind.Array, Items.Count: 2 },
        "a whole number from 0 and a number above 0", v => v.Items[0].IsInteger && FieldType.Id.Read(v.Items[0]) is int start
            && ReadNumber(v.Items[1]) is > 0 and double factor ? new ExponentialDecay(start, factor) : null);

    internal GenerationConfig(GenerationConfig c, Fields f)
    {
        (Seed, DelayPattern, IsFirstGeneration) = (c.Seed, c.DelayPattern, c.IsFirstGeneration);
        MaxLength = f.Optional("max_length", c.MaxLength, Count) ?? c.MaxLength;
        MaxNewTokens = f.Optional("max_new_tokens", c.MaxNewTokens, Count);
        MaxTime = f.Optional("max_time", c.MaxTime, FieldType.NotNegative);
        DoSample = f.Optional("do_sample", c.DoSample, FieldType.Boolean) ?? c.DoSample;
        GuidanceScale = f.Optional("guidance_scale", c.GuidanceScale, FieldType.Number(x => x >= 1, "a number from 1 (1 turns guidance off)"));
        Temperature = f.Optional("temperature", c.Temperature, Positive) ?? c.Temperature;
        TopK = f.Optional("top_k", c.TopK, FieldType.Id);
        TopP = f.Optional("top_p", c.TopP, FieldType.Fraction) ?? c.TopP;
        MinP = f.Optional("min_p", c.MinP, FieldType.Fraction);
        TypicalP = f.Optional("typical_p", c.TypicalP, FieldType.Number(x => x is > 0 and <= 1, "a number above 0, at most 1")) ?? c.TypicalP;
        EpsilonCutoff = f.Optional("epsilon_cutoff", c.EpsilonCutoff, Cutoff) ?? c.EpsilonCutoff;
        EtaCutoff = f.Optional("eta_cutoff", c.EtaCutoff, Cutoff) ?? c.EtaCutoff;
        MinLength = f.Optional("min_length", c.MinLength, FieldType.Id) ?? c.MinLength;
        MinNewTokens = f.Optional("min_new_tokens", c.MinNewTokens, FieldType.Id);
        RepetitionPenalty = f.Optional("repetition_penalty", c.RepetitionPenalty, Positive) ?? c.RepetitionPenalty;
        NoRepeatNgramSize = f.Optional("no_repeat_ngram_size", c.NoRepeatNgramSize, FieldType.Id) ?? c.NoRepeatNgramSize;
        BadWordsIds = List(f, "bad_words_ids", c.BadWordsIds, Ids);
        SequenceBias = List(f, "sequence_bias", c.SequenceBias, Biased);
        SuppressTokens = List(f, "suppress_tokens", c.SuppressTokens, FieldType.Id);
        BeginSuppressTokens = List(f, "begin_suppress_tokens", c.BeginSuppressTokens, FieldType.Id);
        ExponentialDecayLengthPenalty = f.Optional("exponential_decay_length_penalty", c.ExponentialDecayLengthPenalty, Decay);
        ForcedBosTokenId = f.Optional("forced_bos_token_id", c.ForcedBosTokenId, FieldType.Id);
        ForcedEosTokenId = OneOrMore(f, "forced_eos_token_id", c.ForcedEosTokenId);
        NumReturnSequences = f.Optional("num_return_sequences", c.NumReturnSequences, Count) ?? c.NumReturnSequences;
        OutputScores = f.Optional("output_scores", c.OutputScores, FieldType.Boolean) ?? c.OutputScores;
        OutputLogits = f.Optional("output_logits", c.OutputLogits, FieldType.Boolean) ?? c.OutputLogits;
        OutputHiddenStates = f.Optional("output_hidden_states", c.OutputHiddenStates, FieldType.Boolean) ?? c.OutputHiddenStates;
        OutputAttentions = f.Optional("output_attentions", c.OutputAttentions, FieldType.Boolean) ?? c.OutputAttentions;
        BosTokenId = f.Optional("bos_token_id", c.BosTokenId, FieldType.Id) ?? c.BosTokenId;
        PadTokenId = f.Optional("pad_token_id", c.PadTokenId, FieldType.Id) ?? c.PadTokenId;

        // The reference knows several that end a text; a channel of Dia has the first.
        EosTokenId = OneOrMore(f, "eos_token_id", [c.EosTokenId]) is [int eos, ..] ? eos : c.EosTokenId;
    }

    /// <summary>
    /// A generation_config.json as the reference writes it: sorted keys, the token ids and what differs from the general defaults. A seed and delays are
    /// none of its keys.
    /// </summary>
    public string ToJson()
    {
        Dictionary<string, string> defaults = FieldList.Of(f => new GenerationConfig(new GenerationConfig(), f)).ToDictionary(f => f.Key, f => f.Text);
        IEnumerable<Field> stated = FieldList.Of(f => new GenerationConfig(this, f))
            .Where(f => f.Key is "bos_token_id" or "eos_token_id" or "pad_token_id" || f.Text != defaults[f.Key])
            .OrderBy(f => f.Key, StringComparer.Ordinal);
        return $"{{\n{string.Join(",\n", stated.Select(f => $"  \"{f.Key}\": {CanonicalJson.Value(f)}"))}\n}}\n";
    }

    /// <summary>A list that may be null in a file.</summary>
    private static EquatableArray<T> List<T>(Fields f, string key, EquatableArray<T> value, FieldType<T> type)
        where T : struct, IEquatable<T> => f.File is { } file && file.GetNotNull(key) is null ? value : f.List(key, value, type);

    /// <summary>A list of ids that may be one id in a file, and is written as one where it is.</summary>
    private static EquatableArray<int> OneOrMore(Fields f, string key, EquatableArray<int> value)
    {
        if (f.File is { } file ? file.GetNotNull(key) is not { Kind: JsonKind.Array } : value.Length <= 1)
            return f.Optional(key, value is [int only] ? only : null, FieldType.Id) is int id ? [id] : value.Length > 1 ? value : [];
        return f.List(key, value, FieldType.Id);
    }

    private static EquatableArray<int>? ReadIds(JsonValue list)
    {
        int?[] ids = [.. list.Items.Select(v => v.IsInteger ? FieldType.Id.Read(v) : null)];
        if (ids.Length == 0 || ids.Contains(null))
            return null;
        return new EquatableArray<int>(Array.ConvertAll(ids, id => id.GetValueOrDefault()));
    }

    private static double? ReadNumber(JsonValue value) => value.Kind == JsonKind.Number ? AnyNumber.Read(value) : null;
}
