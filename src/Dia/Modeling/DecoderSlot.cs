using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>One item of a <see cref="DecoderSession"/>: its text's keys and values, its own caches, with guidance also those without the text.</summary>
internal sealed unsafe class DecoderSlot : IDisposable
{
    private readonly KeyValueCache _cross;
    private readonly DeviceMemory _memory;
    private readonly byte* _textMask;

    /// <summary>Encodes the text and makes the caches.</summary>
    /// <param name="model">The model.</param>
    /// <param name="ids">Text ids, at least one.</param>
    /// <param name="mask">1 where an id is text; empty: everywhere.</param>
    /// <param name="maxRows">Most rows the item can get.</param>
    /// <param name="guidance">Whether it has a second sequence, without the text.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public DecoderSlot(DiaPreTrainedModel model, ReadOnlySpan<int> ids, ReadOnlySpan<int> mask, int maxRows, bool guidance)
    {
        DiaNetwork network = model.Network;
        DiaDecoderConfig d = model.Config.DecoderConfig;
        _memory = network.Memory;
        // Padding at the end is left out: what a text gives does not depend on the longer texts beside it.
        int length = ids.Length;
        while (!mask.IsEmpty && length > 1 && mask[length - 1] == 0)
            length--;
        Rope = model.Compiled.DecoderRope();
        RotaryEmbedding textRope = model.Compiled.EncoderRope();
        textRope.Update(length);
        KeyValueCache? self = null, other = null;
        _cross = new KeyValueCache(_memory, d.NumHiddenLayers, length, d.CrossNumKeyValueHeads * d.CrossHeadDim, model.CacheFormat) { Length = length };
        try
        {
            self = new KeyValueCache(_memory, d.NumHiddenLayers, maxRows, d.NumKeyValueHeads * d.HeadDim, model.CacheFormat);
            if (guidance)
                other = new KeyValueCache(_memory, d.NumHiddenLayers, maxRows, d.NumKeyValueHeads * d.HeadDim, model.CacheFormat);
            byte[] text = new byte[length];
            for (int i = 0; i < length; i++)
                text[i] = mask.IsEmpty || mask[i] != 0 ? (byte)1 : (byte)0;
            _textMask = _memory.Place(text);

            // After what stays: the encoder's arena goes again and must not leave a gap that nothing fits.
            using var encoder = new EncoderPass(network, textRope, ids[..length], mask.IsEmpty ? default : mask[..length], 1)
            {
                Phase = model.PromptPhase,
            };
            network.Encode(encoder);
            network.CrossKeyValues(encoder, 0, _cross);
        }
        catch
        {
            _memory.Free(_textMask);
            other?.Dispose();
            self?.Dispose();
            _cross.Dispose();
            throw;
        }

        Conditional = new DecoderStream { Self = self, Cross = _cross, Rope = Rope, TextMask = _textMask };
        Unconditional = other is null ? null : new DecoderStream { Self = other, Cross = null, Rope = Rope };
    }

    /// <summary>Its rotary embedding.</summary>
    public RotaryEmbedding Rope { get; }

    /// <summary>The sequence that sees the text.</summary>
    public DecoderStream Conditional { get; }

    /// <summary>The sequence that does not, or null.</summary>
    public DecoderStream? Unconditional { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Conditional.Self.Dispose();
        _cross.Dispose();
        Unconditional?.Self.Dispose();
        _memory.Free(_textMask);
    }
}
