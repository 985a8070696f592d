using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>A network that is compiled into the program, a model or a codec.</summary>
public abstract class CompiledNetwork
{
    /// <summary>The name of its configuration folder; a model and its codec have the same.</summary>
    public abstract string Name { get; }

    /// <summary>Its config.json, every field spelled out.</summary>
    public abstract string ConfigurationText { get; }

    /// <summary>Its parameters.</summary>
    public abstract WeightSpec[] Weights();

    /// <summary>Its operations, function by function.</summary>
    public abstract IReadOnlyList<OperationInfo> Operations();
}

/// <summary>One model configuration: what an emitted class implements.</summary>
public abstract class CompiledModel : CompiledNetwork, IBackendVisitor<DiaNetwork>
{
    /// <summary>The configuration.</summary>
    public abstract DiaConfig Config { get; }

    /// <summary>The inverse frequencies [head_dim/2] that the encoder's rotary positions start with, as bits of float32.</summary>
    public abstract ReadOnlySpan<uint> EncoderInverseFrequencies { get; }

    /// <summary>The inverse frequencies [head_dim/2] that the decoder's rotary positions start with, as bits of float32.</summary>
    public abstract ReadOnlySpan<uint> DecoderInverseFrequencies { get; }

    /// <inheritdoc/>
    public sealed override string ConfigurationText => CanonicalJson.Write(Config);

    /// <summary>Sizes of the passes.</summary>
    public abstract ArenaSizes Arenas { get; }

    /// <summary>The network on a backend, without its weights.</summary>
    public abstract DiaNetwork Visit<TBackend>(TBackend backend)
        where TBackend : struct, IBackend;

    /// <summary>Training of the network on a backend, with the network's weights; null: it was compiled without (build property DiaTraining).</summary>
    public virtual TrainingNetwork? Train<TBackend>(TBackend backend, DiaNetwork network)
        where TBackend : struct, ITrainingBackend => null;

    /// <summary>The same on a device, in a turn.</summary>
    /// <exception cref="DiaException">The device cannot train (Device), or it was compiled without training (Model).</exception>
    internal TrainingNetwork Train(Device device, DiaNetwork network) => device.AcceptTraining(new TrainingVisitor(this, network))
        ?? throw new DiaException(DiaErrorKind.Model, $"'{Name}' was compiled without training: build with -p:DiaTraining=true.");

    /// <summary>What the names of all weights but the head's begin with; a checkpoint of the model without its head leaves it out.</summary>
    internal const string BasePrefix = "model.";

    private Function[]? _functions;

    /// <summary>Whether a weight is the head's, by its number.</summary>
    internal bool IsHead(int weight) => FunctionOf(weight) == Function.Logits;

    /// <summary>The first function that uses a weight, by its number.</summary>
    internal Function FunctionOf(int weight)
    {
        if (_functions is null)
        {
            var functions = new Function[Weights().Length];
            foreach (OperationInfo operation in Operations().Where(o => o.Weight >= 0).Reverse())
                functions[operation.Weight] = operation.Function;
            _functions = functions;
        }

        return _functions[weight];
    }

    /// <summary>The numbers of the matrices that a decoding step reads, each once.</summary>
    internal int[] StepMatrices() => [.. Operations()
        .Where(o => o is { Function: Function.Decode or Function.Logits, Kind: OperationKind.Linear, Weight: >= 0 }).Select(o => o.Weight).Distinct()];

    /// <summary>The encoder's rotary positions before the first call.</summary>
    internal RotaryEmbedding EncoderRope() => new(RotaryFrequencies.For(Config.EncoderConfig), Floats(EncoderInverseFrequencies));

    /// <summary>The decoder's rotary positions before the first call of a sequence.</summary>
    internal RotaryEmbedding DecoderRope() => new(RotaryFrequencies.For(Config.DecoderConfig), Floats(DecoderInverseFrequencies));

    private static float[] Floats(ReadOnlySpan<uint> bits) => MemoryMarshal.Cast<uint, float>(bits).ToArray();

    private sealed class TrainingVisitor(CompiledModel compiled, DiaNetwork network) : ITrainingVisitor<TrainingNetwork?>
    {
        public TrainingNetwork? Visit<TBackend>(TBackend backend)
            where TBackend : struct, ITrainingBackend => compiled.Train(backend, network);
    }
}

/// <summary>One codec configuration: what an emitted class implements.</summary>
public abstract class CompiledCodec : CompiledNetwork, IBackendVisitor<DacNetwork>
{
    /// <summary>The configuration.</summary>
    public abstract DacConfig Config { get; }

    /// <summary>Its operations, and the sizes of its windows.</summary>
    public abstract CodecLayout Layout { get; }

    /// <inheritdoc/>
    public sealed override string ConfigurationText => CanonicalJson.Write(Config);

    /// <inheritdoc/>
    public sealed override IReadOnlyList<OperationInfo> Operations() => Layout.Operations;

    /// <summary>The network on a backend, without its weights.</summary>
    public abstract DacNetwork Visit<TBackend>(TBackend backend)
        where TBackend : struct, IBackend;

    /// <summary>Training of the network on a backend, with the network's weights; null: it was compiled without (build property DiaTraining).</summary>
    public virtual DacTrainingNetwork? Train<TBackend>(TBackend backend, DacNetwork network)
        where TBackend : struct, ITrainingBackend => null;

    /// <summary>The same on a device, in a turn.</summary>
    /// <exception cref="DiaException">The device cannot train (Device), or it was compiled without training (Model).</exception>
    internal DacTrainingNetwork Train(Device device, DacNetwork network) => device.AcceptTraining(new TrainingVisitor(this, network))
        ?? throw new DiaException(DiaErrorKind.Model, $"The codec of '{Name}' was compiled without training: build with -p:DiaTraining=true.");

    private sealed class TrainingVisitor(CompiledCodec compiled, DacNetwork network) : ITrainingVisitor<DacTrainingNetwork?>
    {
        public DacTrainingNetwork? Visit<TBackend>(TBackend backend)
            where TBackend : struct, ITrainingBackend => compiled.Train(backend, network);
    }
}
