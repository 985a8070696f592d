namespace Dia.Cli.Options;

/// <summary>What a training step works on, for those who measure one or ask for its memory.</summary>
internal static class TrainingSizeOptions
{
    public static readonly OptionSpec<bool> Train = new("--train", null, null, "Of training, not of speaking.", "", Parsers.Flag) { HasVariable = false };
    public static readonly OptionSpec<int> Batch = Size("--batch", "Utterances of a step.", 1, 1, MemoryPlan.MaxBatch);
    public static readonly OptionSpec<int> Rows =
        Size("--rows", "Audio rows of each: one for each frame of its codes, those of the longest delay, and one.", 256, 1, 1 << 16);
    public static readonly OptionSpec<int> Characters = Size("--characters", "Bytes of each text.", 170, 1, 1 << 16);
    public static readonly OptionSpec<int> Lora =
        new("--lora", null, "RANK", "Train an adapter of this rank beside the weights, which stay as they are.", "a whole number from 0 to 4096",
        Parsers.Integer(0, LoraConfig.MaxRank)) { Default = "0: all weights are trained", HasVariable = false };

    public static readonly OptionSpec<string> Config = new("--config", null, "NAME",
        "Take random weights of this compiled configuration in place of a model's.", "a name that is not empty", Parsers.Text) { HasVariable = false };

    /// <summary>What training is asked about with.</summary>
    public static OptionGroup Group { get; } = new("Training", [Train, Batch, Rows, Characters, Lora]);

    /// <summary>The same where it is run.</summary>
    public static OptionGroup WithConfig { get; } = new(Group.Title, [.. Group.Options, Config]);

    /// <summary>The sizes; null: training is not asked for.</summary>
    /// <exception cref="DiaException">Usage: sizes without --train.</exception>
    public static TrainingSize? Read(CommandLine line)
    {
        if (line.Has(Train))
            return new TrainingSize(line.GetValue(Batch) ?? 1, line.GetValue(Rows) ?? 256, line.GetValue(Characters) ?? 170, line.GetValue(Lora) ?? 0);
        return WithConfig.Options.FirstOrDefault(line.Values.ContainsKey) is { } other
            ? throw CommandLine.Usage($"{other.Name} is of training: it goes with {Train.Name}.") : null;
    }

    private static OptionSpec<int> Size(string name, string help, int otherwise, int lowest, int highest) =>
        new(name, null, "N", help, Format.Text($"a whole number from {lowest} to {highest}"), Parsers.Integer(lowest, highest))
        {
            Default = Format.Text($"{otherwise}"), HasVariable = false,
        };
}
