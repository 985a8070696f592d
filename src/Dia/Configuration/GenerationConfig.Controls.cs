namespace Dia.Configuration;

/// <summary>Ids that score more, or less, where they would complete a sequence.</summary>
/// <param name="Ids">The sequence of a channel's ids; the last one's score changes where those before it are the channel's latest.</param>
/// <param name="Bias">What is added to the score.</param>
public readonly record struct BiasedSequence(EquatableArray<int> Ids, double Bias)
{
    /// <summary>As JSON has it.</summary>
    public override string ToString() => FormattableString.Invariant($"[[{string.Join(", ", Ids)}], {Bias:R}]");
}

/// <summary>By what EOS becomes likelier, row after row.</summary>
/// <param name="Start">Generated rows before it begins.</param>
/// <param name="Factor">The base of its growth.</param>
public readonly record struct ExponentialDecay(int Start, double Factor)
{
    /// <summary>As JSON has it.</summary>
    public override string ToString() => FormattableString.Invariant($"[{Start}, {Factor:R}]");
}

/// <summary>The controls of the reference's general <c>generate</c>. Each applies to each channel's own ids, prompt included.</summary>
public sealed partial record GenerationConfig
{
    /// <summary>
    /// Rows in all, prompt and left padding included, before which EOS is out of reach; 0: none. Not where <see cref="MinNewTokens"/> is set.
    /// </summary>
    public int MinLength { get; init; }

    /// <summary>Generated rows before which EOS is out of reach.</summary>
    public int? MinNewTokens { get; init; }

    /// <summary>What the scores of ids that the channel already has are divided by where positive, else multiplied by; greater than 0, 1: nothing.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Length of the runs of ids that a channel may have only once; 0: any.</summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>Sequences of ids that no channel may have. EOS alone is passed over, as in the reference.</summary>
    public EquatableArray<EquatableArray<int>> BadWordsIds { get; init; }

    /// <summary>Sequences whose last id scores more or less.</summary>
    public EquatableArray<BiasedSequence> SequenceBias { get; init; }

    /// <summary>Ids that are never given.</summary>
    public EquatableArray<int> SuppressTokens { get; init; }

    /// <summary>Ids that are not given in the first generated row.</summary>
    public EquatableArray<int> BeginSuppressTokens { get; init; }

    /// <summary>Growth of EOS's score: its magnitude times factor^n − 1 is added, n rows after the start.</summary>
    public ExponentialDecay? ExponentialDecayLengthPenalty { get; init; }

    /// <summary>The only id of the first generated row, where the prompt is one row.</summary>
    public int? ForcedBosTokenId { get; init; }

    /// <summary>The only ids of the last row that there may be.</summary>
    public EquatableArray<int> ForcedEosTokenId { get; init; }

    /// <summary>Sampling: ids less likely than this part of the likeliest go; from 0 to 1; null or 0: none.</summary>
    public double? MinP { get; init; }

    /// <summary>Sampling: the probability mass of the ids kept whose surprise is nearest to the expected one; greater than 0, 1: all.</summary>
    public double TypicalP { get; init; } = 1;

    /// <summary>Sampling: ids less likely than this go; from 0 (none), below 1.</summary>
    public double EpsilonCutoff { get; init; }

    /// <summary>Sampling: ids less likely than this, or than √this · exp(−entropy), whichever is less, go; from 0 (none), below 1.</summary>
    public double EtaCutoff { get; init; }

    /// <summary>Whether the result has the scores of each step.</summary>
    public bool OutputScores { get; init; }

    /// <summary>Whether the result has the model's logits of each step.</summary>
    public bool OutputLogits { get; init; }

    /// <summary>Whether the result has the hidden states of the encoder and of each step.</summary>
    public bool OutputHiddenStates { get; init; }

    /// <summary>Whether the result has the attention maps of the encoder and of each step.</summary>
    public bool OutputAttentions { get; init; }

    private void CheckControls(int vocabularySize)
    {
        Check(MinLength >= 0, "min_length", MinLength, "at least 0");
        Check(MinNewTokens is null or >= 0, "min_new_tokens", MinNewTokens, "at least 0");
        Check(float.IsNormal((float)RepetitionPenalty)
            && RepetitionPenalty > 0, "repetition_penalty", RepetitionPenalty, "a float32 greater than 0, from 1.2E-38 to 3.4E+38 (1: none)");
        Check(NoRepeatNgramSize >= 0, "no_repeat_ngram_size", NoRepeatNgramSize, "at least 0");
        Check(ExponentialDecayLengthPenalty is null or { Start: >= 0, Factor: > 0 and <= float.MaxValue }, "exponential_decay_length_penalty",
            ExponentialDecayLengthPenalty, "a start of at least 0 and a factor greater than 0");
        Check(MinP is null or (>= 0 and <= 1), "min_p", MinP, "from 0 to 1");
        Check(TypicalP is > 0 and <= 1, "typical_p", TypicalP, "greater than 0 and at most 1 (off)");
        Check(EpsilonCutoff is >= 0 and < 1, "epsilon_cutoff", EpsilonCutoff, "at least 0 (off) and less than 1");
        Check(EtaCutoff is >= 0 and < 1, "eta_cutoff", EtaCutoff, "at least 0 (off) and less than 1");
        foreach (EquatableArray<int> word in BadWordsIds)
            CheckSequence(word, "bad_words_ids", vocabularySize);
        foreach (BiasedSequence biased in SequenceBias)
        {
            CheckSequence(biased.Ids, "sequence_bias", vocabularySize);
            Check(Math.Abs(biased.Bias) <= float.MaxValue, "a bias of sequence_bias", biased.Bias, "a number that float32 holds");
        }

        CheckIds(SuppressTokens, "suppress_tokens", vocabularySize);
        Check(SuppressTokens.Length == 0 || Enumerable.Range(0, EosTokenId).Except(SuppressTokens).Any(), "suppress_tokens", "every code",
            "fewer ids: none would be left to generate");
        CheckIds(BeginSuppressTokens, "begin_suppress_tokens", vocabularySize);
        CheckIds(ForcedEosTokenId, "forced_eos_token_id", vocabularySize);
        if (ForcedBosTokenId is int forced)
            CheckId(forced, 0, "forced_bos_token_id", vocabularySize);
    }

    private static void CheckSequence(EquatableArray<int> ids, string name, int vocabularySize)
    {
        Check(ids.Length > 0, "a sequence of " + name, "empty", "one id or more");
        CheckIds(ids, name, vocabularySize);
    }

    private static void CheckIds(EquatableArray<int> ids, string name, int vocabularySize)
    {
        foreach (int id in ids)
            CheckId(id, 0, "an id of " + name, vocabularySize);
    }
}
