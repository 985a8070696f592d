namespace Dia.Configuration;

/// <summary>
/// How rows are generated. The defaults are the reference library's general ones (greedy, no guidance), which hold for every key
/// that a generation_config.json leaves out; the token ids and the delay pattern are those of the released model.
/// </summary>
public sealed partial record GenerationConfig
{
    /// <summary>The reference's general defaults.</summary>
    public GenerationConfig()
    {
    }

    /// <summary>Classifier-free guidance scale, at least 1; null or 1 runs without guidance.</summary>
    public double? GuidanceScale { get; init; }

    /// <summary>What scores are divided by, greater than 0.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>How many ids per channel stay candidates, at least 1 (more than the vocabulary means all); null: no such limit.</summary>
    public int? TopK { get; init; } = 50;

    /// <summary>The probability mass that sampling keeps, in (0, 1].</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Draw from the distribution; false takes the best id.</summary>
    public bool DoSample { get; init; }

    /// <summary>Rows in all, prompt included and the delay's rows not counted. Used where <see cref="MaxNewTokens"/> is null.</summary>
    public int MaxLength { get; init; } = 20;

    /// <summary>Rows to generate at most, the delay's rows included; null: <see cref="MaxLength"/> decides.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>Seconds after which the step that is under way is the last, at least 0; null: as many as it takes.</summary>
    public double? MaxTime { get; init; }

    /// <summary>Sequences of each item, at least 1; more than one only where they are drawn.</summary>
    public int NumReturnSequences { get; init; } = 1;

    /// <summary>Seed of the draw.</summary>
    public ulong Seed { get; init; }

    /// <summary>The id that begins a channel.</summary>
    public int BosTokenId { get; init; } = 1026;

    /// <summary>The id that ends a channel; the ids below it are codes.</summary>
    public int EosTokenId { get; init; } = 1024;

    /// <summary>The id where a channel has nothing: after its end, or not yet known.</summary>
    public int PadTokenId { get; init; } = 1025;

    /// <summary>By how many rows each channel is delayed; its length is the number of channels.</summary>
    public IReadOnlyList<int> DelayPattern { get; init; } = [0, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>Whether a second row without the text is run.</summary>
    public bool UsesGuidance => GuidanceScale is not null and not 1;

    /// <summary>Whether the model is one of the first generation, which chooses ids in its own way.</summary>
    internal bool IsFirstGeneration { get; init; }

    internal int Channels => DelayPattern.Count;

    internal int MaxDelay => DelayPattern.Max();

    /// <summary>Checks every value against its range and against the model's vocabulary.</summary>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <exception cref="DiaException">A value is out of its range (<see cref="DiaErrorKind.Usage"/>).</exception>
    public void Validate(int vocabularySize)
    {
        // Written so that NaN fails every condition.
        Check(GuidanceScale is null or (>= 1 and <= float.MaxValue), "guidance_scale", GuidanceScale, "at least 1 (1 turns guidance off)");
        Check(float.IsNormal((float)Temperature)
            && Temperature > 0, "temperature", Temperature, "greater than 0 (for the best id every time, turn sampling off)");
        Check(TopK is null or >= 1, "top_k", TopK, "at least 1 (null keeps all ids)");
        Check(TopP is > 0 and <= 1, "top_p", TopP, "greater than 0 and at most 1");
        Check(MaxLength >= 1, "max_length", MaxLength, "at least 1");
        Check(MaxNewTokens is null or >= 1, "max_new_tokens", MaxNewTokens, "at least 1");
        Check(MaxTime is null or (>= 0 and <= float.MaxValue), "max_time", MaxTime, "at least 0 seconds");
        Check(NumReturnSequences >= 1, "num_return_sequences", NumReturnSequences, "at least 1");
        Check(NumReturnSequences == 1 || DoSample, "num_return_sequences", NumReturnSequences, "1 without sampling, which would give equal sequences");
        CheckControls(vocabularySize);
        CheckId(BosTokenId, 0, "bos_token_id", vocabularySize);
        CheckId(EosTokenId, 1, "eos_token_id", vocabularySize);
        CheckId(PadTokenId, 0, "pad_token_id", vocabularySize);
        Check(DelayPattern is not null, "delay_pattern", null, "a list with a delay for each channel");
        Check(DelayPattern!.Count > 0, "delay_pattern's length", DelayPattern.Count, "at least 1");
        foreach (int delay in DelayPattern)
            Check(delay is >= 0 and <= DiaConfig.MaxDelay, "a delay of delay_pattern", delay, Text($"from 0 to {DiaConfig.MaxDelay}"));
    }

    /// <summary>Checks it against a model, and makes a copy that nobody can change while it is used.</summary>
    /// <param name="model">The model.</param>
    /// <exception cref="DiaException">Usage: a value is out of its range, or there is not a delay for each channel of the model.</exception>
    internal GenerationConfig CopyFor(DiaConfig model)
    {
        GenerationConfig copy = this with { DelayPattern = DelayPattern is null ? null! : [.. DelayPattern], IsFirstGeneration = model.IsFirstGeneration };
        copy.Validate(model.DecoderConfig.VocabSize);
        if (copy.Channels != model.DecoderConfig.NumChannels)
        {
            throw new DiaException(
                DiaErrorKind.Usage,
                Text($"delay_pattern has {copy.Channels} channels, the model {model.DecoderConfig.NumChannels}: start from the model's own generation configuration."));
        }

        return copy;
    }

    /// <summary>The same with a model's token ids and delays.</summary>
    internal GenerationConfig WithTokensOf(DiaConfig model) => this with
    {
        BosTokenId = model.BosTokenId,
        EosTokenId = model.EosTokenId,
        PadTokenId = model.PadTokenId,
        DelayPattern = model.DelayPattern,
        IsFirstGeneration = model.IsFirstGeneration,
    };

    /// <summary>Rows at which every item ends, prompt rows (and their left padding) included. The first generation counts all but the BOS row.</summary>
    public long RowLimit(int promptRows) => MaxNewTokens is int n ? (long)promptRows + n
        : IsFirstGeneration ? MaxLength + 1L : (long)MaxLength + MaxDelay;

    /// <summary>The same, checked.</summary>
    /// <param name="promptRows">Rows of the prompt, left padding included.</param>
    /// <param name="rowCapacity">Rows that there may be.</param>
    /// <exception cref="DiaException">The prompt leaves no row to generate, or there may not be as many rows.</exception>
    internal int RowLimit(int promptRows, int rowCapacity)
    {
        long limit = RowLimit(promptRows);
        string source = MaxNewTokens is null
            ? Text($"max_length {MaxLength} and the delay of {MaxDelay}") : Text($"{promptRows} prompt rows and max_new_tokens {MaxNewTokens}");
        if (limit <= promptRows)
            throw new DiaException(DiaErrorKind.Usage,
                Text($"The prompt has {promptRows} rows, but {source} allow {limit}: nothing would be generated. Raise max_length or set max_new_tokens."));
        if (limit > rowCapacity)
            throw new DiaException(DiaErrorKind.Usage,
                Text($"Generation could need {limit} rows ({source}), but at most {rowCapacity} are possible here. Lower max_length or max_new_tokens, or shorten the voice prompt."));
        return (int)limit;
    }

    private static void CheckId(int id, int lowest, string name, int vocabularySize) =>
        Check(id >= lowest && id < vocabularySize, name, id, Text($"from {lowest} to {vocabularySize - 1}, the last id of the vocabulary"));

    private static void Check(bool holds, string name, object? value, string range)
    {
        if (!holds)
            throw new DiaException(DiaErrorKind.Usage, Text($"{name} is {value}; it must be {range}."));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
