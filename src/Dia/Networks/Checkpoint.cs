using Dia.Configuration;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>
/// A checkpoint that is opened: its configuration read, its tensors mapped and matched with those of the compiled class that computes it. Nothing
/// of it is opened again, whatever is made of it: memory plans, and models on any number of devices, which keep the mapped files for themselves.
/// </summary>
public abstract class Checkpoint : IDisposable
{
    private protected Checkpoint(ModelFolder folder, CompiledNetwork compiled, List<string> warnings, string prefix = "", Func<int, bool>? mayMiss = null)
    {
        Folder = folder;
        Tensors = MatchedTensors.Open(folder, compiled.Weights(), warnings, prefix, mayMiss);
        Warnings = warnings;
    }

    /// <summary>Where it is.</summary>
    public ModelFolder Folder { get; }

    /// <summary>What was strange but passes.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Its parameters, and how each is stored; of a weight-norm pair, what it makes.</summary>
    public IEnumerable<(WeightSpec Spec, WeightStorage Storage)> Parameters => Tensors.Specs.Zip(Tensors.Formats);

    /// <summary>Its tensors, one for each parameter.</summary>
    internal MatchedTensors Tensors { get; }

    /// <summary>Unmaps its files where nothing that was made of it holds them.</summary>
    public void Dispose() => Tensors.Dispose();
}

/// <summary>A model's checkpoint: config.json, generation_config.json, model.safetensors or shards.</summary>
public sealed class ModelCheckpoint : Checkpoint
{
    private ModelCheckpoint(ModelFolder folder, DiaConfig config, GenerationFile generation, CompiledModel compiled, List<string> warnings, bool needsHead)
        : base(folder, compiled, warnings, CompiledModel.BasePrefix, needsHead ? null : compiled.IsHead)
    {
        Compiled = compiled;
        Config = config;
        HasHead = !Tensors.Sources.Where((source, i) => source == default && compiled.IsHead(i)).Any();
        (GenerationKeys, GenerationText) = (generation.Keys, generation.Text);
        GenerationConfig = generation.Config.WithTokensOf(config);
    }

    /// <summary>The compiled class that computes what its configuration says.</summary>
    public CompiledModel Compiled { get; }

    /// <summary>Its configuration.</summary>
    public DiaConfig Config { get; }

    /// <summary>Whether it has the weights that turn hidden states into logits.</summary>
    public bool HasHead { get; }

    /// <summary>What its generation_config.json says, with the model's token ids and delays.</summary>
    public GenerationConfig GenerationConfig { get; }

    /// <summary>The keys that its generation_config.json has.</summary>
    public IReadOnlyList<string> GenerationKeys { get; }

    /// <summary>The text of its generation_config.json; null: it has none.</summary>
    internal string? GenerationText { get; }

    /// <summary>Opens a checkpoint.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="needsHead">Whether one without the head's weights, as the reference saves a model without head, is refused.</param>
    /// <exception cref="DiaException">Model: missing, malformed, or no compiled class fits.</exception>
    public static ModelCheckpoint Open(ModelFolder folder, IEnumerable<CompiledNetwork> models, bool needsHead = true)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(models);
        var warnings = new List<string>();
        DiaConfig config = ModelCatalog.ReadConfig(folder, warnings);
        GenerationFile generation = ModelCatalog.ReadGenerationConfig(folder, warnings);
        return new ModelCheckpoint(folder, config, generation, ModelCatalog.Find(models, config, folder.Description), warnings, needsHead);
    }
}

/// <summary>A codec's checkpoint: config.json, model.safetensors.</summary>
public sealed class CodecCheckpoint : Checkpoint
{
    private CodecCheckpoint(ModelFolder folder, DacConfig config, CompiledCodec compiled, List<string> warnings)
        : base(folder, compiled, warnings) => (Compiled, Config) = (compiled, config);

    /// <summary>The compiled class that computes what its configuration says.</summary>
    public CompiledCodec Compiled { get; }

    /// <summary>Its configuration.</summary>
    public DacConfig Config { get; }

    /// <summary>Opens a checkpoint (plain weights or weight-norm pairs).</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="models">What is compiled in.</param>
    /// <exception cref="DiaException">Model: missing, malformed, or no compiled codec fits.</exception>
    public static CodecCheckpoint Open(ModelFolder folder, IEnumerable<CompiledNetwork> models)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(models);
        var warnings = new List<string>();
        DacConfig config = ModelCatalog.ReadCodecConfig(folder, warnings);
        return new CodecCheckpoint(folder, config, ModelCatalog.FindCodec(models, config, folder.Description), warnings);
    }
}
