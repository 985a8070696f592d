using Dia.Backends;
using Dia.Configuration;
using Dia.Generation;

namespace Dia.Modeling;

/// <summary>
/// Items that run together on a network: each place holds an item or none, and an item may come and go between any two steps. The
/// prompts run item by item, the steps of all items share each pass over the weights.
/// </summary>
internal sealed unsafe class DecoderSession : IDecoderSession
{
    /// <summary>Rows of a prompt that run at once: enough to be bound by arithmetic, few enough to bound the arena.</summary>
    private const int PromptRows = 256;

    private readonly DiaNetwork _network;
    private readonly DeviceMemory _memory;
    private readonly CompiledModel _compiled;
    private readonly DiaConfig _config;
    private readonly DecoderItem?[] _items;
    private readonly float* _unconditionalCross;
    private readonly DecoderPass _step;
    private readonly float* _logits;
    private readonly int _logitsWidth;

    /// <summary>Makes room for the steps; there are no items yet.</summary>
    /// <param name="network">The network.</param>
    /// <param name="compiled">The compiled model it is of.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="places">Most items at a time.</param>
    /// <param name="unconditionalCross">The constants of unconditional cross-attention; null where no item has guidance.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public DecoderSession(DiaNetwork network, CompiledModel compiled, DiaConfig config, int places, float* unconditionalCross)
    {
        (_network, _memory, _compiled, _config) = (network, network.Memory, compiled, config);
        _unconditionalCross = unconditionalCross;
        _logitsWidth = config.DecoderConfig.NumChannels * config.DecoderConfig.VocabSize;
        _items = new DecoderItem?[places];
        int rows = places * (unconditionalCross is null ? 1 : 2);
        _step = new DecoderPass(network, config.DecoderConfig, rows, rows) { UnconditionalCross = unconditionalCross };
        _logits = _memory.Allocate((long)rows * _logitsWidth);
    }

    /// <summary>Encodes a text and makes its caches, at a place that is free.</summary>
    /// <param name="place">The place.</param>
    /// <param name="ids">Text ids, checked, at least one.</param>
    /// <param name="mask">1 where an id is text; empty: everywhere.</param>
    /// <param name="maxRows">Most rows the item can get.</param>
    /// <param name="guidance">Whether it also has a sequence without the text.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Open(int place, ReadOnlySpan<int> ids, ReadOnlySpan<int> mask, int maxRows, bool guidance)
    {
        if (_items[place] is not null || (guidance && _unconditionalCross is null))
            throw new InvalidOperationException("The place is taken, or the session has no guidance.");
        _items[place] = new DecoderItem(_network, _compiled, _config, ids, mask, maxRows, guidance);
    }

    /// <summary>Frees a place and its item's caches.</summary>
    public void Close(int place)
    {
        _items[place]?.Dispose();
        _items[place] = null;
    }

    /// <inheritdoc/>
    public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> conditional, Span<float> unconditional)
    {
        DecoderItem it = _items[item]!;
        int channels = _config.DecoderConfig.NumChannels, hidden = _config.DecoderConfig.HiddenSize;
        int block = Math.Min(rowCount, PromptRows), sequences = it.Unconditional is null ? 1 : 2;
        using var pass = new DecoderPass(_network, _config.DecoderConfig, block * sequences, sequences) { UnconditionalCross = _unconditionalCross };
        for (int start = 0; start < rowCount; start += block)
        {
            int count = Math.Min(block, rowCount - start);
            ReadOnlySpan<int> ids = rows.Slice(start * channels, count * channels);
            it.Rope.Update(start + count);
            pass.Clear();
            pass.Add(it.Conditional, ids);
            if (it.Unconditional is { } other)
                pass.Add(other, ids);
            pass.Send();
            _network.DecodeBlock(pass);
            pass.Advance();
            if (start + count == rowCount)
            {
                Logits(pass.Output + ((long)(count - 1) * hidden), conditional);
                if (it.Unconditional is not null)
                    Logits(pass.Output + ((long)((2 * count) - 1) * hidden), unconditional);
            }
        }
    }

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> conditional, Span<float> unconditional)
    {
        int channels = _config.DecoderConfig.NumChannels;
        _step.Clear();
        for (int i = 0; i < items.Length; i++)
        {
            DecoderItem item = _items[items[i]]!;
            item.Rope.Update(item.Conditional.Self.Length + 1);
            _step.Add(item.Conditional, rows.Slice(i * channels, channels));
        }

        for (int i = 0; i < items.Length; i++)
            if (_items[items[i]]!.Unconditional is { } other)
                _step.Add(other, rows.Slice(i * channels, channels));
        _step.Send();
        _network.DecodeStep(_step);
        _step.Advance();
        _network.StepLogits(_logits, _step.Output, _step.Rows);
        _memory.Download(conditional, _logits);
        _memory.Download(unconditional, _logits + ((long)items.Length * _logitsWidth));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int place = 0; place < _items.Length; place++)
            Close(place);
        _step.Dispose();
        _memory.Free(_logits);
    }

    private void Logits(float* output, Span<float> to)
    {
        _network.StepLogits(_logits, output, 1);
        _memory.Download(to, _logits);
    }
}
