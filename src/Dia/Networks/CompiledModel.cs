using System.Runtime.InteropServices;
using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>One configuration compiled into the program: what an emitted class implements.</summary>
public abstract class CompiledModel
{
    /// <summary>The name of its configuration folder.</summary>
    public abstract string Name { get; }

    /// <summary>The model's configuration; null for a codec alone.</summary>
    public abstract DiaConfig? Config { get; }

    /// <summary>The codec's configuration; null where it has none.</summary>
    public abstract DacConfig? CodecConfig { get; }

    /// <summary>The inverse frequencies [head_dim/2] that the encoder's rotary positions start with, as bits of float32; empty for a codec alone.</summary>
    public abstract ReadOnlySpan<uint> EncoderInverseFrequencies { get; }

    /// <summary>The inverse frequencies [head_dim/2] that the decoder's rotary positions start with, as bits of float32; empty for a codec alone.</summary>
    public abstract ReadOnlySpan<uint> DecoderInverseFrequencies { get; }

    /// <summary>The model's parameters.</summary>
    public abstract WeightSpec[] Weights();

    /// <summary>The model's operations, function by function; empty for a codec alone.</summary>
    public abstract OperationInfo[] Operations();

    /// <summary>Sizes of the model's passes.</summary>
    public abstract ArenaSizes Arenas { get; }

    /// <summary>The codec's operations and the sizes of its windows; null where it has none.</summary>
    public abstract CodecLayout? CodecLayout { get; }

    /// <summary>The codec's parameters.</summary>
    public abstract WeightSpec[] CodecWeights();

    /// <summary>The network on a device, without its weights; null for a codec alone.</summary>
    public abstract DiaNetwork? CreateNetwork(Device device);

    /// <summary>The codec on a device, without its weights; null where there is none.</summary>
    public abstract DacNetwork? CreateCodec(Device device);

    /// <summary>The encoder's rotary positions before the first call.</summary>
    internal RotaryEmbedding EncoderRope(DiaConfig config) => new(RotaryFrequencies.For(config.EncoderConfig), Floats(EncoderInverseFrequencies));

    /// <summary>The decoder's rotary positions before the first call of a sequence.</summary>
    internal RotaryEmbedding DecoderRope(DiaConfig config) => new(RotaryFrequencies.For(config.DecoderConfig), Floats(DecoderInverseFrequencies));

    private static float[] Floats(ReadOnlySpan<uint> bits) => MemoryMarshal.Cast<uint, float>(bits).ToArray();
}
