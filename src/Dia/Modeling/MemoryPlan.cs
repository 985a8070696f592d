using Dia.Backends;
using Dia.Codec;
using Dia.Configuration;
using Dia.Weights;

namespace Dia.Modeling;

/// <summary>A part of a <see cref="MemoryPlan"/>.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Bytes">How much.</param>
/// <param name="Note">Where the figure comes from.</param>
public sealed record MemoryPart(string Name, long Bytes, string Note);

/// <summary>
/// What speaking takes of a device's memory at most, known before anything is allocated: a text of the most bytes, a voice prompt, utterances
/// of the most rows, guidance. Weights that the processor reads where the file is mapped are left out there.
/// </summary>
public sealed class MemoryPlan
{
    // Rows of a prompt that run at once, with and without the text.
    private const int PromptRows = 2 * DecoderSession.PromptRows;

    private readonly List<MemoryPart> _parts = [];
    private readonly bool _cuda;

    private MemoryPlan(DeviceKind kind) => _cuda = kind == DeviceKind.Cuda;

    /// <summary>The parts.</summary>
    public IReadOnlyList<MemoryPart> Parts => _parts;

    /// <summary>All parts together.</summary>
    public long Bytes => _parts.Sum(p => p.Bytes);

    /// <summary>The plan of a checkpoint; its tensors' types are looked up, their values are not read.</summary>
    /// <param name="kind">The device.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="model">The model's folder; null: the codec alone.</param>
    /// <param name="codec">The codec's folder; null: none.</param>
    /// <param name="batch">Utterances at a time.</param>
    /// <exception cref="DiaException">Model: missing, malformed, or no compiled class fits.</exception>
    public static MemoryPlan Of(DeviceKind kind, IReadOnlyList<CompiledModel> models, ModelFolder? model, ModelFolder? codec, int batch)
    {
        var plan = new MemoryPlan(kind);
        if (model is not null)
        {
            CompiledModel compiled = ModelCatalog.Find(models, ModelCatalog.ReadConfig(model), model.Description);
            plan.AddModel(compiled, Formats(model, compiled.Weights()), batch);
        }

        if (codec is not null)
        {
            CompiledModel compiled = ModelCatalog.FindCodec(models, ModelCatalog.ReadCodecConfig(codec), codec.Description);
            plan.AddCodec(compiled, Formats(codec, compiled.CodecWeights()));
        }

        return plan;
    }

    /// <summary>The plan of a compiled configuration with weights of one format.</summary>
    /// <param name="kind">The device.</param>
    /// <param name="model">The configuration.</param>
    /// <param name="format">The weights' format.</param>
    /// <param name="batch">Utterances at a time.</param>
    public static MemoryPlan Of(DeviceKind kind, CompiledModel model, WeightFormat format, int batch)
    {
        ArgumentNullException.ThrowIfNull(model);
        var plan = new MemoryPlan(kind);
        if (model.ConfigJson is not null)
            plan.AddModel(model, [.. model.Weights().Select(_ => format)], batch);
        if (model.CodecConfigJson is not null)
            plan.AddCodec(model, [.. model.CodecWeights().Select(_ => format)]);
        return plan;
    }

    private static WeightFormat[] Formats(ModelFolder folder, WeightSpec[] specs)
    {
        using var files = CheckpointFiles.Open(folder);
        return [.. new WeightMatcher(files).Match(specs).Select(s => s.Plain is { } tensor ? SafetensorsTypes.Format(tensor.DType)!.Value : WeightFormat.Float32)];
    }

    private void AddModel(CompiledModel model, WeightFormat[] formats, int batch)
    {
        DiaConfig config = DiaConfigParser.Parse(model.ConfigJson!, ProblemSeverity.Warning).Config!;
        DiaDecoderConfig d = config.DecoderConfig;
        WeightSpec[] specs = model.Weights();
        DiaNetwork network = model.CreateNetwork(Device.CreateScalar(), new Weight[specs.Length])!;
        int rows = config.RowCapacity, text = config.EncoderConfig.MaxPositionEmbeddings, stepRows = ArenaRows.RoundUp(2 * batch);
        AddWeights("model weights", specs, formats);
        long texts = network.EncoderArenaWidth * ArenaRows.RoundUp(text), prompts = network.DecoderArenaWidth * ArenaRows.RoundUp(PromptRows);
        AddFloats("arena of a text or a prompt", Math.Max(texts, prompts), $"{text} bytes of text, or {PromptRows} rows of prompt");
        AddFloats("arena of the steps, logits", (network.DecoderArenaWidth * stepRows) + (2L * batch * d.NumChannels * d.VocabSize), $"{2 * batch} rows");
        AddFloats("cross-attention without text", (long)d.NumHiddenLayers * d.HiddenSize, "one row a layer");
        AddFloats("self caches", 2L * batch * KeyValueCache.Size(d.NumHiddenLayers, rows, d.NumKeyValueHeads * d.HeadDim), $"{batch} x 2 x {rows} rows");
        AddFloats("cross caches", batch * KeyValueCache.Size(d.NumHiddenLayers, text, d.CrossNumKeyValueHeads * d.CrossHeadDim), $"{batch} x {text} bytes of text");
        if (!_cuda)
            return;
        _parts.Add(new MemoryPart("sampler", batch * (512L + (24 * d.NumChannels) + (4L * rows * d.NumChannels)), $"{batch} state{(batch == 1 ? "" : "s")}, prompts' rows"));

        // What cuBLAS reads of 16-bit weights is float32; attention of single rows leaves a partial result for each piece of keys.
        long widened = specs.Zip(formats).Where(w => w.First.Role == WeightRole.Linear && w.Second != WeightFormat.Float32).Select(w => w.First.Count).DefaultIfEmpty(0).Max();
        long pieces = Math.Max(CudaBackend.PartialSize(rows, d.NumAttentionHeads, d.HeadDim), CudaBackend.PartialSize(text, d.CrossNumAttentionHeads, d.CrossHeadDim)) * 2 * batch;
        AddFloats("working memory of the kernels", 2 * Math.Max(widened, pieces), "the largest matrix widened, or pieces of attention; it grows by doubling");
    }

    private void AddCodec(CompiledModel model, WeightFormat[] formats)
    {
        WeightSpec[] specs = model.CodecWeights();
        DacNetwork network = model.CreateCodec(Device.CreateScalar(), new Weight[specs.Length])!;
        AddWeights("codec weights", specs, formats);
        AddFloats("arena of the codec", network.ArenaSize, $"windows of {network.WindowFrames} frames");
    }

    /// <summary>The GPU holds all of them, vectors as float32; the processor holds copies of vectors and convolution kernels, and reads the others in the file.</summary>
    private void AddWeights(string name, WeightSpec[] specs, WeightFormat[] formats)
    {
        long stored = 0, copies = 0;
        for (int i = 0; i < specs.Length; i++)
        {
            long bytes = specs[i].Count * WeightFormats.ByteSize(formats[i]);
            if (specs[i].Role == WeightRole.Vector)
                copies += specs[i].Count * sizeof(float);
            else if (_cuda || specs[i].Role is WeightRole.Convolution or WeightRole.TransposedConvolution)
                copies += bytes;
            stored += bytes;
        }

        string types = string.Join(", ", formats.Distinct().Select(WeightFormats.ReferenceName));
        _parts.Add(new MemoryPart(_cuda ? name : name + ", packed", copies, _cuda ? types : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"beside the mapped file: {stored / 1e6:0.0} MB of {types}")));
    }

    private void AddFloats(string name, long count, string note) => _parts.Add(new MemoryPart(name, count * sizeof(float), note));
}
