namespace Dia.Cli.Options;

/// <summary>The options of `dia generate` alone. Most are keys of a generation_config.json, and are read as these are.</summary>
internal static class GenerateOptions
{
    public static readonly OptionSpec<bool> Sample = Flag("--sample", "Draw, also where the checkpoint says to take the best id.");
    public static readonly OptionSpec<bool> Scores = Flag("--scores", "Write the scores that each row was picked from.");
    public static readonly OptionSpec<bool> Logits = Flag("--logits", "Write the model's logits of each row.");

    private static readonly OptionSpec<Setting> MaxTokens = Of("--max-tokens", "max_new_tokens", "N",
        "Rows to generate at most (the reference's max_new_tokens).", "a whole number from 1 to 2147483647");

    private static readonly OptionSpec<Setting>[] Controls =
    [
        Of("--min-new-tokens", "min_new_tokens", "N", "Rows to generate at least.", "a whole number from 0 to 2147483647"),
        Of("--min-length", "min_length", "N", "Rows in all, the prompt's too, at least.", "a whole number from 0 to 2147483647"),
        Of("--repetition-penalty", "repetition_penalty", "X", "Scores of ids that a channel has are divided by X, or multiplied where negative; 1: not.",
            "a number above 0"),
        Of("--no-repeat-ngram-size", "no_repeat_ngram_size", "N", "A run of N ids comes once in a channel; 0: as often as it likes.",
            "a whole number from 0 to 2147483647"),
        Of("--bad-words-ids", "bad_words_ids", "JSON", "Sequences of ids that no channel gets: [[5], [23, 4]].", "a list of lists of ids in JSON"),
        Of("--suppress-tokens", "suppress_tokens", "JSON", "Ids that are never given: [3, 9].", "a list of ids in JSON"),
        Of("--begin-suppress-tokens", "begin_suppress_tokens", "JSON", "Ids that the first row does not get.", "a list of ids in JSON"),
        Of("--exponential-decay-length-penalty", "exponential_decay_length_penalty", "START,FACTOR",
            "After START rows EOS gains its magnitude times FACTOR^n - 1.", "START,FACTOR: a whole number from 0 and a number above 0", "[{0}]"),
        Of("--forced-eos-token-id", "forced_eos_token_id", "N", "The only id of the last row there may be.", "an id"),
        Of("--min-p", "min_p", "X", "Drawing: leave out ids less likely than X times the likeliest; 0: none.", "a number from 0 to 1"),
        Of("--typical-p", "typical_p", "X", "Drawing: keep the most typical ids that together have this probability; 1: all.",
            "a number above 0, at most 1"),
        Of("--max-time", "max_time", "SECONDS", "The step that passes this time is the last.", "a number of seconds from 0"),
        Of("--num-return-sequences", "num_return_sequences", "N", "So many sequences of each text; more than one only where they are drawn.",
            "a whole number from 1 to 2147483647"),
    ];

    /// <summary>How to draw.</summary>
    public static OptionGroup SamplingGroup { get; } = new(
        "Sampling (an option goes before the checkpoint's generation_config.json, that before the reference's defaults: no drawing, no guidance, top_k 50)",
        [DiaOptions.Temperature, DiaOptions.TopP, DiaOptions.TopK, DiaOptions.CfgScale, MaxTokens, DiaOptions.Seed, DiaOptions.Greedy, Sample])
        { ShowsDefaults = false };

    /// <summary>What else decides about rows.</summary>
    public static OptionGroup ControlsGroup { get; } = new("Controls (of each channel's own ids; generation_config.json has them too)", Controls);

    /// <summary>What the options make of a checkpoint's configuration.</summary>
    /// <exception cref="DiaException">Usage.</exception>
    public static GenerationConfig Read(CommandLine line, GenerationConfig checkpoint)
    {
        if (line.Has(DiaOptions.Greedy) && line.Has(Sample))
            throw CommandLine.Usage($"{DiaOptions.Greedy.Name} takes the best id, {Sample.Name} draws: give one of them.");
        int? topK = line.GetValue(DiaOptions.TopK);
        double? guidance = line.GetValue(DiaOptions.CfgScale);
        GenerationConfig config = checkpoint with
        {
            Temperature = line.GetValue(DiaOptions.Temperature) ?? checkpoint.Temperature,
            TopP = line.GetValue(DiaOptions.TopP) ?? checkpoint.TopP,
            TopK = topK is null ? checkpoint.TopK : topK == 0 ? null : topK,
            GuidanceScale = guidance is null ? checkpoint.GuidanceScale : guidance == 1 ? null : guidance,
            DoSample = line.Has(Sample) || (checkpoint.DoSample && !line.Has(DiaOptions.Greedy)),
            Seed = line.GetValue(DiaOptions.Seed)?.Value ?? SpeechOptions.RandomSeed(),
            OutputScores = line.Has(Scores),
            OutputLogits = line.Has(Logits),
            OutputHiddenStates = line.Has(DiaOptions.HiddenStates),
            OutputAttentions = line.Has(DiaOptions.Attentions),
        };
        foreach (OptionSpec<Setting> option in Controls.Append(MaxTokens))
            if (line.GetValue(option) is { } setting)
                config = GenerationConfigParser.With(config, setting.Key, setting.Json).Config!;
        return config;
    }

    private static OptionSpec<Setting> Of(string name, string key, string value, string help, string range, string json = "{0}") =>
        new(name, null, value, help, range, (string text, out Setting setting) =>
        {
            setting = new Setting(key, string.Format(CultureInfo.InvariantCulture, json, text));
            return text != "null" && GenerationConfigParser.With(new GenerationConfig(), setting.Key, setting.Json).Config is not null;
        });

    private static OptionSpec<bool> Flag(string name, string help) =>
        new(name, null, null, help, "1 or 0 (also true or false, yes or no, on or off)", Parsers.Flag);

    /// <summary>A key of a generation_config.json and what it says.</summary>
    private readonly record struct Setting(string Key, string Json);
}
