using Dia.Backends;
using Dia.Graph;

namespace Dia.Networks;

/// <summary>
/// The functions of a network by a plan that keeps what their backward functions read, and those: what an emitted class implements. A pass goes forward,
/// then backward, both over the same arenas. It holds nothing of a pass; the weights are the network's.
/// </summary>
/// <param name="network">The network whose weights it uses.</param>
public abstract unsafe class TrainingNetwork(DiaNetwork network)
{
    /// <summary>Sizes of the passes' arenas.</summary>
    public abstract ArenaSizes Arenas { get; }

    /// <summary>Where the logits [rows, channels·vocabulary] are in a decoder pass's arena.</summary>
    public abstract long LogitsOffset { get; }

    /// <summary>Its operations, function by function.</summary>
    public abstract IReadOnlyList<OperationInfo> Operations();

    /// <summary>Runs the encoder over the pass's texts.</summary>
    public abstract void Encode(EncoderPass p);

    /// <summary>Keys and values of every decoder layer's cross-attention for a text whose pass was encoded.</summary>
    public abstract void CrossKeyValues(EncoderPass p, int text, KeyValueCache cache);

    /// <summary>Runs the decoder over the pass's rows, which are the first of each sequence.</summary>
    public abstract void Decode(DecoderPass p);

    /// <summary>Logits of the decoder output.</summary>
    public abstract void Logits(DecoderPass p);

    /// <summary>The gradient of the logits, of a loss that is the sum over labels [rows, channels] times a scale.</summary>
    public abstract void LossBackward(DecoderPass p, int* labels, float scale);

    /// <summary>From there to the gradient of the decoder output.</summary>
    public abstract void LogitsBackward(DecoderPass p, ParameterGradients g);

    /// <summary>From there to the gradients of the cross-attention's keys and values, [texts·length, width] in each layer.</summary>
    public abstract void DecodeBackward(DecoderPass p, ParameterGradients g, KeyValueCache cross);

    /// <summary>From there to the gradient of the encoder output.</summary>
    public abstract void CrossKeyValuesBackward(EncoderPass p, ParameterGradients g, KeyValueCache cross);

    /// <summary>From there through the encoder.</summary>
    public abstract void EncodeBackward(EncoderPass p, ParameterGradients g);

    /// <summary>What is added to products of the network's weights, as training does it; null: nothing.</summary>
    protected internal LoraTraining? Adapter => network.Lora?.Training;

    /// <summary>The network's weights.</summary>
    protected Weight[] Weights => network.Weights;
}
