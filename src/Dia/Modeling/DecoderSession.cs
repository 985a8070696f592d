using System.Runtime.InteropServices;
using Dia.Configuration;
using Dia.Generation;

namespace Dia.Modeling;

/// <summary>
/// One Generate call's batch on a network: each item has its own caches, with guidance a second sequence without the text. The prompts
/// run item by item, the steps of all items share each pass over the weights.
/// </summary>
internal sealed unsafe class DecoderSession : IDecoderSession
{
    /// <summary>Rows of a prompt that run at once: enough to be bound by arithmetic, few enough to bound the arena.</summary>
    private const int PromptRows = 256;

    private readonly DiaNetwork _network;
    private readonly DiaDecoderConfig _config;
    private readonly Item[] _items;
    private readonly float* _unconditionalCross;
    private readonly DecoderPass _step;
    private readonly float* _logits;
    private readonly int _logitsWidth;

    /// <summary>Encodes the texts and makes the caches.</summary>
    /// <param name="network">The network.</param>
    /// <param name="compiled">The compiled model it is of.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="inputIds">Text ids [batch, length].</param>
    /// <param name="attentionMask">1 where a byte is text; null: everywhere.</param>
    /// <param name="maxRows">Most rows an item can get.</param>
    /// <param name="unconditionalCross">The constants of unconditional cross-attention; null without guidance.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public DecoderSession(DiaNetwork network, CompiledModel compiled, DiaConfig config, int[,] inputIds, int[,]? attentionMask, int maxRows, float* unconditionalCross)
    {
        _network = network;
        _config = config.DecoderConfig;
        _unconditionalCross = unconditionalCross;
        _logitsWidth = _config.NumChannels * _config.VocabSize;
        _items = new Item[inputIds.GetLength(0)];
        int rows = _items.Length * (unconditionalCross is null ? 1 : 2);
        _step = new DecoderPass(network, _config.NumChannels, rows, rows) { UnconditionalCross = unconditionalCross };
        _logits = network.Allocate((long)rows * _logitsWidth);
        for (int i = 0; i < _items.Length; i++)
            _items[i] = new Item(network, compiled, config, Row(inputIds, i), attentionMask is null ? null : Row(attentionMask, i), maxRows, unconditionalCross is not null);
    }

    /// <inheritdoc/>
    public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> conditional, Span<float> unconditional)
    {
        Item it = _items[item];
        int channels = _config.NumChannels;
        int block = Math.Min(rowCount, PromptRows), sequences = it.Unconditional is null ? 1 : 2;
        using var pass = new DecoderPass(_network, channels, block * sequences, sequences) { UnconditionalCross = _unconditionalCross };
        for (int start = 0; start < rowCount; start += block)
        {
            int count = Math.Min(block, rowCount - start);
            ReadOnlySpan<int> ids = rows.Slice(start * channels, count * channels);
            it.Rope.Update(start + count);
            pass.Clear();
            pass.Add(it.Conditional, ids);
            if (it.Unconditional is { } other)
                pass.Add(other, ids);
            _network.DecodeBlock(pass);
            pass.Advance();
            if (start + count == rowCount)
            {
                Logits(pass.Output + ((long)(count - 1) * _config.HiddenSize), 1, conditional);
                if (it.Unconditional is not null)
                    Logits(pass.Output + ((long)((2 * count) - 1) * _config.HiddenSize), 1, unconditional);
            }
        }
    }

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> conditional, Span<float> unconditional)
    {
        int channels = _config.NumChannels;
        _step.Clear();
        for (int i = 0; i < items.Length; i++)
        {
            Item item = _items[items[i]];
            item.Rope.Update(item.Conditional.Self.Length + 1);
            _step.Add(item.Conditional, rows.Slice(i * channels, channels));
        }

        if (_unconditionalCross is not null)
            for (int i = 0; i < items.Length; i++)
                _step.Add(_items[items[i]].Unconditional!, rows.Slice(i * channels, channels));
        _network.DecodeStep(_step);
        _step.Advance();
        Logits(_step.Output, _step.Rows, default);
        var logits = new ReadOnlySpan<float>(_logits, _step.Rows * _logitsWidth);
        logits[..(items.Length * _logitsWidth)].CopyTo(conditional);
        logits[(items.Length * _logitsWidth)..].CopyTo(unconditional);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Item? item in _items)
            item?.Dispose();
        _step.Dispose();
        _network.Free(_logits);
    }

    private void Logits(float* output, int rows, Span<float> to)
    {
        _network.StepLogits(_logits, output, rows);
        if (!to.IsEmpty)
            new ReadOnlySpan<float>(_logits, rows * _logitsWidth).CopyTo(to);
    }

    private static int[] Row(int[,] matrix, int row)
    {
        var values = new int[matrix.GetLength(1)];
        for (int i = 0; i < values.Length; i++)
            values[i] = matrix[row, i];
        return values;
    }

    /// <summary>One item: its text's keys and values, its caches.</summary>
    private sealed class Item : IDisposable
    {
        private readonly byte* _textMask;

        public Item(DiaNetwork network, CompiledModel compiled, DiaConfig config, int[] ids, int[]? mask, int maxRows, bool guidance)
        {
            DiaDecoderConfig d = config.DecoderConfig;
            // Padding at the end is left out: what a text gives does not depend on the longer texts beside it.
            int length = ids.Length;
            while (mask is not null && length > 1 && mask[length - 1] == 0)
                length--;
            Rope = compiled.DecoderRope(config);
            RotaryEmbedding textRope = compiled.EncoderRope(config);
            textRope.Update(length);
            using var encoder = new EncoderPass(network, textRope, ids.AsSpan(0, length), mask is null ? default : mask.AsSpan(0, length), 1);
            network.Encode(encoder);
            var cross = new KeyValueCache(network, d.NumHiddenLayers, length, d.CrossNumKeyValueHeads * d.CrossHeadDim) { Length = length };
            network.CrossKeyValues(cross, encoder.Output(0, config.EncoderConfig.HiddenSize), length);
            _textMask = (byte*)NativeMemory.Alloc((nuint)length);
            new ReadOnlySpan<byte>(encoder.Mask(0), length).CopyTo(new Span<byte>(_textMask, length));
            Conditional = new DecoderSequence { Self = Cache(network, d, maxRows), Cross = cross, Rope = Rope, TextMask = _textMask };
            if (guidance)
                Unconditional = new DecoderSequence { Self = Cache(network, d, maxRows), Cross = null, Rope = Rope };
        }

        public RotaryEmbedding Rope { get; }

        public DecoderSequence Conditional { get; }

        public DecoderSequence? Unconditional { get; }

        public void Dispose()
        {
            Conditional.Self.Dispose();
            Conditional.Cross!.Dispose();
            Unconditional?.Self.Dispose();
            NativeMemory.Free(_textMask);
        }

        private static KeyValueCache Cache(DiaNetwork network, DiaDecoderConfig d, int maxRows) =>
            new(network, d.NumHiddenLayers, maxRows, d.NumKeyValueHeads * d.HeadDim);
    }
}
