using Dia.Networks;

namespace Dia.Modeling;

/// <summary>
/// What the encoder makes of texts, as the reference's <c>BaseModelOutput</c>. A forward pass takes it in place of input ids, as often as wanted; any values
/// may be given.
/// </summary>
public sealed class EncoderOutput
{
    /// <summary>An encoder output of given values.</summary>
    /// <param name="lastHiddenState">The values [B, S, width]; they are not copied.</param>
    /// <param name="batch">Texts (B), at least 1.</param>
    /// <param name="textLength">Ids of each (S), at least 1.</param>
    /// <exception cref="ArgumentException">The values are not batch·textLength equal rows.</exception>
    public EncoderOutput(float[] lastHiddenState, int batch, int textLength)
    {
        ArgumentNullException.ThrowIfNull(lastHiddenState);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(textLength, 1);
        if (lastHiddenState.Length == 0 || lastHiddenState.Length % ((long)batch * textLength) != 0)
            throw new ArgumentException($"{lastHiddenState.Length} values are not {batch} x {textLength} equal rows.", nameof(lastHiddenState));
        (LastHiddenState, Batch, TextLength) = (lastHiddenState, batch, textLength);
    }

    /// <summary>The hidden state after the final norm [B, S, width].</summary>
    public float[] LastHiddenState { get; }

    /// <summary>Texts (B).</summary>
    public int Batch { get; }

    /// <summary>Ids of each, padding included (S).</summary>
    public int TextLength { get; }

    /// <summary>Values of a row: the encoder's hidden_size.</summary>
    public int Width => LastHiddenState.Length / (Batch * TextLength);

    /// <summary>Hidden states [B, S, width]: the embedding, the outputs of all layers but the last, the final norm's; empty where not asked for.</summary>
    public IReadOnlyList<float[]> HiddenStates { get; init; } = [];

    /// <summary>Attention maps, layer by layer; empty where not asked for.</summary>
    public IReadOnlyList<AttentionMap> Attentions { get; init; } = [];
}
