using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>
/// Items that run together on a network: each slot holds an item or none, and an item may come and go between any two steps. The
/// prompts run item by item, the steps of all items share each pass over the weights. Each call takes a turn on the device, and fails once the model
/// is disposed; the session itself is one caller's.
/// </summary>
internal sealed unsafe class DecoderSession : IDecoderSession
{
    private readonly DiaPreTrainedModel _model;
    private readonly DeviceMemory _memory;
    private readonly DecoderSlot?[] _items;
    private readonly bool _guidance;
    private readonly int _logitsWidth;

    /// <summary>Makes room for the steps; there are no items yet.</summary>
    /// <param name="model">The model, in a turn.</param>
    /// <param name="slots">Most items at a time.</param>
    /// <param name="guidance">Whether any of them may have guidance.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public DecoderSession(DiaPreTrainedModel model, int slots, bool guidance)
    {
        (_model, _memory, _guidance) = (model, model.Network.Memory, guidance);
        DiaDecoderConfig d = Config.DecoderConfig;
        _logitsWidth = d.NumChannels * d.VocabSize;
        _items = new DecoderSlot?[slots];
        int rows = checked(slots * (guidance ? 2 : 1));
        StepPass = new DecoderPass(model.Network, d, rows, rows, model.StepPhase);
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
    public Tenant Tenant => _model.Tenant;

    /// <summary>The model's configuration.</summary>
    public DiaConfig Config => _model.Config;

    /// <summary>Most items at a time.</summary>
    public int Slots => _items.Length;

    /// <summary>The pass of the steps.</summary>
    public DecoderPass StepPass { get; }

    /// <summary>The logits of the last prompt or step [rows, channels·vocabulary], in device memory.</summary>
    public float* Logits { get; }

    /// <summary>Encodes a text and makes its caches, in a slot that is free.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="ids">Text ids, checked, at least one.</param>
    /// <param name="mask">1 where an id is text; empty: everywhere.</param>
    /// <param name="maxRows">Most rows the item can get.</param>
    /// <param name="guidance">Whether it also has a stream without the text.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Open(int slot, ReadOnlySpan<int> ids, ReadOnlySpan<int> mask, int maxRows, bool guidance)
    {
        using Lock.Scope turn = Tenant.Enter();
        if (_items[slot] is not null || (guidance && !_guidance))
            throw new InvalidOperationException("The slot is taken, or the session has no guidance.");
        if (guidance)
            StepPass.UnconditionalCross = _model.UnconditionalCross();
        _items[slot] = new DecoderSlot(_model, ids, mask, maxRows, guidance);
    }

    /// <summary>Frees a slot and its item's caches.</summary>
    public void Close(int slot)
    {
        using Lock.Scope turn = Tenant.EnterToFree();
        _items[slot]?.Dispose();
        _items[slot] = null;
    }

    /// <inheritdoc/>
    public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> logits)
    {
        using Lock.Scope turn = Tenant.Enter();
        CheckLogits(logits, 1);
        Prompt(item, rows, rowCount);
        _memory.Download(logits, Logits);
    }

    /// <summary>Runs an item's prompt; <see cref="Logits"/> then has the last row's, and behind them those without the text.</summary>
    /// <param name="item">The item's slot.</param>
    /// <param name="rows">Ids [rowCount, channels].</param>
    /// <param name="rowCount">Number of rows, at least 1.</param>
    /// <param name="see">Sees each block of rows, those with the text first, in place of the logits; null: nobody does.</param>
    public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Action<DecoderPass>? see = null)
    {
        using Lock.Scope turn = Tenant.Enter();
        DecoderSlot it = _items[item]!;
        int channels = Config.DecoderConfig.NumChannels, hidden = Config.DecoderConfig.HiddenSize;
        int block = Math.Min(rowCount, DecoderPass.PromptRows), sequences = it.Unconditional is null ? 1 : 2;
        using var pass = new DecoderPass(_model.Network, Config.DecoderConfig, block * sequences, sequences,
            _model.PromptPhase) { UnconditionalCross = StepPass.UnconditionalCross };
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
            _model.Network.Decode(pass);
            pass.Advance();
            see?.Invoke(pass);
            if (see is null && start + count == rowCount)
            {
                _model.Network.Logits(Logits, pass.Output + (long)(count - 1) * hidden, 1, _model.StepPhase);
                if (it.Unconditional is not null)
                    _model.Network.Logits(Logits + _logitsWidth, pass.Output + (long)(2 * count - 1) * hidden, 1, _model.StepPhase);
            }
        }
    }

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> logits)
    {
        using Lock.Scope turn = Tenant.Enter();
        CheckLogits(logits, items.Length);
        PrepareStep(items, rows);
        RunStep();
        StepPass.Advance();
        _memory.Download(logits, Logits);
    }

    /// <summary>Fills the step's pass with a further row for each of the listed items: first those with the text, then those without.</summary>
    public void PrepareStep(ReadOnlySpan<int> items, ReadOnlySpan<int> rows)
    {
        using Lock.Scope turn = Tenant.Enter();
        int channels = Config.DecoderConfig.NumChannels;
        StepPass.Clear();
        for (int i = 0; i < items.Length; i++)
        {
            DecoderSlot item = _items[items[i]]!;
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
        using Lock.Scope turn = Tenant.Enter();
        _model.Network.Decode(StepPass);
        _model.Network.Logits(Logits, StepPass.Output, StepPass.Rows, _model.StepPhase);
    }

    /// <summary>Says how many rows an item's caches hold, where a device has appended them by itself.</summary>
    public void SetCached(int item, int rows)
    {
        _items[item]!.Conditional.Self.Length = rows;
        if (_items[item]!.Unconditional is { } other)
            other.Self.Length = rows;
    }

    /// <summary>Gives an item rows that no pass made: for those who time steps.</summary>
    public void FillCaches(int item, int rows)
    {
        using Lock.Scope turn = Tenant.Enter();
        SetCached(item, rows);
        foreach (DecoderStream? stream in new[] { _items[item]!.Conditional, _items[item]!.Unconditional })
        {
            if (stream is null)
                continue;
            float[] values = new float[checked(rows * stream.Self.Width)];
            for (int i = 0; i < values.Length; i++)
                values[i] = (i * 7919 % 997 - 498) / 4096f;
            for (int part = 0; part < 2 * stream.Self.Layers; part++)
                stream.Self.Write(part, values);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using Lock.Scope turn = Tenant.EnterToFree();
        for (int slot = 0; slot < _items.Length; slot++)
            Close(slot);
        StepPass.Dispose();
        _memory.Free(Logits);
    }

    /// <summary>Logits are copied to where they go by its length: it must not ask for more than there are.</summary>
    private void CheckLogits(ReadOnlySpan<float> logits, int items)
    {
        if (logits.Length % _logitsWidth != 0 || logits.Length < items * _logitsWidth || logits.Length > 2L * items * _logitsWidth)
            throw new ArgumentException($"The model's logits are {_logitsWidth} a row; there is room for {logits.Length}, of {items} to {2 * items} rows.",
                nameof(logits));
    }
}
