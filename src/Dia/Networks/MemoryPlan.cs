using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;
using Dia.IO;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>
/// What speaking takes of a device's memory at most, known before anything is allocated: a text of the most bytes, a voice prompt, utterances
/// of the most rows, guidance. Weights that the processor reads where the file is mapped are left out there. On a GPU this is what is allocated
/// (<see cref="Reserve"/>), so each piece counts with its alignment; what a GPU's kernels and library themselves take is not in it.
/// </summary>
public sealed partial class MemoryPlan
{
    /// <summary>Most utterances at a time that can be planned for.</summary>
    public const int MaxBatch = 1024;

    private readonly List<MemoryPart> _parts = [];
    private readonly Device _device;
    private readonly bool _mapped;
    private bool _copies, _filters;
    private WeightFormat _caches;
    private long _leastBytes, _mappedBytes, _scratchBytes;

    private MemoryPlan(Device device, int batch)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch, MaxBatch);
        (_device, _mapped) = (device, device.Memory.IsHost);
    }

    /// <summary>The parts.</summary>
    public IReadOnlyList<MemoryPart> Parts => _parts;

    /// <summary>All parts together.</summary>
    public long Bytes => _parts.Sum(p => p.Bytes);

    /// <summary>The plan of a checkpoint; its tensors' types are looked up, their values are not read.</summary>
    /// <param name="device">Where it is to run.</param>
    /// <param name="model">The model; null: the codec alone.</param>
    /// <param name="codec">The codec; null: none.</param>
    /// <param name="batch">Utterances at a time.</param>
    /// <param name="copies">Whether what a step reads is copied from the mapped file.</param>
    /// <param name="exact">
    /// Whether caches are of float32, else of <see cref="Device.CacheFormat"/>; and convolutions direct, else filtered where the device can do that.
    /// </param>
    public static MemoryPlan Of(Device device, ModelCheckpoint? model, CodecCheckpoint? codec, int batch, bool copies = false, bool exact = false)
    {
        var plan = new MemoryPlan(device, batch) { _copies = copies, _caches = exact ? WeightFormat.Float32 : device.CacheFormat,
            _filters = !exact && device.FiltersConvolutions };
        if (model is not null)
            plan.AddModel(model.Compiled, model.Tensors.Formats, batch);
        if (codec is not null)
            plan.AddCodec(codec.Compiled, codec.Tensors.Formats);
        return plan;
    }

    /// <summary>The plan of compiled networks with weights of one format.</summary>
    /// <param name="device">Where they are to run.</param>
    /// <param name="networks">A model, a codec, or both.</param>
    /// <param name="format">The weights' format.</param>
    /// <param name="batch">Utterances at a time.</param>
    /// <param name="copies">Whether what a step reads is copied from the mapped file.</param>
    /// <param name="exact">
    /// Whether caches are of float32, else of <see cref="Device.CacheFormat"/>; and convolutions direct, else filtered where the device can do that.
    /// </param>
    public static MemoryPlan Of(Device device, IEnumerable<CompiledNetwork> networks, WeightFormat format, int batch, bool copies = false,
        bool exact = false)
    {
        ArgumentNullException.ThrowIfNull(networks);
        var plan = new MemoryPlan(device, batch) { _copies = copies, _caches = exact ? WeightFormat.Float32 : device.CacheFormat,
            _filters = !exact && device.FiltersConvolutions };
        foreach (CompiledNetwork network in networks)
        {
            WeightStorage[] formats = [.. network.Weights().Select(_ => format)];
            if (network is CompiledModel model)
                plan.AddModel(model, formats, batch);
            else
                plan.AddCodec((CompiledCodec)network, formats);
        }

        return plan;
    }

    /// <summary>The plan of a model that is loaded.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="model">What it is compiled as.</param>
    /// <param name="weights">Its weights.</param>
    /// <param name="batch">Utterances at a time.</param>
    /// <param name="caches">The format of the caches.</param>
    internal static MemoryPlan Of(Device device, CompiledModel model, StoredWeight[] weights, int batch, WeightFormat caches)
    {
        var plan = new MemoryPlan(device, batch) { _caches = caches };
        plan.AddModel(model, Array.ConvertAll(weights, w => w.Storage), batch);
        return plan;
    }

    /// <summary>
    /// Takes the plan's memory in one allocation: what is loaded and made on the device from now on lies in it, and what the plan did
    /// not foresee beside it. Once, before anything is loaded. On the processor memory is taken as it is used: there what is needed in any
    /// case is compared with the limits that this process has (<see cref="MemoryLimits"/>).
    /// </summary>
    /// <exception cref="InvalidOperationException">Memory was reserved before.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Reserve()
    {
        using Lock.Scope turn = _device.Enter();
        _device.Reserve(new MemoryNeeds(Bytes, _leastBytes, _mappedBytes, _scratchBytes));
    }

    private void AddModel(CompiledModel model, WeightStorage[] formats, int batch)
    {
        DiaConfig config = model.Config;
        DiaDecoderConfig d = config.DecoderConfig;
        WeightSpec[] specs = model.Weights();
        int rows = config.RowCapacity, text = config.EncoderConfig.MaxPositionEmbeddings, promptRows = Math.Min(DecoderPass.PromptRows, rows);
        long constants = Floats((long)d.NumHiddenLayers * d.HiddenSize);
        long step = model.StepMatrices().Sum(i => formats[i].Bytes(specs[i]));
        AddWeights("model weights", specs, formats, step);
        if (_copies && _mapped)
            AddCopies(step);
        int crossWidth = d.CrossNumKeyValueHeads * d.CrossHeadDim;
        long rounded = _caches == WeightFormat.Float32 ? 0 : Floats(KeyValueCache.Size(1, text, crossWidth));
        Add("text or prompt", Math.Max(Encoder(model.Arenas, config, text, 1) + rounded, Decoder(model.Arenas, d, 2 * promptRows, 2)),
            $"{text} bytes of text, or 2 x {promptRows} rows of prompt: activations");
        Add("steps", Decoder(model.Arenas, d, 2 * batch, 2 * batch) + Floats(2L * batch * d.NumChannels * d.VocabSize),
            $"{2 * batch} rows: activations, logits");
        Add("cross-attention without text", constants, "one row a layer");
        Add("self caches", 2L * batch * ArenaPieces.Size(KeyValueCache.Bytes(_caches, d.NumHiddenLayers, rows, d.NumKeyValueHeads * d.HeadDim)),
            $"{batch} x 2 x {rows} rows of {WeightFormats.ReferenceName(_caches)}");
        Add("cross caches", batch * (ArenaPieces.Size(KeyValueCache.Bytes(_caches, d.NumHiddenLayers, text, crossWidth)) + ArenaPieces.Size(text)),
            $"{batch} x {text} bytes of text");
        long narrow = specs.Zip(formats).Where(w => w.First.Role == WeightRole.Linear && w.Second.Format != WeightFormat.Float32).Select(w => w.First.Count)
            .DefaultIfEmpty(0).Max();
        (MemoryPart[] parts, _scratchBytes) = _device.DecodingMemory(config, batch, narrow);
        _parts.AddRange(parts);
    }

    private void AddCodec(CompiledCodec codec, WeightStorage[] formats)
    {
        CodecLayout layout = _filters ? codec.Layout.Filtered : codec.Layout;
        WeightSpec[] specs = layout.PreparedSpecs(codec.Weights());
        AddWeights("codec weights", specs, formats);
        long packed = specs.Zip(formats).Max(w => Pieces(_device.PreparingBytes(w.First, w.Second)));
        long windows = Floats(layout.ArenaSize) + Floats(CodecPass.CodeCount(layout, codec.Config.NCodebooks));
        _leastBytes += Math.Max(windows, packed);
        Add("codec", Math.Max(windows, packed),
            $"windows of {layout.WindowFrames} frames: activations, codes{(packed > windows ? "; before, the largest kernel as it is stored" : "")}");
    }

    private void AddWeights(string name, WeightSpec[] specs, WeightStorage[] formats, long step = 0)
    {
        long stored = 0, copies = 0;
        foreach ((WeightSpec spec, WeightStorage format) in specs.Zip(formats))
        {
            stored += format.Bytes(spec);
            copies += Pieces(_device.PreparedBytes(spec, format));
        }

        _leastBytes += copies;
        _mappedBytes += _mapped ? stored : 0;
        string types = string.Join(", ", formats.Select(f => f.Name).Distinct());
        Add(_mapped ? name + ", packed" : name, copies, _mapped
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"beside the mapped file: {stored / 1e6:0.0} MB of {types}{(step > 0 ? $", of which a step reads {step / 1e6:0.0} MB" : "")}")
            : types);
    }

    private void AddCopies(long bytes)
    {
        _leastBytes += bytes;
        Add("model weights, copied", bytes, "what a step reads, in large pages; its pages of the mapped file are not used");
    }

    private static long Encoder(ArenaSizes arenas, DiaConfig config, int text, int texts) =>
        Floats(arenas.EncoderWidth * ArenaSizes.Rows(text))
            + ArenaPieces.Size(DeviceBlock.Size(EncoderPass.InputSizes(text, texts, config.EncoderConfig.HeadDim / 2)));

    private static long Decoder(ArenaSizes arenas, DiaDecoderConfig d, int rows, int sequences) =>
        Floats(arenas.DecoderWidth * ArenaSizes.Rows(rows))
            + ArenaPieces.Size(DeviceBlock.Size(DecoderPass.InputSizes(ArenaSizes.Rows(rows), sequences, d.NumChannels, d.HeadDim / 2)));

    private static long Pieces(long bytes) => bytes == 0 ? 0 : ArenaPieces.Size(bytes);

    private static long Floats(long count) => ArenaPieces.Size(checked(count * sizeof(float)));

    private void Add(string name, long bytes, string note) => _parts.Add(new MemoryPart(name, bytes, note));
}
