using Dia.Graph;
using Dia.IO;

namespace Dia.Weights;

/// <summary>A linear layer's part of an adapter.</summary>
/// <param name="Weight">The number of the layer's weight among the model's.</param>
/// <param name="Rank">The rank.</param>
internal readonly record struct LoraLayer(int Weight, int Rank);

/// <summary>
/// The tensors of a LoRA adapter, float32 on the host: for the layer of index i, a [r, k] is parameter 2i and b [n, r] is 2i + 1. Files are PEFT's.
/// </summary>
internal sealed unsafe class LoraWeights : IDisposable
{
    /// <summary>The name of the file of tensors.</summary>
    public const string FileName = "adapter_model.safetensors";

    private const string Prefix = "base_model.model.", Down = ".lora_A.weight", Up = ".lora_B.weight", Suffix = ".weight";

    private readonly nint[] _values;

    private LoraWeights(LoraConfig config, IEnumerable<LoraLayer> layers, WeightSpec[] specs)
    {
        Config = config;
        Layers = [.. layers];
        Specs = new WeightSpec[2 * Layers.Length];
        _values = new nint[Specs.Length];
        for (int i = 0; i < Layers.Length; i++)
        {
            (WeightSpec of, int rank) = (specs[Layers[i].Weight], Layers[i].Rank);
            Specs[2 * i] = new WeightSpec(Module(of) + Down, [rank, of.Shape[1]], WeightRole.Linear);
            Specs[2 * i + 1] = new WeightSpec(Module(of) + Up, [of.Shape[0], rank], WeightRole.Linear);
        }

        try
        {
            for (int i = 0; i < Specs.Length; i++)
                _values[i] = (nint)HostMemory.Allocate(Specs[i].Count);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Its settings.</summary>
    public LoraConfig Config { get; }

    /// <summary>The layers that it has.</summary>
    public LoraLayer[] Layers { get; }

    /// <summary>Its parameters, named as the model's layers are.</summary>
    public WeightSpec[] Specs { get; }

    /// <summary>The values of a parameter.</summary>
    public float* this[int parameter] => (float*)_values[parameter];

    /// <summary>What b·a of a layer is scaled by.</summary>
    public double Scale(int layer) => Config.Scale(Layers[layer].Rank);

    /// <summary>The layers that a new adapter gets.</summary>
    public static LoraLayer[] LayersOf(LoraConfig config, WeightSpec[] specs) =>
        [.. Enumerable.Range(0, specs.Length).Where(i => IsLinear(specs[i]) && config.Targets(Module(specs[i]))).Select(i => new LoraLayer(i, config.R))];

    /// <summary>A new adapter as PEFT begins it: a uniform over ±1/√k (Kaiming with slope √5), b zeros.</summary>
    /// <param name="config">Its settings.</param>
    /// <param name="specs">The model's weights.</param>
    /// <param name="seed">The same seed gives the same values on every host.</param>
    /// <exception cref="DiaException">Usage: no layer has such a name. Device: no memory.</exception>
    public static LoraWeights Create(LoraConfig config, WeightSpec[] specs, ulong seed)
    {
        LoraLayer[] layers = LayersOf(config, specs);
        foreach (string target in config.TargetModules)
            if (!specs.Any(s => IsLinear(s) && (config with { TargetModules = [target] }).Targets(Module(s))))
                throw new DiaException(DiaErrorKind.Usage, $"no linear layer of the model is called {SafetensorsHeader.Show(target)}. There are: "
                    + string.Join(", ", specs.Where(IsLinear).Select(s => Module(s).Split('.')[^1]).Distinct()) + ".");
        var weights = new LoraWeights(config.WithNames(specs.Where(IsLinear).Select(Module)), layers, specs);
        for (int i = 0; i < layers.Length; i++)
        {
            double bound = 1 / Math.Sqrt(weights.Specs[2 * i].Shape[1]);
            float* a = weights[2 * i];
            for (long at = 0; at < weights.Specs[2 * i].Count; at++)
            {
                // The last word tells these blocks from all others.
                (uint high, uint low, _, _) =
                    Philox4x32.Block((uint)at, (uint)(at >> 32), (uint)layers[i].Weight, (uint)Drawn.Adapter, (uint)seed, (uint)(seed >> 32));
                a[at] = (float)(((((ulong)high << 32) | low) * (2.0 / ulong.MaxValue) - 1) * bound);
            }
        }

        return weights;
    }

    /// <summary>Reads a folder's adapter.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="specs">The model's weights.</param>
    /// <exception cref="DiaException">Model: a tensor is missing, unknown, or of another shape or type; it does not fit the model. Device: no memory.</exception>
    public static LoraWeights Read(ModelFolder folder, LoraConfig config, WeightSpec[] specs)
    {
        using MappedTensorFile file = folder.OpenTensors(FileName);
        Dictionary<string, int> modules = Enumerable.Range(0, specs.Length).Where(i => IsLinear(specs[i])).ToDictionary(i => Module(specs[i]));
        var layers = new SortedDictionary<int, (StoredTensor A, StoredTensor B)>();
        foreach (StoredTensor tensor in file.Tensors.Values)
        {
            string name = tensor.Name.StartsWith(Prefix, StringComparison.Ordinal) ? tensor.Name[Prefix.Length..] : tensor.Name;
            string? end = new[] { Down, Up }.FirstOrDefault(e => name.EndsWith(e, StringComparison.Ordinal));
            if (end is null || !modules.TryGetValue(name[..^end.Length], out int weight))
                throw Bad($"holds {SafetensorsHeader.Show(tensor.Name)}, which is no LoRA tensor of a linear layer of this model. Check that the adapter belongs to it.");
            if (!file.Tensors.TryGetValue(tensor.Name[..^end.Length] + (end == Down ? Up : Down), out StoredTensor? other))
                throw Bad($"holds {SafetensorsHeader.Show(tensor.Name)} but not its other half, lora_{(end == Down ? 'B' : 'A')}.");
            if (end == Down && !layers.TryAdd(weight, (tensor, other)))
                throw Bad($"holds {SafetensorsHeader.Show(name)} twice, with and without {Prefix}");
        }

        if (layers.Count == 0)
            throw Bad("holds no LoRA tensor.");
        // Everything fits before anything is allocated.
        foreach ((int weight, (StoredTensor a, StoredTensor b)) in layers)
        {
            long rank = a.Shape.Length == 2 && a.Shape[0] is >= 1 and <= LoraConfig.MaxRank ? a.Shape[0]
                : throw Bad($"has {SafetensorsHeader.Show(a.Name)} of shape {SafetensorsTypes.Show(a.Shape)}: the first must be the rank, from 1 to {LoraConfig.MaxRank}.");
            if (rank != config.R && !config.HasRankPattern)
                throw Bad($"has {SafetensorsHeader.Show(a.Name)} of rank {rank}, where {LoraConfig.FileName} says r {config.R} and has no rank_pattern.");
            Check(a, [rank, specs[weight].Shape[1]]);
            Check(b, [specs[weight].Shape[0], rank]);
        }

        var weights = new LoraWeights(config, layers.Select(l => new LoraLayer(l.Key, (int)l.Value.A.Shape[0])), specs);
        try
        {
            StoredTensor[] tensors = [.. layers.Values.SelectMany(l => new[] { l.A, l.B })];
            for (int i = 0; i < tensors.Length; i++)
                Fill(tensors[i], new Span<float>(weights[i], checked((int)weights.Specs[i].Count)));
        }
        catch
        {
            weights.Dispose();
            throw;
        }

        return weights;

        void Check(StoredTensor tensor, long[] shape)
        {
            if (!tensor.Shape.AsSpan().SequenceEqual(shape))
                throw Bad($"has {SafetensorsHeader.Show(tensor.Name)} of shape {SafetensorsTypes.Show(tensor.Shape)} where the model needs {SafetensorsTypes.Show(shape)}.");
            if (WeightFormats.Of(tensor.DType) is null)
                throw Bad($"stores {SafetensorsHeader.Show(tensor.Name)} as {tensor.DType}: {SafetensorsTypes.Kind(tensor.DType)} are not supported.");
        }

        void Fill(StoredTensor tensor, Span<float> values)
        {
            WeightFormats.Read(tensor.Data, WeightFormats.Of(tensor.DType)!.Value, values);
            foreach (float value in values)
                if (!float.IsFinite(value))
                    throw Bad($"has a value in {SafetensorsHeader.Show(tensor.Name)} that is not finite: it was damaged, or its training went wrong.");
        }

        DiaException Bad(string what) => new(DiaErrorKind.Model, $"{folder.Describe(FileName)} {what}");
    }

    /// <summary>Adds scale·strength·b·a to values of a layer's weight, [n, k], from one of them on.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="strength">What the adapter is scaled by besides.</param>
    /// <param name="first">The index of the first value.</param>
    /// <param name="values">The values.</param>
    public void AddTo(int layer, double strength, long first, Span<float> values)
    {
        int rank = Layers[layer].Rank, k = Specs[2 * layer].Shape[1];
        float* a = this[2 * layer], b = this[2 * layer + 1];
        double scale = Scale(layer) * strength;
        for (int i = 0; i < values.Length; i++)
        {
            (long row, long column) = Math.DivRem(first + i, k);
            double sum = 0;
            for (int r = 0; r < rank; r++)
                sum += (double)b[row * rank + r] * a[(long)r * k + column];
            values[i] = (float)(values[i] + scale * sum);
        }
    }

    /// <summary>Writes the adapter's folder: its files appear together.</summary>
    /// <exception cref="DiaException">Output: it cannot be written.</exception>
    public void Save(string folder)
    {
        using var writer = new CheckpointWriter(folder, FileName);
        StoredWeight[] values = [.. _values.Select(v => new StoredWeight { Data = (void*)v, Format = WeightFormat.Float32 })];
        writer.AddWeights(Specs, values, name => Prefix + name);
        writer.AddText(LoraConfig.FileName, Config.ToJson());
        writer.Commit();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (nint values in _values)
            HostMemory.Free((void*)values);
        Array.Clear(_values);
    }

    /// <summary>The name of a layer by that of its weight.</summary>
    public static string Module(WeightSpec spec) => spec.Name[..^Suffix.Length];

    private static bool IsLinear(WeightSpec spec) => spec.Role == WeightRole.Linear && spec.Name.EndsWith(Suffix, StringComparison.Ordinal);
}
