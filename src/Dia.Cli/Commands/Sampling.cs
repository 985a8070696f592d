using System.Runtime.InteropServices;
using Dia.Cli.Options;
using Dia.Configuration;
using Dia.Generation;

namespace Dia.Cli.Commands;

/// <summary>How to generate: an option beats generation_config.json, which beats the released model's values.</summary>
internal static partial class Sampling
{
    private const double DefaultTemperature = 1.2;
    private const double DefaultTopP = 0.95;
    private const int DefaultTopK = 45;
    private const double DefaultGuidance = 3.0;

    /// <summary>The configuration of a generation.</summary>
    /// <param name="line">The options.</param>
    /// <param name="model">The model.</param>
    /// <param name="promptRows">Rows of the prompt, BOS included.</param>
    /// <exception cref="DiaException">Usage: --max-tokens is out of the model's range.</exception>
    public static GenerationConfig Resolve(CommandLine line, DiaForConditionalGeneration model, int promptRows)
    {
        GenerationConfig file = model.GenerationConfig();
        // The settings do not tell a missing key from the reference's default, which is not the command's.
        T Pick<T>(OptionSpec<T> option, string key, T fromFile, T otherwise)
            where T : notnull => line.TryGet(option, out T given) ? given : model.GenerationKeys.Contains(key) ? fromFile : otherwise;

        double guidance = Pick(DiaOptions.CfgScale, "guidance_scale", file.GuidanceScale ?? 1, DefaultGuidance);
        int topK = Pick(DiaOptions.TopK, "top_k", file.TopK ?? 0, DefaultTopK);
        int? maxTokens = line.TryGet(DiaOptions.MaxTokens, out int given) ? given : file.MaxNewTokens;
        int maxLength = model.GenerationKeys.Contains("max_length") ? file.MaxLength : model.Config.DecoderConfig.MaxPositionEmbeddings;
        CheckLength(line, model, promptRows, maxTokens, maxLength);
        return file with
        {
            Temperature = Pick(DiaOptions.Temperature, "temperature", file.Temperature, DefaultTemperature),
            TopP = Pick(DiaOptions.TopP, "top_p", file.TopP, DefaultTopP),
            TopK = topK == 0 ? null : topK,
            GuidanceScale = guidance == 1 ? null : guidance,
            DoSample = !line.Has(DiaOptions.Greedy) && (!model.GenerationKeys.Contains("do_sample") || file.DoSample),
            MaxNewTokens = maxTokens,
            MaxLength = maxLength,
            Seed = line.TryGet(DiaOptions.Seed, out Seed seed) && seed.Value is ulong number ? number : RandomSeed(),
        };
    }

    /// <summary>Rows at which the generation ends, the prompt's included.</summary>
    public static int RowLimit(GenerationConfig config, int promptRows) =>
        config.MaxNewTokens is int count ? promptRows + count : config.MaxLength + config.DelayPattern.Max();

    /// <summary>Fewer rows than the delay needs give no audio, and more than the plan holds do not fit.</summary>
    private static void CheckLength(CommandLine line, DiaForConditionalGeneration model, int promptRows, int? maxTokens, int maxLength)
    {
        int delay = model.Config.DelayPattern.Max(), lowest = delay + 2, highest = model.RowCapacity - promptRows;
        if (highest < lowest)
            throw new DiaException(DiaErrorKind.Input, $"the voice prompt has {promptRows - 1} frames; the model holds {model.RowCapacity} rows, of which at least {lowest} must be left. Shorten the prompt.");
        long rows = maxTokens ?? (long)maxLength + delay - promptRows;
        if (rows >= lowest && rows <= highest)
            return;
        throw CommandLine.Usage(line.TryGet(DiaOptions.MaxTokens, out _)
            ? $"{DiaOptions.MaxTokens.Name} is {rows}; it must be a whole number from {lowest} (the largest delay plus 2) to {highest} (what the model holds{(promptRows > 1 ? " after the prompt" : "")})."
            : $"the checkpoint's length limit allows {rows} new rows here, but it must be from {lowest} to {highest}: set {DiaOptions.MaxTokens.Name}.");
    }

    /// <summary>
    /// Short enough to be typed again. Chance is asked for, not secrecy: .NET's cryptography would load OpenSSL, which not every system has.
    /// </summary>
    public static unsafe ulong RandomSeed()
    {
        uint seed;
        if (GetRandom(&seed, sizeof(uint), 0) != sizeof(uint))
            seed = (uint)Random.Shared.Next(); // A sandbox that forbids the system call.
        return seed & int.MaxValue;
    }

    [LibraryImport("libc", EntryPoint = "getrandom")]
    private static unsafe partial nint GetRandom(void* buffer, nuint length, uint flags);
}
