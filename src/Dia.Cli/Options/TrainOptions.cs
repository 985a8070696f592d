using System.IO.Enumeration;

namespace Dia.Cli.Options;

/// <summary>The options of `dia train`.</summary>
internal static class TrainOptions
{
    private const string Pattern = "a name, * for any characters", WholeFrom1 = "a whole number from 1 to 2147483647";

    public static readonly OptionSpec<string> Data = new("--data", null, "DIR_OR_FILE",
        "What to learn from: a folder of NAME.wav beside NAME.txt, one with a metadata.csv, or a manifest of JSON lines.", "a name that is not empty", Parsers.Text);
    public static readonly OptionSpec<HeldOut> HeldOut = new("--held-out", null, "SHARE|DIR_OR_FILE",
        "The part of the recordings that is held out to measure with (0: none), or other data to measure with, in the forms of --data.",
        "from 0, below 1, or the name of a folder or file", ParseHeldOut) { Default = "0.05" };
    public static readonly OptionSpec<bool> SkipBad = Flag("--skip-bad", "Leave out what cannot be learned from, with a warning for each. Without it that is an error.");
    public static readonly OptionSpec<bool> Check = Flag("--check", "Read all of the data, say what is in it and what is wrong, and train nothing.");

    public static readonly OptionSpec<string> Only =
        new("--only", null, "PATTERN", "Train the weights of this name alone; may be given several times.", Pattern, Parsers.Text)
        { IsRepeatable = true, HasVariable = false };
    public static readonly OptionSpec<string> Freeze =
        new("--freeze", null, "PATTERN", "Leave the weights of this name as they are; may be given several times.", Pattern, Parsers.Text)
        { IsRepeatable = true, HasVariable = false };
    public static readonly OptionSpec<string> Config = new("--config", null, "NAME",
        "Begin with random weights of this compiled configuration in place of a model's; --seed says which.", "a name that is not empty", Parsers.Text);

    public static readonly OptionSpec<int> Lora = new("--lora", null, "RANK",
        "Train a LoRA adapter of this rank beside the weights: a file of megabytes, in a fraction of the memory. 16 does for a voice.",
        Format.Text($"a whole number from 1 to {LoraConfig.MaxRank}"), Parsers.Integer(1, LoraConfig.MaxRank));
    public static readonly OptionSpec<double> LoraAlpha =
        new("--lora-alpha", null, "X", "What the adapter adds is scaled by X over the rank.", "a number above 0", Parsers.Number(x => x > 0)) { Default = "the rank" };
    public static readonly OptionSpec<double> LoraDropout =
        Number("--lora-dropout", "X", "The share of a layer's inputs that the adapter does not see in a step.", "from 0, below 1", x => x is >= 0 and < 1, "0");
    public static readonly OptionSpec<string> Targets = new("--targets", null, "NAME",
        "Give an adapter to the layers of this name: the last part of a weight's before .weight, or all of it with * for any characters; may be given several times. all-linear: to all but the head.",
        "a name that is not empty", Parsers.Text)
        { IsRepeatable = true, HasVariable = false, Default = string.Join(", ", LoraConfig.DefaultTargets) };

    public static readonly OptionSpec<int> Steps = Whole("--steps", "Steps of the optimizer.", null);
    public static readonly OptionSpec<int> Epochs = Whole("--epochs", "In place of --steps: how often everything is learned from.", "3");
    public static readonly OptionSpec<int> Batch = new("--batch", null, "N", "Recordings of a pass. Memory grows with it.",
        Format.Text($"a whole number from 1 to {MemoryPlan.MaxBatch}"), Parsers.Integer(1, MemoryPlan.MaxBatch)) { Default = "4" };
    public static readonly OptionSpec<int> Accumulate = Whole("--accumulate", "Passes of a step: as a larger batch, in the memory of one pass.", "1");
    public static readonly OptionSpec<double> LearningRate =
        Number("--lr", "X", "The learning rate, once it has risen.", "a number from 0", x => x >= 0, "1e-4");
    public static readonly OptionSpec<LearningRateSchedule> Schedule = new("--schedule", null, "NAME",
        "What becomes of it then: cosine (it falls to 0) or constant.", "cosine or constant", ParseSchedule) { Default = "cosine", Choices = ["cosine", "constant"] };
    public static readonly OptionSpec<int> Warmup = new("--warmup", null, "N", "Steps in which the learning rate rises from 0.",
        "a whole number from 0 to 2147483647", Parsers.Integer(0, int.MaxValue)) { Default = "a tenth of the steps, at most 100" };
    public static readonly OptionSpec<double> Clip = Number("--clip", "X", "Gradients of a greater norm are scaled down to it; 0: none.", "a number from 0", x => x >= 0, "1");
    public static readonly OptionSpec<double> WeightDecay =
        Number("--weight-decay", "X", "The part of each weight that goes in a step, times the learning rate.", "a number from 0", x => x >= 0, "0.01");
    public static readonly OptionSpec<double> Unconditional = Number("--unconditional", "SHARE",
        "The part of the texts that is left out, so that the model can be guided.", "from 0 to 1", x => x is >= 0 and <= 1, "0.1");
    public static readonly OptionSpec<Seed> Seed = new("--seed", null, "N", "Same seed, same weights: the order of the recordings, what is left out.",
        "-1 (random) or a whole number from 0 to 18446744073709551615", Parsers.Seed) { Default = "0" };

    public static readonly OptionSpec<WeightFormat> DType = new("--dtype", null, "TYPE",
        "Format of the weights that are written; they are trained in float32.", "bf16 or f32", ParseDType) { Default = "the model's", Choices = ["bf16", "f32"] };
    public static readonly OptionSpec<bool> Resume = Flag("--resume", "Go on with the training that the folder of -o has, if it has one.");
    public static readonly OptionSpec<int> SampleEvery = new("--sample-every", null, "N",
        "Speak a text that is held out into samples/ of the folder, every N steps.", WholeFrom1, Parsers.Integer(1, int.MaxValue));

    public static readonly OptionSpec<string> Log = new("--log", null, "FILE",
        "Where JSON lines say of each step its loss, learning rate, gradients' norm, seconds of sound a second and memory.", "the name of a file, not -",
        Parsers.RealFile) { Default = "training.jsonl in the folder" };
    public static readonly OptionSpec<long> Memory = new("--memory", null, "SIZE",
        "Refuse, before recordings are encoded, what takes more memory than this: 8G, 500M. `dia info --train` says what takes how much.",
        "a number of bytes, or of KiB, MiB or GiB with K, M or G behind it", ParseSize);

    /// <summary>What to learn from.</summary>
    public static OptionGroup DataGroup { get; } = new("Data", [Data, HeldOut, SkipBad, Check]);

    /// <summary>What learns.</summary>
    public static OptionGroup WeightsGroup { get; } = new("What is trained", [Lora, LoraAlpha, LoraDropout, Targets, Only, Freeze, Config]);

    /// <summary>How.</summary>
    public static OptionGroup TrainingGroup { get; } = new("Training",
        [Steps, Epochs, Batch, Accumulate, LearningRate, Schedule, Warmup, Clip, WeightDecay, Unconditional, Seed, Memory]);

    /// <summary>What comes of it.</summary>
    public static OptionGroup OutputGroup { get; } = new("Output", [DiaOptions.OutputFolder, DType, Resume, SampleEvery, Log]);

    /// <summary>The adapter that is trained; null: the weights are.</summary>
    /// <exception cref="DiaException">Usage: options that do not go together.</exception>
    public static LoraConfig? Adapter(CommandLine line)
    {
        IReadOnlyList<string> targets = line.GetAll(Targets);
        if (line.GetValue(Lora) is not { } rank)
            return line.GetValue(LoraAlpha) is null && line.GetValue(LoraDropout) is null && targets.Count == 0 ? null
                : throw CommandLine.Usage($"{LoraAlpha.Name}, {LoraDropout.Name} and {Targets.Name} are of an adapter: they need {Lora.Name} {Lora.Value}.");
        foreach (OptionSpec option in new OptionSpec[] { Only, Freeze, DType })
            if (line.Values.ContainsKey(option))
                throw CommandLine.Usage($"{option.Name} is of the model's weights, and {Lora.Name} trains and writes those of an adapter in float32: give one of them.");
        return new LoraConfig
        {
            R = rank,
            LoraAlpha = line.GetValue(LoraAlpha) ?? rank,
            LoraDropout = line.GetValue(LoraDropout) ?? 0,
            TargetModules = targets.Count == 0 ? LoraConfig.DefaultTargets : targets,
            BaseModelNameOrPath = line.Get(DiaOptions.Model),
        };
    }

    /// <summary>Which of a model's parameters are trained; null: all, or the adapter's.</summary>
    /// <param name="line">The options.</param>
    /// <param name="names">The parameters.</param>
    /// <exception cref="DiaException">Usage: a pattern that fits none, or nothing is left.</exception>
    public static Func<string, bool>? Trained(CommandLine line, IReadOnlyList<string> names)
    {
        IReadOnlyList<string> only = line.GetAll(Only), freeze = line.GetAll(Freeze);
        if (only.Count + freeze.Count == 0)
            return null;
        foreach ((OptionSpec<string> option, string pattern) in only.Select(p => (Only, p)).Concat(freeze.Select(p => (Freeze, p))))
            if (!names.Any(n => Fits(pattern, n)))
                throw CommandLine.Usage($"{option.Name} is '{pattern}', which no weight of the model is called; * stands for any characters, as in model.decoder.*");
        Func<string, bool> isTrained = name => (only.Count == 0 || only.Any(p => Fits(p, name))) && !freeze.Any(p => Fits(p, name));
        return names.Any(isTrained) ? isTrained : throw CommandLine.Usage($"{Freeze.Name} leaves nothing that could be trained.");

        static bool Fits(string pattern, string name) => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false);
    }

    /// <summary>How to train.</summary>
    /// <param name="line">The options.</param>
    /// <param name="examples">How many examples there are to learn from.</param>
    /// <param name="seed">The seed.</param>
    /// <exception cref="DiaException">Usage: options that do not go together.</exception>
    public static TrainingOptions Read(CommandLine line, int examples, ulong seed)
    {
        int batch = line.GetValue(Batch) ?? 4, accumulate = line.GetValue(Accumulate) ?? 1;
        long steps = line.GetValue(Steps) ?? (long)(line.GetValue(Epochs) ?? 3) * Trainer.StepsOfEpoch(examples, batch, accumulate);
        int warmup = line.GetValue(Warmup) ?? (int)Math.Min(100, steps / 10);
        if (steps > int.MaxValue || warmup > steps)
            throw CommandLine.Usage(warmup > steps ? Format.Text($"{Warmup.Name} is {warmup}, more than the {steps} steps there are.")
                : Format.Text($"{Epochs.Name} makes {steps} steps: at most {int.MaxValue} are possible."));
        return new TrainingOptions
        {
            Steps = (int)steps,
            Batch = batch,
            Accumulate = accumulate,
            LearningRate = line.GetValue(LearningRate) ?? 1e-4,
            Schedule = line.GetValue(Schedule) ?? LearningRateSchedule.Cosine,
            Warmup = warmup,
            Clip = line.GetValue(Clip) is { } clip ? clip == 0 ? null : clip : 1,
            WeightDecay = line.GetValue(WeightDecay) ?? 0.01,
            Unconditional = line.GetValue(Unconditional) ?? 0.1,
            Seed = seed,
        };
    }

    /// <summary>Refuses what can be seen before anything is read.</summary>
    /// <exception cref="DiaException">Usage: options that do not go together.</exception>
    public static void CheckTogether(CommandLine line)
    {
        if (line.GetValue(Steps) is not null && line.GetValue(Epochs) is not null)
            throw CommandLine.Usage($"{Steps.Name} and {Epochs.Name} both say how long: give one of them.");
        if (line.GetValue(Steps) is { } steps && line.GetValue(Warmup) > steps)
            throw CommandLine.Usage(Format.Text($"{Warmup.Name} is {line.GetValue(Warmup)}, more than the {steps} steps there are."));
        _ = Adapter(line);
        if (line.Get(Config) is not null && line.IsTyped(DiaOptions.Model))
            throw CommandLine.Usage($"{Config.Name} begins with random weights, {DiaOptions.Model.Name} with a model's: give one of them.");
        if (line.Get(Config) is not null && line.GetValue(Lora) is not null)
            throw CommandLine.Usage($"{Lora.Name} adds to what a model has learned, and {Config.Name} begins with a model that has learned nothing.");
    }

    private static OptionSpec<int> Whole(string name, string help, string? otherwise) =>
        new(name, null, "N", help, WholeFrom1, Parsers.Integer(1, int.MaxValue)) { Default = otherwise };

    private static OptionSpec<double> Number(string name, string value, string help, string range, Func<double, bool> holds, string otherwise) =>
        new(name, null, value, help, range, Parsers.Number(holds)) { Default = otherwise };

    private static OptionSpec<bool> Flag(string name, string help) =>
        new(name, null, null, help, "1 or 0 (also true or false, yes or no, on or off)", Parsers.Flag);

    private static bool ParseHeldOut(string text, out HeldOut value)
    {
        bool isNumber = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double share);
        value = new HeldOut(share, isNumber ? null : text);
        return isNumber ? share is >= 0 and < 1 : text.Length > 0;
    }

    private static bool ParseSchedule(string text, out LearningRateSchedule value)
    {
        value = text == "cosine" ? LearningRateSchedule.Cosine : LearningRateSchedule.Constant;
        return text is "cosine" or "constant";
    }

    private static bool ParseSize(string text, out long value)
    {
        int shift = text.Length == 0 ? 0 : text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        bool isNumber = double.TryParse(shift == 0 ? text : text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
            && number is > 0 and < 1e15;
        value = isNumber ? (long)Math.Min(number * (1L << shift), 1e18) : 0;
        return isNumber;
    }

    private static bool ParseDType(string text, out WeightFormat value) => WeightFormats.TryParse(text, out value) && value != WeightFormat.Float16;
}

/// <summary>What a training measures itself with.</summary>
/// <param name="Share">The part of its data, from 0 (nothing), below 1.</param>
/// <param name="Path">In place of that, data of its own; null: there is none.</param>
internal readonly record struct HeldOut(double Share, string? Path)
{
    /// <summary>Where nothing is said.</summary>
    public static HeldOut Default { get; } = new(0.05, null);
}
