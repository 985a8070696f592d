using Dia.Backends;

namespace Dia.Modeling;

/// <summary>
/// The encoder and decoder of one configuration on one backend: what an emitted class implements. It holds weights and nothing of
/// a request; passes and caches are the caller's, so one network serves any number of requests, one pass at a time.
/// </summary>
public abstract unsafe class DiaNetwork : Network
{
    /// <summary>Float32 values a text row takes in the arena of an <see cref="EncoderPass"/>.</summary>
    public abstract long EncoderArenaWidth { get; }

    /// <summary>Offset of the encoder output there.</summary>
    public abstract long EncoderOutput { get; }

    /// <summary>Float32 values an audio row takes in the arena of a <see cref="DecoderPass"/>.</summary>
    public abstract long DecoderArenaWidth { get; }

    /// <summary>Offset of the decoder output there.</summary>
    public abstract long DecoderOutput { get; }

    /// <summary>Runs the encoder; its output lies at <see cref="EncoderOutput"/>.</summary>
    public abstract void Encode(EncoderPass p);

    /// <summary>Keys and values of every decoder layer's cross-attention for an encoder output [rows, width].</summary>
    public abstract void CrossKeyValues(KeyValueCache cache, float* output, int rows);

    /// <summary>
    /// What cross-attention adds to an unconditional row in each layer, constants [layers, hidden], from the encoder output of a zero byte
    /// (numerics.md, the exact saving). <paramref name="scratch"/>: zeroed, key-value width + 2·query width values; <paramref name="one"/>: one
    /// query row over one key, whose key and value are at the start of scratch.
    /// </summary>
    public abstract void CrossOfUnconditional(float* constants, float* output, float* scratch, in AttentionBatch one);

    /// <summary>Runs the decoder over any number of rows of each sequence and stores their keys and values.</summary>
    public abstract void DecodeBlock(DecoderPass p);

    /// <summary>Runs the decoder over one row of each sequence.</summary>
    public abstract void DecodeStep(DecoderPass p);

    /// <summary>Logits [rows, channels·vocabulary] of decoder outputs, for many rows.</summary>
    public abstract void BlockLogits(float* logits, float* output, int rows);

    /// <summary>Logits [rows, channels·vocabulary] of decoder outputs, for a few rows; a row's do not depend on the others.</summary>
    public abstract void StepLogits(float* logits, float* output, int rows);
}
