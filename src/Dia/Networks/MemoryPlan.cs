using Dia.Backends;
using Dia.Backends.Cuda;
using Dia.Configuration;
using Dia.Graph;
using Dia.IO;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>A part of a <see cref="MemoryPlan"/>.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Bytes">How much.</param>
/// <param name="Note">Where the figure comes from.</param>
public sealed record MemoryPart(string Name, long Bytes, string Note);

/// <summary>
/// What speaking takes of a device's memory at most, known before anything is allocated: a text of the most bytes, a voice prompt, utterances
/// of the most rows, guidance. Weights that the processor reads where the file is mapped are left out there. On a GPU this is what is allocated
/// (<see cref="Device.Reserve"/>), so each piece counts with its alignment; what a GPU's kernels and library themselves take is not in it.
/// </summary>
public sealed class MemoryPlan
{
    /// <summary>Most utterances at a time that can be planned for.</summary>
    public const int MaxBatch = 1024;

    private readonly List<MemoryPart> _parts = [];
    private readonly bool _cuda;

    private MemoryPlan(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        _cuda = device.Kind == DeviceKind.Cuda;
        UsesBlas = _cuda && device.Cuda.Device.HasBlas;
    }

    /// <summary>The parts.</summary>
    public IReadOnlyList<MemoryPart> Parts => _parts;

    /// <summary>All parts together.</summary>
    public long Bytes => _parts.Sum(p => p.Bytes);

    /// <summary>Of these what is taken whatever is said: the weights' copies, and the codec's windows. The caches are as long as what is said.</summary>
    internal long LeastBytes { get; private set; }

    /// <summary>Beside these, the files that the processor reads weights from where they are mapped: the open checkpoint's, so they are taken already.</summary>
    internal long MappedBytes { get; private set; }

    /// <summary>Of these the working memory of a GPU's kernels.</summary>
    internal long WorkingBytes { get; private set; }

    /// <summary>Whether cuBLAS makes the large products.</summary>
    internal bool UsesBlas { get; }

    /// <summary>The plan of a checkpoint; its tensors' types are looked up, their values are not read.</summary>
    /// <param name="device">Where it is to run.</param>
    /// <param name="model">The model; null: the codec alone.</param>
    /// <param name="codec">The codec; null: none.</param>
    /// <param name="batch">Utterances at a time.</param>
    public static MemoryPlan Of(Device device, ModelCheckpoint? model, CodecCheckpoint? codec, int batch)
    {
        CheckBatch(batch);
        var plan = new MemoryPlan(device);
        if (model is not null)
            plan.AddModel(model.Compiled, model.Tensors.Formats, batch);
        if (codec is not null)
            plan.AddCodec(codec.Compiled, codec.Tensors.Formats);
        return plan;
    }

    /// <summary>The plan of a compiled configuration with weights of one format.</summary>
    /// <param name="device">Where it is to run.</param>
    /// <param name="model">The configuration.</param>
    /// <param name="format">The weights' format.</param>
    /// <param name="batch">Utterances at a time.</param>
    public static MemoryPlan Of(Device device, CompiledModel model, WeightFormat format, int batch)
    {
        ArgumentNullException.ThrowIfNull(model);
        CheckBatch(batch);
        var plan = new MemoryPlan(device);
        if (model.Config is not null)
            plan.AddModel(model, [.. model.Weights().Select(_ => format)], batch);
        if (model.CodecConfig is not null)
            plan.AddCodec(model, [.. model.CodecWeights().Select(_ => format)]);
        return plan;
    }

    /// <summary>
    /// Compares what is taken in any case with what the system lets this process have. What more a long text takes is refused where it is
    /// allocated, if it is too much.
    /// </summary>
    /// <exception cref="DiaException">It is too little (Device).</exception>
    internal void CheckHost()
    {
        long most = MemoryLimits.AddressSpace;
        if ((most < long.MaxValue && LeastBytes > most - MemoryLimits.AddressSpaceTaken) || !HostMemory.Fits(LeastBytes))
            throw MemoryLimits.TooLittle($"the model ({MemoryLimits.Text(MappedBytes)} of mapped weights, {MemoryLimits.Text(LeastBytes)} of working memory, and up to {MemoryLimits.Text(Bytes - LeastBytes)} more by what is said)", LeastBytes + MappedBytes, taken: MappedBytes);
    }

    private static void CheckBatch(int batch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch, MaxBatch);
    }

    private void AddModel(CompiledModel model, WeightFormat[] formats, int batch)
    {
        DiaConfig config = model.Config!;
        DiaDecoderConfig d = config.DecoderConfig;
        WeightSpec[] specs = model.Weights();
        int rows = config.RowCapacity, text = config.EncoderConfig.MaxPositionEmbeddings, promptRows = Math.Min(DecoderSession.PromptRows, rows);
        long constants = Floats((long)d.NumHiddenLayers * d.HiddenSize);
        AddWeights("model weights", specs, formats);
        Add("text or prompt", Math.Max(Encoder(model.Arenas, config, text), Decoder(model.Arenas, d, 2 * promptRows, 2)), $"{text} bytes of text, or 2 x {promptRows} rows of prompt: activations");
        Add("steps", Decoder(model.Arenas, d, 2 * batch, 2 * batch) + Floats(2L * batch * d.NumChannels * d.VocabSize), $"{2 * batch} rows: activations, logits");
        Add("cross-attention without text", constants, "one row a layer");
        Add("self caches", 2L * batch * Floats(KeyValueCache.Size(d.NumHiddenLayers, rows, d.NumKeyValueHeads * d.HeadDim)), $"{batch} x 2 x {rows} rows");
        Add("cross caches", batch * (Floats(KeyValueCache.Size(d.NumHiddenLayers, text, d.CrossNumKeyValueHeads * d.CrossHeadDim)) + ArenaPieces.Size(text)), $"{batch} x {text} bytes of text");
        if (!_cuda)
            return;
        Add("sampler", CudaSampler.Size(batch, d.NumChannels, rows), $"{batch} state{(batch == 1 ? "" : "s")}, prompts' rows");

        // What cuBLAS reads of 16-bit weights is float32; attention of single rows leaves a partial result for each piece of keys.
        long widened = !UsesBlas ? 0 : specs.Zip(formats).Where(w => w.First.Role == WeightRole.Linear && w.Second != WeightFormat.Float32).Select(w => w.First.Count).DefaultIfEmpty(0).Max();
        long pieces = Math.Max(CudaBackend.PartialSize(rows, d.NumAttentionHeads, d.HeadDim), CudaBackend.PartialSize(text, d.CrossNumAttentionHeads, d.CrossHeadDim)) * 2 * batch;
        WorkingBytes = Floats(Math.Max(widened, pieces));
        Add("working memory of the kernels", WorkingBytes, widened > pieces ? "the largest matrix widened" : "pieces of attention");
        if (UsesBlas)
            Add("cuBLAS", CudaDevice.BlasWorkspace, "its working memory");
    }

    private void AddCodec(CompiledModel model, WeightFormat[] formats)
    {
        WeightSpec[] specs = model.CodecWeights();
        CodecLayout layout = model.CodecLayout!;
        int codebooks = model.CodecConfig!.NCodebooks;
        AddWeights("codec weights", specs, formats);

        // While it is loaded, a convolution's kernel lies beside its copy in the order of the products.
        long packed = !_cuda ? 0 : specs.Zip(formats).Where(w => w.First.Role is WeightRole.Convolution or WeightRole.TransposedConvolution).Max(w => ArenaPieces.Size(WeightFormats.Bytes(w.Second, w.First.Count)));
        long windows = Floats(layout.ArenaSize) + Floats(CodecPass.CodeCount(layout, codebooks));
        LeastBytes += Math.Max(windows, packed);
        Add("codec", Math.Max(windows, packed), $"windows of {layout.WindowFrames} frames: activations, codes{(packed > windows ? "; before, the largest kernel as it is stored" : "")}");
    }

    /// <summary>The GPU holds all of them, vectors as float32; the processor holds copies of vectors and convolution kernels, and reads the others in the file.</summary>
    private void AddWeights(string name, WeightSpec[] specs, WeightFormat[] formats)
    {
        long stored = 0, copies = 0;
        for (int i = 0; i < specs.Length; i++)
        {
            long bytes = WeightFormats.Bytes(formats[i], specs[i].Count);
            if (specs[i].Role == WeightRole.Vector)
                copies += Floats(specs[i].Count);
            else if (_cuda || specs[i].Role is WeightRole.Convolution or WeightRole.TransposedConvolution)
                copies += ArenaPieces.Size(bytes);
            stored += bytes;
        }

        LeastBytes += copies;
        MappedBytes += _cuda ? 0 : stored;
        string types = string.Join(", ", formats.Distinct().Select(WeightFormats.ReferenceName));
        Add(_cuda ? name : name + ", packed", copies, _cuda ? types : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"beside the mapped file: {stored / 1e6:0.0} MB of {types}"));
    }

    private static long Encoder(ArenaSizes arenas, DiaConfig config, int text) =>
        Floats(arenas.EncoderWidth * ArenaRows.RoundUp(text)) + ArenaPieces.Size(DeviceBlock.Size(EncoderPass.InputSizes(text, 1, config.EncoderConfig.HeadDim / 2)));

    private static long Decoder(ArenaSizes arenas, DiaDecoderConfig d, int rows, int sequences) =>
        Floats(arenas.DecoderWidth * ArenaRows.RoundUp(rows)) + ArenaPieces.Size(DeviceBlock.Size(DecoderPass.InputSizes(ArenaRows.RoundUp(rows), sequences, d.NumChannels, d.HeadDim / 2)));

    private static long Floats(long count) => ArenaPieces.Size(checked(count * sizeof(float)));

    private void Add(string name, long bytes, string note) => _parts.Add(new MemoryPart(name, bytes, note));
}
