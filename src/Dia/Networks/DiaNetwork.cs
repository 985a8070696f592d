using Dia.Backends;

namespace Dia.Networks;

/// <summary>What the plans of a network say, in float32 values of a row.</summary>
/// <param name="EncoderWidth">What a text row takes in the arena of an <see cref="EncoderPass"/>.</param>
/// <param name="EncoderOutput">Where the encoder output is there.</param>
/// <param name="DecoderWidth">What an audio row takes in the arena of a <see cref="DecoderPass"/>.</param>
/// <param name="DecoderOutput">Where the decoder output is there.</param>
public readonly record struct ArenaSizes(long EncoderWidth, long EncoderOutput, long DecoderWidth, long DecoderOutput)
{
    /// <summary>Rows of an arena come in sixteens, so that every activation in it starts on a 64-byte line.</summary>
    internal static int Rows(int rows) => checked((rows + 15) & ~15);
}

/// <summary>
/// The encoder and decoder of one configuration on one backend: what an emitted class implements. It holds weights and nothing of
/// a request; passes and caches are the caller's, so one network serves any number of requests, one pass at a time.
/// </summary>
public abstract unsafe class DiaNetwork : Network
{
    /// <summary>What is called after products with its weights; null: nothing.</summary>
    protected internal LinearAdapter? Adapter { get; internal set; }

    /// <summary>That, where it is a LoRA adapter.</summary>
    internal LoraAdapter? Lora => Adapter as LoraAdapter;

    /// <summary>Sizes of the passes' arenas.</summary>
    public abstract ArenaSizes Arenas { get; }

    /// <summary>Runs the encoder over the pass's texts.</summary>
    public abstract void Encode(EncoderPass p);

    /// <summary>Keys and values of every decoder layer's cross-attention for a text whose pass was encoded.</summary>
    public abstract void CrossKeyValues(EncoderPass p, int text, KeyValueCache cache);

    /// <summary>
    /// What cross-attention adds to an unconditional row in each layer, constants [layers, hidden], from the encoded pass of one zero byte
    /// (numerics.md, the exact saving).
    /// </summary>
    public abstract void UnconditionalCross(EncoderPass p, float* constants);

    /// <summary>Runs the decoder over the pass's rows of each sequence and stores their keys and values.</summary>
    public abstract void Decode(DecoderPass p);

    /// <summary>Logits [rows, channels·vocabulary] of decoder outputs.</summary>
    public abstract void Logits(float* logits, float* output, int rows, Phase phase);

    /// <summary>Adds the loss of logits [rows, channels·vocabulary], in device memory, and labels [channels, rows] of one sequence.</summary>
    public abstract void Loss(float* logits, int* labels, int rows, ref CrossEntropy loss);
}
