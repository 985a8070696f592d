using Dia.Backends;
using Dia.Backends.Cuda;
using Dia.Configuration;
using Dia.Generation;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>
/// Items that run together on a network: each place holds an item or none, and an item may come and go between any two steps. The
/// prompts run item by item, the steps of all items share each pass over the weights. Each call takes a turn on the device, and fails once the model
/// is disposed; the session itself is one caller's.
/// </summary>
internal sealed unsafe class DecoderSession : IDecoderSession
{
    /// <summary>Rows of a prompt that run at once: enough to be bound by arithmetic, few enough to bound the arena.</summary>
    public const int PromptRows = 256;

    private readonly Tenant _tenant;
    private readonly DiaNetwork _network;
    private readonly DeviceMemory _memory;
    private readonly CompiledModel _compiled;
    private readonly DiaConfig _config;
    private readonly DecoderItem?[] _items;
    private readonly float* _unconditionalCross;
    private readonly int _logitsWidth;

    /// <summary>Makes room for the steps; there are no items yet.</summary>
    /// <param name="tenant">The model's turns.</param>
    /// <param name="network">The network.</param>
    /// <param name="compiled">The compiled model it is of.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="places">Most items at a time.</param>
    /// <param name="unconditionalCross">The constants of unconditional cross-attention; null where no item has guidance.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public DecoderSession(Tenant tenant, DiaNetwork network, CompiledModel compiled, DiaConfig config, int places, float* unconditionalCross)
    {
        (_tenant, _network, _memory, _compiled, _config) = (tenant, network, network.Memory, compiled, config);
        _unconditionalCross = unconditionalCross;
        _logitsWidth = config.DecoderConfig.NumChannels * config.DecoderConfig.VocabSize;
        _items = new DecoderItem?[places];
        int rows = checked(places * (unconditionalCross is null ? 1 : 2));
        StepPass = new DecoderPass(network, config.DecoderConfig, rows, rows, Phase.Decode) { UnconditionalCross = unconditionalCross };
        try
        {
            Logits = _memory.Allocate((long)rows * _logitsWidth);
        }
        catch
        {
            StepPass.Dispose();
            throw;
        }
    }

    /// <summary>The model's turns on its device.</summary>
    public Tenant Tenant => _tenant;

    /// <summary>The pass of the steps.</summary>
    public DecoderPass StepPass { get; }

    /// <summary>The logits of the last prompt or step [rows, channels·vocabulary], in device memory.</summary>
    public float* Logits { get; }

    /// <summary>Encodes a text and makes its caches, at a place that is free.</summary>
    /// <param name="place">The place.</param>
    /// <param name="ids">Text ids, checked, at least one.</param>
    /// <param name="mask">1 where an id is text; empty: everywhere.</param>
    /// <param name="maxRows">Most rows the item can get.</param>
    /// <param name="guidance">Whether it also has a sequence without the text.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Open(int place, ReadOnlySpan<int> ids, ReadOnlySpan<int> mask, int maxRows, bool guidance)
    {
        using Lock.Scope turn = _tenant.Enter();
        if (_items[place] is not null || (guidance && _unconditionalCross is null))
            throw new InvalidOperationException("The place is taken, or the session has no guidance.");
        _items[place] = new DecoderItem(_network, _compiled, _config, ids, mask, maxRows, guidance);
    }

    /// <summary>Frees a place and its item's caches.</summary>
    public void Close(int place)
    {
        using Lock.Scope turn = _tenant.EnterToFree();
        _items[place]?.Dispose();
        _items[place] = null;
    }

    /// <inheritdoc/>
    public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> conditional, Span<float> unconditional)
    {
        using Lock.Scope turn = _tenant.Enter();
        CheckLogits(conditional, unconditional, 1);
        Prompt(item, rows, rowCount);
        _memory.Download(conditional, Logits);
        _memory.Download(unconditional, Logits + _logitsWidth);
    }

    /// <summary>Runs an item's prompt; <see cref="Logits"/> then has the last row's, and behind them those without the text.</summary>
    /// <param name="item">The item's place.</param>
    /// <param name="rows">Ids [rowCount, channels].</param>
    /// <param name="rowCount">Number of rows, at least 1.</param>
    public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount)
    {
        using Lock.Scope turn = _tenant.Enter();
        DecoderItem it = _items[item]!;
        int channels = _config.DecoderConfig.NumChannels, hidden = _config.DecoderConfig.HiddenSize;
        int block = Math.Min(rowCount, PromptRows), sequences = it.Unconditional is null ? 1 : 2;
        using var pass = new DecoderPass(_network, _config.DecoderConfig, block * sequences, sequences, Phase.Prefill) { UnconditionalCross = _unconditionalCross };
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
            _network.Decode(pass);
            pass.Advance();
            if (start + count == rowCount)
            {
                _network.Logits(Logits, pass.Output + ((long)(count - 1) * hidden), 1, Phase.Decode);
                if (it.Unconditional is not null)
                    _network.Logits(Logits + _logitsWidth, pass.Output + ((long)((2 * count) - 1) * hidden), 1, Phase.Decode);
            }
        }
    }

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> conditional, Span<float> unconditional)
    {
        using Lock.Scope turn = _tenant.Enter();
        CheckLogits(conditional, unconditional, items.Length);
        PrepareStep(items, rows);
        RunStep();
        StepPass.Advance();
        _memory.Download(conditional, Logits);
        _memory.Download(unconditional, Logits + ((long)items.Length * _logitsWidth));
    }

    /// <summary>Fills the step's pass with a further row for each of the listed items: first those with the text, then those without.</summary>
    public void PrepareStep(ReadOnlySpan<int> items, ReadOnlySpan<int> rows)
    {
        using Lock.Scope turn = _tenant.Enter();
        int channels = _config.DecoderConfig.NumChannels;
        StepPass.Clear();
        for (int i = 0; i < items.Length; i++)
        {
            DecoderItem item = _items[items[i]]!;
            item.Rope.Update(item.Conditional.Self.Length + 1);
            StepPass.Add(item.Conditional, rows.Slice(i * channels, channels));
        }

        for (int i = 0; i < items.Length; i++)
            if (_items[items[i]]!.Unconditional is { } other)
                StepPass.Add(other, rows.Slice(i * channels, channels));
        StepPass.Send();
    }

    /// <summary>Runs the step's pass; <see cref="Logits"/> then has its rows'. On a device that is captured, not run, while its stream is.</summary>
    public void RunStep()
    {
        using Lock.Scope turn = _tenant.Enter();
        _network.Decode(StepPass);
        _network.Logits(Logits, StepPass.Output, StepPass.Rows, Phase.Decode);
    }

    /// <summary>Says how many rows an item's caches hold, where a device has appended them by itself.</summary>
    public void SetCached(int item, int rows)
    {
        _items[item]!.Conditional.Self.Length = rows;
        if (_items[item]!.Unconditional is { } other)
            other.Self.Length = rows;
    }

    /// <inheritdoc/>
    IGenerationSteps? IDecoderSession.CreateSteps(int places) => _memory is CudaMemory cuda ? new CudaGenerationSteps(cuda.Device, this, _config, places) : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        using Lock.Scope turn = _tenant.EnterToFree();
        for (int place = 0; place < _items.Length; place++)
            Close(place);
        StepPass.Dispose();
        _memory.Free(Logits);
    }

    /// <summary>Logits are copied to where they go by its length: it must not ask for more than there are.</summary>
    private void CheckLogits(ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, int items)
    {
        if (conditional.Length != items * _logitsWidth || unconditional.Length % _logitsWidth != 0 || unconditional.Length > items * _logitsWidth)
        {
            throw new ArgumentException(
                $"The model's logits are {_logitsWidth} an item; there is room for {conditional.Length} and {unconditional.Length} of {items}.", nameof(conditional));
        }
    }
}
