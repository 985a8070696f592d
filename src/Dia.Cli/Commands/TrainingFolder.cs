using Dia.Cli.Options;

namespace Dia.Cli.Commands;

/// <summary>The folder that a training writes: a checkpoint, the best one, and what is gone on with.</summary>
internal sealed class TrainingFolder
{
    private const string BestName = "best", SamplesName = "samples", LogName = "training.jsonl",
        PlotName = "loss.png";

    /// <summary>Looks at the folder, and makes nothing yet.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="resume">Whether a training that is there is gone on with.</param>
    /// <param name="model">The model's own folder; null: the weights are random.</param>
    /// <exception cref="DiaException">Usage: there is a training that is not to be gone on with. Output: it is the model's own folder.</exception>
    public TrainingFolder(string path, bool resume, ModelFolder? model)
    {
        Path = path;
        if (model is { IsBundle: false } && Directory.Exists(path)
            && RealPaths.Of(path) == RealPaths.Of(System.IO.Path.GetDirectoryName(model.Describe(ModelFolder.ConfigName)) is { Length: > 0 } own ? own : "."))
            throw new DiaException(DiaErrorKind.Output, $"{path} is the model's own folder. Name another one.");
        HasState = File.Exists(State);
        if (HasState && !resume)
            throw CommandLine.Usage($"{path} has a training already: go on with it with {TrainOptions.Resume.Name}, or name another folder.");
        string? other = new[] { ModelFolder.ConfigName, LoraConfig.FileName }.FirstOrDefault(n => File.Exists(System.IO.Path.Combine(path, n)));
        if (other is not null && !HasState && !resume)
            throw CommandLine.Usage($"{path} has a {other}, of what was not trained here. Name another folder, or give {TrainOptions.Resume.Name} if a training was stopped there at once.");
    }

    /// <summary>Its path.</summary>
    public string Path { get; }

    /// <summary>Whether there is a training to go on with.</summary>
    public bool HasState { get; }

    /// <summary>The file that a training is gone on with.</summary>
    public string State => System.IO.Path.Combine(Path, Trainer.StateFileName);

    /// <summary>The folder of the best model; its codec is the other's.</summary>
    public string Best => System.IO.Path.Combine(Path, BestName);

    /// <summary>What each step did, unless that is written elsewhere.</summary>
    public string Log => System.IO.Path.Combine(Path, LogName);

    /// <summary>The picture of the losses.</summary>
    public string Plot => System.IO.Path.Combine(Path, PlotName);

    /// <summary>The file of a sample.</summary>
    public string Sample(int step) => System.IO.Path.Combine(Path, SamplesName, Format.Text($"step-{step}.wav"));

    /// <summary>Writes what does not change, and removes what a training that was killed has left unfinished.</summary>
    /// <param name="codec">The model's codec; null: an adapter is trained, whose folder has none.</param>
    /// <param name="processor">The model's processor.</param>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public void Begin(DacModel? codec, DiaProcessor processor)
    {
        string codecFolder = System.IO.Path.Combine(Path, ModelFolder.CodecName);
        foreach (string folder in new[] { Path, Best, codecFolder }.Where(Directory.Exists))
            foreach (string unfinished in Directory.EnumerateFiles(folder, ".dia-*.tmp"))
                File.Delete(unfinished);
        Make(Path);
        if (HasState || codec is null)
            return;
        processor.SavePretrained(Path);
        codec.SavePretrained(codecFolder);
    }

    /// <summary>Makes a folder.</summary>
    /// <exception cref="DiaException">It cannot be made (Output).</exception>
    public static void Make(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DiaException(DiaErrorKind.Output, $"cannot make the folder {path}: {e.Message}", e);
        }
    }
}
