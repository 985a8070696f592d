using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;
using Dia.IO;
using Dia.Weights;

namespace Dia.Networks;

// What training takes.
public sealed partial class MemoryPlan
{
    /// <summary>The plan of training a checkpoint. Unlike in speaking, mapped weights are in it.</summary>
    /// <param name="device">Where it is to run.</param>
    /// <param name="model">The model.</param>
    /// <param name="size">What a step works on.</param>
    /// <param name="isTrained">Where no adapter is: whether a parameter is trained; null: all are.</param>
    /// <exception cref="DiaException">The device cannot train (Device), or the model was compiled without training or has weights of integers (Model).</exception>
    public static MemoryPlan OfTraining(Device device, ModelCheckpoint model, TrainingSize size, Func<string, bool>? isTrained = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return OfTraining(device, model.Compiled, model.Tensors.Formats, size, isTrained);
    }

    /// <summary>The plan of training a compiled model with weights of one format.</summary>
    /// <param name="device">Where it is to run.</param>
    /// <param name="model">The model.</param>
    /// <param name="format">The weights' format.</param>
    /// <param name="size">What a step works on.</param>
    /// <param name="isTrained">Where no adapter is: whether a parameter is trained; null: all are.</param>
    /// <exception cref="DiaException">The device cannot train (Device), or the model was compiled without training or has weights of integers (Model).</exception>
    public static MemoryPlan OfTraining(Device device, CompiledModel model, WeightFormat format, TrainingSize size, Func<string, bool>? isTrained = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return OfTraining(device, model, [.. model.Weights().Select(_ => format)], size, isTrained);
    }

    /// <summary>Bytes of a codec that is held while a model is trained: its weights as they are stored, and as they are prepared.</summary>
    /// <param name="device">Where it is to run.</param>
    /// <param name="codec">The codec.</param>
    public static long OfCodec(Device device, CodecCheckpoint codec)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(codec);
        return codec.Compiled.Weights().Zip(codec.Tensors.Formats)
            .Sum(w => w.Second.Bytes(w.First) + Pieces(device.PreparedBytes(w.First, w.Second)));
    }

    private static MemoryPlan OfTraining(Device device, CompiledModel model, WeightStorage[] formats, TrainingSize size, Func<string, bool>? isTrained)
    {
        if (Array.Exists(formats, f => f.IsQuantized))
            throw LoadedWeights.NotTrained();
        var plan = new MemoryPlan(device, size.Batch);
        using Lock.Scope turn = device.Enter();
        ArenaSizes arenas = model.Train(device, device.Accept(model)).Arenas;
        WeightSpec[] specs = model.Weights();
        if (size.Rank > 0)
            plan.AddAdapter(specs, formats, size.Rank);
        else
            plan.AddTrained(specs, formats, isTrained ?? (_ => true));
        DiaConfig config = model.Config;
        DiaDecoderConfig d = config.DecoderConfig;
        int text = checked(size.Batch * size.Characters), rows = checked(size.Batch * size.Rows), width = d.CrossNumKeyValueHeads * d.CrossHeadDim;
        plan.Add("text", Encoder(arenas, config, text, size.Batch), Text($"{size.Batch} x {size.Characters} ids: what the backward pass reads, and its gradients"));
        plan.Add("audio rows", Decoder(arenas, d, rows, size.Batch) + Floats((long)rows * d.NumChannels), Text($"{size.Batch} x {size.Rows} rows: the same, and logits"));
        plan.Add("self caches", size.Batch * Floats(KeyValueCache.Size(d.NumHiddenLayers, size.Rows, d.NumKeyValueHeads * d.HeadDim)), "keys and values");
        plan.Add("cross caches", 2L * size.Batch * Floats(KeyValueCache.Size(d.NumHiddenLayers, size.Characters, width)), "keys and values, and their gradients");
        plan.Add("program", HostMemory.ProgramBytes, "itself and its runtime");
        return plan;
    }

    /// <summary>Weights that are trained, as float32 ones, and the others as they are.</summary>
    private void AddTrained(WeightSpec[] specs, WeightStorage[] formats, Func<string, bool> isTrained)
    {
        long values = 0, others = 0;
        foreach ((WeightSpec spec, WeightStorage format) in specs.Zip(formats, (s, f) => (s, isTrained(s.Name) ? WeightFormat.Float32 : f)))
        {
            (long bytes, long prepared) = (format.Bytes(spec), Pieces(_device.PreparedBytes(spec, format)));
            (values, others) = isTrained(spec.Name) ? (values + bytes, others + prepared) : (values, others + bytes + prepared);
        }

        Add("weights", values + others, "float32 ones of the model's own where they are trained");
        Add("gradients", values, "float32");
        Add("moments", 2 * values, "two of each weight");
    }

    /// <summary>The weights as they are, and an adapter.</summary>
    private void AddAdapter(WeightSpec[] specs, WeightStorage[] formats, int rank)
    {
        long stored = 0, prepared = 0, down = 0, up = 0;
        foreach ((WeightSpec spec, WeightStorage format) in specs.Zip(formats))
            (stored, prepared) = (stored + format.Bytes(spec), prepared + Pieces(_device.PreparedBytes(spec, format)));
        foreach (LoraLayer layer in LoraWeights.LayersOf(new LoraConfig { R = rank }, specs))
            (down, up) = (down + (long)rank * specs[layer.Weight].Shape[1], up + (long)rank * specs[layer.Weight].Shape[0]);
        Add("weights", stored + prepared, string.Join(", ", formats.Select(f => f.Name).Distinct()) + ", as they are stored");
        Add("adapter", (down + 2 * up + 3L * LoraAdapter.PartRows * rank) * sizeof(float), Text($"rank {rank}"));
        Add("gradients", (down + up) * sizeof(float), "float32");
        Add("moments", 2 * (down + up) * sizeof(float), "two of each parameter");
    }

    private static string Text(FormattableString text) => text.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
