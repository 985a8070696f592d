using Dia.Networks;
using Dia.Weights;

namespace Dia.Modeling;

// A LoRA adapter beside the weights: loaded, made, saved, merged.
public abstract unsafe partial class DiaPreTrainedModel
{
    private WeightSpec[]? _parameters;

    /// <summary>The settings of its adapter; null: it has none.</summary>
    public LoraConfig? Adapter => Network.Lora?.Weights.Config;

    /// <summary>
    /// The seed of what its adapter's dropout drops. Each forward pass with gradients drops other values; it counts them in <see cref="DropoutPass"/>.
    /// </summary>
    public ulong DropoutSeed { get; set; }

    /// <summary>The number of the next forward pass with gradients: with the seed it says what is dropped.</summary>
    public uint DropoutPass { get; set; }

    /// <summary>Its parameters and, behind them, its adapter's.</summary>
    internal WeightSpec[] Parameters => _parameters ??= [.. Specs, .. Network.Lora?.Weights.Specs ?? []];

    /// <summary>
    /// Adds a folder's LoRA adapter, as PEFT writes one (adapter_config.json, adapter_model.safetensors), to what is computed from here on. The weights stay as
    /// they are. What is generated meanwhile may go on without it.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="strength">What the adapter adds is scaled by this; 1: as it was trained.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: missing, malformed, of a kind that is not computed here, or another model's. Device: no memory.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The strength is not finite.</exception>
    /// <exception cref="InvalidOperationException">The model has an adapter.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public void LoadAdapter(ModelFolder folder, double strength = 1, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!double.IsFinite(strength))
            throw new ArgumentOutOfRangeException(nameof(strength), strength, "It must be finite.");
        LoraConfig config = LoraFiles.ReadConfig(folder, warnings);
        Attach(() => LoraWeights.Read(folder, config, Specs), strength);
    }

    /// <summary>Adds a new LoRA adapter, which changes nothing yet; gradients are then its own. As PEFT begins it: a uniform over ±1/√k, b zeros.</summary>
    /// <param name="config">Its settings.</param>
    /// <param name="seed">The same seed gives the same adapter on every host.</param>
    /// <exception cref="DiaException">Usage: no layer is called so. Device: no memory.</exception>
    /// <exception cref="InvalidOperationException">The model has an adapter.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public void AddAdapter(LoraConfig config, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfLessThan(config.R, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(config.R, LoraConfig.MaxRank);
        Attach(() => LoraWeights.Create(config, Specs, seed), 1);
    }

    /// <summary>Writes its adapter's folder as PEFT does; the files appear together.</summary>
    /// <exception cref="DiaException">Output: it cannot be written.</exception>
    /// <exception cref="InvalidOperationException">The model has no adapter.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public void SaveAdapter(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        using Lock.Scope turn = Tenant.Enter();
        OwnAdapter().Weights.Save(folder);
    }

    /// <summary>Adds its adapter to its weights, which become float32 ones of its own, and does without it from then on.</summary>
    /// <exception cref="DiaException">Device: no memory. Model: a weight that it is added to is stored as integers.</exception>
    /// <exception cref="InvalidOperationException">The model has no adapter.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public void MergeAdapter()
    {
        using Lock.Scope turn = Tenant.Enter();
        LoraAdapter adapter = OwnAdapter();
        if (Array.Exists(adapter.Weights.Layers, l => Weights.Weights[l.Weight].Storage.IsQuantized))
            throw LoadedWeights.NotTrained();
        for (int i = 0; i < adapter.Weights.Layers.Length; i++)
        {
            int weight = adapter.Weights.Layers[i].Weight;
            float* values = MakeWritable(weight);
            adapter.Weights.AddTo(i, adapter.Strength, 0, new Span<float>(values, checked((int)Specs[weight].Count)));
        }

        Network.Adapter = null;
        _parameters = null;
        WeightsChanged(adapter.Weights.Layers.Select(l => l.Weight));
        adapter.Dispose();
    }

    private LoraAdapter OwnAdapter() => Network.Lora ?? throw new InvalidOperationException("The model has no adapter.");

    private void Attach(Func<LoraWeights> weights, double strength)
    {
        using Lock.Scope turn = Tenant.Enter();
        if (Network.Adapter is not null)
            throw new InvalidOperationException("The model has an adapter: load it again for another one.");
        Network.Adapter = new LoraAdapter(Network, weights(), Specs.Length, strength);
        _parameters = null;
        WeightsChanged([]);
    }

    /// <summary>A parameter's values, to be changed; in a turn.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal float* MakeWritable(int parameter)
    {
        if (parameter >= Specs.Length)
            return OwnAdapter().Weights[parameter - Specs.Length];
        float* values = Weights.MakeWritable(parameter, Specs[parameter]);
        Network.Prepare(parameter, Weights.Weights[parameter]);
        return values;
    }

    /// <summary>Says that parameters, by their number, have other values now; in a turn.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal void WeightsChanged(IEnumerable<int> parameters)
    {
        int last = -1;
        foreach (int parameter in parameters)
        {
            int layer = (parameter - Specs.Length) / 2;
            if (parameter < Specs.Length)
                Network.Prepare(parameter, Weights.Weights[parameter]);
            else if (layer != last)
                OwnAdapter().Prepare(last = layer);
        }

        if (_unconditionalCross is not null)
            ComputeUnconditionalCross(_unconditionalCross);
    }
}
