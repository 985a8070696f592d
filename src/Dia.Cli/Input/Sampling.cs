using Dia.Cli.Options;

namespace Dia.Cli.Input;

/// <summary>How to generate: an option beats generation_config.json, which beats the released model's values.</summary>
internal static class Sampling
{
    /// <summary>What the options say of speaking a text.</summary>
    public static SpeechOptions Read(CommandLine line) => new()
    {
        KeepVoice = line.Has(DiaOptions.KeepPrompt),
        Trim = line.Has(DiaOptions.Trim),
        Splitting = line.Has(DiaOptions.Split) ? ScriptSplitting.Always
            : line.Has(DiaOptions.Truncate) ? ScriptSplitting.Truncate
            : line.Has(DiaOptions.NoSplit) || line.Has(DiaOptions.RawText) || line.Get(DiaOptions.PromptCodes) is not null ? ScriptSplitting.Never
            : ScriptSplitting.WhereTooLong,
        Speed = line.GetValue(DiaOptions.Speed) ?? 1,
        Retries = line.GetValue(DiaOptions.Retries) ?? 0,
        Temperature = line.GetValue(DiaOptions.Temperature),
        TopP = line.GetValue(DiaOptions.TopP),
        TopK = line.GetValue(DiaOptions.TopK),
        GuidanceScale = line.GetValue(DiaOptions.CfgScale),
        MaxNewTokens = line.GetValue(DiaOptions.MaxTokens),
        Greedy = line.Has(DiaOptions.Greedy),
        // One seed for all that is spoken without its own: the run can be repeated with it.
        Seed = line.GetValue(DiaOptions.Seed)?.Value ?? SpeechOptions.RandomSeed(),
    };

    /// <summary>The configuration of a generation. Fewer rows than the delay needs give no audio, and more than the plan holds do not fit.</summary>
    /// <param name="line">The options.</param>
    /// <param name="options">What they say.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="DiaException">Usage: --max-tokens is out of the model's range, or --retries where nothing is drawn. Input: the voice leaves no room.</exception>
    public static GenerationConfig Resolve(CommandLine line, SpeechOptions options, DiaForConditionalGeneration model)
    {
        GenerationConfig config = options.Generation(model);
        if (options.Retries > 0 && !config.DoSample)
            throw CommandLine.Usage($"{DiaOptions.Retries.Name} draws with another seed, and {(options.Greedy ? "greedy does not draw" : "the checkpoint's generation_config.json says not to draw")}.");
        int promptRows = 1 + (options.Voice?.Codes.GetLength(0) ?? 0), lowest = config.DelayPattern.Max() + 2, highest = model.RowCapacity - promptRows;
        if (highest < lowest)
            throw new DiaException(DiaErrorKind.Input,
                $"the voice prompt has {promptRows - 1} frames; the model holds {model.RowCapacity} rows, of which at least {lowest} must be left. Shorten the prompt.");
        long rows = config.RowLimit(promptRows) - promptRows;
        if (rows >= lowest && rows <= highest)
            return config;
        throw CommandLine.Usage(options.MaxNewTokens is not null
            ? $"{DiaOptions.MaxTokens.Name} is {rows}; it must be a whole number from {lowest} (the largest delay plus 2) to {highest} (what the model holds{(promptRows > 1 ? " after the prompt" : "")})."
            : $"the checkpoint's length limit allows {rows} new rows here, but it must be from {lowest} to {highest}: set {DiaOptions.MaxTokens.Name}.");
    }
}
