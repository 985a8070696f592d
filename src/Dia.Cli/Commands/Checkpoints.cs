using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>The checkpoints that the options name, or those inside this executable. Each is opened where it is first asked for, and once.</summary>
internal sealed class Checkpoints(Invocation run) : IDisposable
{
    private ModelFolder? _folder;
    private ModelFolder? _codecFolder;
    private ModelCheckpoint? _model;
    private CodecCheckpoint? _codec;
    private readonly HashSet<Checkpoint> _told = [];

    // A name that is not UTF-8 would be another file's as text.
    private static readonly Lazy<string?> OwnPath =
        new(() => Environment.ProcessPath is { } path && path.Contains('\uFFFD') ? InstructionLevel.OpenExecutable() : Environment.ProcessPath);

    /// <summary>Whether a model without the weights that make logits is refused.</summary>
    public bool NeedsHead { get; init; } = true;

    /// <summary>This executable.</summary>
    public static string ExecutablePath => OwnPath.Value
        ?? throw new DiaException(DiaErrorKind.Model, "the system does not say where this executable is. Name a model with --model DIR.");

    /// <summary>What is compiled of the configuration that an option names: a model, its codec.</summary>
    /// <exception cref="DiaException">Usage: there is none of that name.</exception>
    public static CompiledNetwork[] Compiled(OptionSpec option, string name) =>
        CompiledModels.All.Where(n => n.Name == name).ToArray() is { Length: > 0 } networks ? networks
        : throw CommandLine.Usage($"{option.Name} is '{name}'; it must be one of: {string.Join(", ", CompiledModels.All.Select(n => n.Name).Distinct())}.");

    /// <summary>The compiled model of the configuration that an option names.</summary>
    /// <exception cref="DiaException">Usage: there is none of that name.</exception>
    public static CompiledModel CompiledModel(OptionSpec option, string name) => Compiled(option, name).OfType<CompiledModel>().FirstOrDefault()
        ?? throw CommandLine.Usage($"{option.Name} is '{name}', which is a codec and no model.");

    /// <summary>The folder that --model names, or the one inside this executable.</summary>
    /// <exception cref="DiaException">Model: there is none.</exception>
    public ModelFolder Folder => TryFolder()
        ?? throw new DiaException(DiaErrorKind.Model,
            "this executable has no model inside: name a checkpoint's folder with --model DIR (or DIA_MODEL), or put one inside with `dia bundle DIR -o FILE`.");

    /// <summary>Whether that folder's config.json is a codec's. A malformed one is for the parser to complain about.</summary>
    public bool IsCodec => Folder.ModelType == "dac";

    /// <summary>The model, one that speaks.</summary>
    /// <exception cref="DiaException">Model: there is none, or it is malformed.</exception>
    public ModelCheckpoint Model => _model ??= ModelCheckpoint.Open(Speaking, CompiledModels.All, NeedsHead);

    /// <summary>The model's configuration, without its weights.</summary>
    /// <exception cref="DiaException">Model: there is none, or it is malformed.</exception>
    public DiaConfig ModelConfig => ModelCatalog.ReadConfig(Speaking);

    /// <summary>The codec that --codec names, or the model's own.</summary>
    /// <exception cref="DiaException">Model: there is none, or it is malformed.</exception>
    public CodecCheckpoint Codec => _codec ??= CodecCheckpoint.Open(CodecFolder, CompiledModels.All);

    /// <summary>Whether the codec's folder is there; what is wrong otherwise is said where it is opened.</summary>
    public bool HasCodec
    {
        get
        {
            try
            {
                return CodecFolder is not null;
            }
            catch (DiaException e) when (e.Kind == DiaErrorKind.Model)
            {
                return false;
            }
        }
    }

    /// <summary>Frames of a second of sound, as the codec's configuration says it; null: there is no codec.</summary>
    public double? FrameRate => TryCodecFolder() is { } folder && folder.Exists(ModelFolder.ConfigName) ? ModelCatalog.ReadCodecConfig(folder).FrameRate : null;

    private ModelFolder Speaking => !IsCodec ? Folder : throw new DiaException(DiaErrorKind.Model,
        $"{Folder.Description} holds a codec, which can encode and decode audio but not speak. Name a Dia checkpoint with --model.");

    /// <summary>The folder of the codec that --codec names, or the model's own.</summary>
    /// <exception cref="DiaException">Model: there is none.</exception>
    private ModelFolder CodecFolder => _codecFolder ??= run.Line.Get(DiaOptions.Codec) is { } path ? NoModel(ModelFolder.OpenCodec(path)) : OwnCodec();

    /// <summary>The folder that --model names, or the one inside this executable; null where none is named and none is inside.</summary>
    /// <exception cref="DiaException">Model: what --model names is none.</exception>
    public ModelFolder? TryFolder() => _folder ??= run.Line.Get(DiaOptions.Model) is { } path ? ModelFolder.Open(path)
        : Bundle.TryOpen(ExecutablePath) is { } bundle ? ModelFolder.FromBundle(bundle) : null;

    /// <summary>The folder of the codec; null where none is named and the model has none.</summary>
    /// <exception cref="DiaException">Model: what --codec names is none.</exception>
    public ModelFolder? TryCodecFolder() => run.Line.Get(DiaOptions.Codec) is not null || HasCodec ? CodecFolder : null;

    /// <summary>Opens the model, and says what is strange about it.</summary>
    /// <exception cref="DiaException">Model.</exception>
    public ModelCheckpoint OpenModel()
    {
        Warn(Model);
        return Model;
    }

    /// <summary>Loads the model.</summary>
    /// <exception cref="DiaException">Model.</exception>
    public DiaForConditionalGeneration LoadModel(Device device) => Adapted(DiaForConditionalGeneration.FromPretrained(OpenModel(), device));

    /// <summary>Loads the model to speak: its caches, and its steps where weights are integers, are what is fast on the device, unless --exact.</summary>
    /// <exception cref="DiaException">Model.</exception>
    public DiaForConditionalGeneration LoadSpeaking(Device device)
    {
        DiaForConditionalGeneration model = LoadModel(device);
        if (!run.Line.Has(DiaOptions.Exact))
            (model.CacheFormat, model.RoundsActivations) = (device.CacheFormat, true);
        return model;
    }

    /// <summary>Loads the model for a pass: without a head where the checkpoint has none.</summary>
    /// <exception cref="DiaException">Model.</exception>
    public DiaPreTrainedModel LoadForward(Device device) => OpenModel().HasHead ? LoadModel(device) : Adapted(DiaModel.FromPretrained(Model, device));

    /// <summary>Has what a step reads copied where --weights says so, or where it pays, and says so with -v.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">Rows that will be made, about.</param>
    /// <param name="batch">Utterances at a time.</param>
    /// <exception cref="DiaException">Device: too little memory for the copy that is asked for.</exception>
    public void PlaceWeights(DiaPreTrainedModel model, long rows, int batch = 1)
    {
        WeightPlacement placement = run.Line.TryGet(DiaOptions.Weights, out WeightPlacement named) ? named : WeightPlacement.Auto;
        run.Reporter.Detail($"weights: {model.PlaceWeights(placement, rows, batch)}");
    }

    /// <summary>The adapter that --adapter names; null: none.</summary>
    /// <exception cref="DiaException">Model: it is none. Usage: a strength without an adapter.</exception>
    public MergedAdapter? Adapter()
    {
        double? strength = run.Line.GetValue(DiaOptions.AdapterStrength);
        if (run.Line.Get(DiaOptions.Adapter) is not { } path)
            return strength is null ? null : throw CommandLine.Usage($"{DiaOptions.AdapterStrength.Name} needs {DiaOptions.Adapter.Name} DIR.");
        ModelFolder folder = ModelFolder.OpenAdapter(path);
        var warnings = new List<string>();
        var adapter = new MergedAdapter(folder, LoraFiles.ReadConfig(folder, warnings), strength ?? 1);
        Warn(folder, warnings);
        return adapter;
    }

    private TModel Adapted<TModel>(TModel model)
        where TModel : DiaPreTrainedModel
    {
        try
        {
            if (Adapter() is { } adapter)
                model.LoadAdapter(adapter.Folder, adapter.Strength);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Says, with -v, what was loaded.</summary>
    public void Report(DiaForConditionalGeneration model, Device device) =>
        run.Reporter.Detail(
            Format.Text($"model {Folder.Description} ({model.CompiledName}) on {device.Description}, keys and values in {WeightFormats.ReferenceName(model.CacheFormat)}, loaded in {run.Clock.Elapsed.TotalSeconds:0.00} s"));

    /// <summary>Loads the codec, filtered where the device can do that, unless --exact.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="config">The model that it is to be the codec of; null: any.</param>
    /// <exception cref="DiaException">Model: there is none, it does not load, or it is another model's.</exception>
    public DacModel LoadCodec(Device device, DiaConfig? config = null)
    {
        Warn(Codec);
        try
        {
            if (config is not null)
                DacModel.CheckFits(Codec.Config, config);
        }
        catch (DiaException e)
        {
            throw new DiaException(e.Kind,
                $"{Codec.Folder.Description}: {e.Message} Name that one's folder with {DiaOptions.Codec.Name} DIR (or {DiaOptions.Codec.Variable}).", e);
        }

        return DacModel.FromPretrained(Codec, device, filters: !run.Line.Has(DiaOptions.Exact));
    }

    /// <summary>Closes what nothing that was loaded holds.</summary>
    public void Dispose()
    {
        _model?.Dispose();
        _codec?.Dispose();
    }

    /// <summary>Tells once what was strange about a checkpoint; with --strict that is an error.</summary>
    private void Warn(Checkpoint checkpoint)
    {
        if (_told.Add(checkpoint))
            Warn(checkpoint.Folder, checkpoint.Warnings);
    }

    private void Warn(ModelFolder folder, IReadOnlyCollection<string> warnings)
    {
        if (warnings.Count > 0 && run.Line.Has(DiaOptions.Strict))
            throw new DiaException(DiaErrorKind.Model,
                $"{folder.Description} is refused because of {DiaOptions.Strict.Name}:\n{string.Join('\n', warnings)}");
        foreach (string warning in warnings)
            run.Reporter.Warning(warning);
    }

    private ModelFolder OwnCodec()
    {
        if (!Folder.Exists(ModelFolder.ConfigName))
            ModelCatalog.ReadConfig(Folder); // Its message says what to name instead.
        if (IsCodec)
            return Folder;
        ModelFolder inside = Folder.Sub(ModelFolder.CodecName);
        return inside.Exists(ModelFolder.ConfigName)
            ? inside
            : throw new DiaException(DiaErrorKind.Model,
                $"{Folder.Description} has no codec ({inside.Describe(ModelFolder.ConfigName)} is missing), and audio needs one: name its folder with --codec DIR (or DIA_CODEC){(run.Line.Command.Options.Contains(DiaOptions.Codes) ? $", or write codes only with {DiaOptions.Codes.Name} FILE" : "")}.");
    }

    /// <summary>Refuses a model's folder where a codec's belongs.</summary>
    private static ModelFolder NoModel(ModelFolder folder)
    {
        if (!folder.HoldsModel)
            return folder;
        ModelFolder inside = folder.Sub(ModelFolder.CodecName);
        string advice = inside.Exists(ModelFolder.ConfigName) ? $"Its codec is {inside.Description}: name that." : "Name the folder of its audio codec (DAC).";
        throw new DiaException(DiaErrorKind.Model, $"{folder.Description} holds a model that speaks, not a codec. {advice}");
    }
}
