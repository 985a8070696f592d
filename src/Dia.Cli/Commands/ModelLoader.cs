using Dia.Backends;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Cli.Commands;

/// <summary>Finds and loads what the options name.</summary>
internal static class ModelLoader
{
    private const string CodecFolderName = "dac";

    /// <summary>The compiled configuration that an option names.</summary>
    /// <exception cref="DiaException">Usage: there is none of that name.</exception>
    public static CompiledModel Compiled(OptionSpec option, string name) => CompiledModels.All.FirstOrDefault(m => m.Name == name)
        ?? throw CommandLine.Usage($"{option.Name} is '{name}'; it must be one of: {string.Join(", ", CompiledModels.All.Select(m => m.Name))}.");

    /// <summary>The model that --model names, or the one inside this executable.</summary>
    /// <exception cref="DiaException">Model: there is none.</exception>
    public static ModelFolder OpenModel(Invocation run)
    {
        if (run.Line.Get(DiaOptions.Model) is { } path)
            return ModelFolder.Open(path);
        return Bundle.TryOpen(ExecutablePath) is { } bundle
            ? ModelFolder.FromBundle(bundle)
            : throw new DiaException(DiaErrorKind.Model, "this executable has no model inside: name a checkpoint's folder with --model DIR (or DIA_MODEL), or put one inside with `dia bundle DIR -o FILE`.");
    }

    /// <summary>The same; null where none is named and none is inside.</summary>
    /// <exception cref="DiaException">Model: what --model names is none.</exception>
    public static ModelFolder? TryOpenModel(Invocation run) =>
        run.Line.Get(DiaOptions.Model) is null && Bundle.TryOpen(ExecutablePath) is null ? null : OpenModel(run);

    /// <summary>This executable.</summary>
    public static string ExecutablePath => Environment.ProcessPath switch
    {
        null => throw new DiaException(DiaErrorKind.Model, "the system does not say where this executable is. Name a model with --model DIR."),
        var path when path.Contains('\uFFFD') => "/proc/self/exe", // Its name is not UTF-8: as text it would be another file's.
        var path => path,
    };

    /// <summary>Loads a model that speaks.</summary>
    /// <exception cref="DiaException">Model.</exception>
    public static DiaForConditionalGeneration Load(Invocation run, ModelFolder folder, Device device)
    {
        if (IsCodec(folder))
            throw new DiaException(DiaErrorKind.Model, $"{folder.Description} holds a codec, which can encode and decode audio but not speak. Name a Dia checkpoint with --model.");
        var warnings = new List<string>();
        var model = DiaForConditionalGeneration.FromPretrained(folder, CompiledModels.All, device, warnings);
        try
        {
            Warn(run, folder, warnings);
            return model;
        }
        catch (DiaException)
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Says, with -v, what was loaded.</summary>
    public static void Report(Invocation run, ModelFolder folder, DiaForConditionalGeneration model, Device device, TimeSpan time) =>
        run.Reporter.Detail(Format.Text($"model {folder.Description} ({model.CompiledName}) on {DeviceChoice.Describe(device)}, loaded in {time.TotalSeconds:0.00} s"));

    /// <summary>Loads the codec that --codec names, or the model's own.</summary>
    /// <param name="run">The options.</param>
    /// <param name="model">The model's folder; null: opened if it is needed.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="config">The model that it is to be the codec of; null: any.</param>
    /// <exception cref="DiaException">Model: there is none, it does not load, or it is another model's.</exception>
    public static DacModel LoadCodec(Invocation run, ModelFolder? model, Device device, DiaConfig? config = null)
    {
        var warnings = new List<string>();
        ModelFolder folder = CodecFolder(run, model);
        var codec = DacModel.FromPretrained(folder, CompiledModels.All, device, warnings);
        try
        {
            Warn(run, folder, warnings);
            if (config is not null)
                CheckFits(codec, config, folder);
            return codec;
        }
        catch (DiaException)
        {
            codec.Dispose();
            throw;
        }
    }

    /// <summary>The folder of the codec that --codec names, or the model's own.</summary>
    /// <exception cref="DiaException">Model: there is none.</exception>
    public static ModelFolder CodecFolder(Invocation run, ModelFolder? model)
    {
        if (run.Line.Get(DiaOptions.Codec) is { } path)
            return NoModel(ModelFolder.Open(path));
        model ??= OpenModel(run);
        if (!model.Exists(ModelFolder.ConfigName))
            ModelCatalog.ReadConfig(model); // Its message says what to name instead.
        if (IsCodec(model))
            return model;
        ModelFolder inside = model.Sub(CodecFolderName);
        return inside.Exists(ModelFolder.ConfigName)
            ? inside
            : throw new DiaException(DiaErrorKind.Model, $"{model.Description} has no codec ({inside.Describe(ModelFolder.ConfigName)} is missing), and audio needs one: name its folder with --codec DIR (or DIA_CODEC), or write codes only with --codes FILE.");
    }

    /// <summary>The same; null where none is named and the model has none.</summary>
    public static ModelFolder? TryCodecFolder(Invocation run, ModelFolder? model)
    {
        try
        {
            return model is null && run.Line.Get(DiaOptions.Codec) is null ? null : CodecFolder(run, model);
        }
        catch (DiaException) when (run.Line.Get(DiaOptions.Codec) is null)
        {
            return null;
        }
    }

    /// <summary>Whether a folder's config.json is a codec's. A malformed one is for the parser to complain about.</summary>
    public static bool IsCodec(ModelFolder folder) => folder.ModelType == "dac";

    /// <summary>Tells what was strange about a checkpoint; with --strict that is an error.</summary>
    private static void Warn(Invocation run, ModelFolder folder, List<string> warnings)
    {
        if (warnings.Count > 0 && run.Line.Has(DiaOptions.Strict))
            throw new DiaException(DiaErrorKind.Model, $"{folder.Description} is refused because of {DiaOptions.Strict.Name}:\n{string.Join('\n', warnings)}");
        warnings.ForEach(run.Reporter.Warning);
    }

    private static void CheckFits(DacModel codec, DiaConfig config, ModelFolder folder)
    {
        try
        {
            codec.CheckFits(config);
        }
        catch (DiaException e)
        {
            throw new DiaException(e.Kind, $"{folder.Description}: {e.Message} Name that one's folder with {DiaOptions.Codec.Name} DIR (or {DiaOptions.Codec.Variable}).", e);
        }
    }

    /// <summary>Refuses a model's folder where a codec's belongs.</summary>
    private static ModelFolder NoModel(ModelFolder folder)
    {
        if (folder.ModelType != "dia")
            return folder;
        ModelFolder inside = folder.Sub(CodecFolderName);
        string advice = inside.Exists(ModelFolder.ConfigName) ? $"Its codec is {inside.Description}: name that." : "Name the folder of its audio codec (DAC).";
        throw new DiaException(DiaErrorKind.Model, $"{folder.Description} holds a model that speaks, not a codec. {advice}");
    }
}
