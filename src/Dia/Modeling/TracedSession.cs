using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>
/// A batch that runs together as in the reference, with all of its padding, so that what is recorded has the reference's shapes: every pass has a row of each
/// item, and with guidance behind them those without the text, which see a text of zeros in the encoder and in cross-attention. It takes more time and
/// memory than a <see cref="DecoderSession"/>.
/// </summary>
internal sealed unsafe class TracedSession : IDecoderSession
{
    private readonly DiaPreTrainedModel _model;
    private readonly DeviceMemory _memory;
    private readonly DecoderStream[] _streams;
    private readonly List<IDisposable> _owned = [];
    private readonly int[,,] _prompt;
    private readonly int[] _leftPadding;
    private readonly int _width;
    private readonly bool _hiddenStates;
    private readonly bool _attentions;
    private readonly byte* _audioMask;
    private readonly float* _logits;

    /// <summary>Encodes the texts and makes the caches.</summary>
    /// <param name="model">The model.</param>
    /// <param name="ids">Text ids [B, S], checked.</param>
    /// <param name="mask">1 where an id is text [B, S]; null: everywhere.</param>
    /// <param name="prompt">The rows to start from [B, rows, C], left padding included, checked.</param>
    /// <param name="leftPadding">Rows of it that the model must not see, item by item.</param>
    /// <param name="maxRows">Most rows of an item, left padding included.</param>
    /// <param name="guidance">Whether each item has a stream without the text too.</param>
    /// <param name="hiddenStates">Whether to record hidden states.</param>
    /// <param name="attentions">Whether to record attention maps.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public TracedSession(DiaPreTrainedModel model, int[,] ids, int[,]? mask, int[,,] prompt, int[] leftPadding, int maxRows, bool guidance, bool hiddenStates,
        bool attentions)
    {
        (_model, _memory, _prompt, _leftPadding) = (model, model.Network.Memory, prompt, leftPadding);
        (_hiddenStates, _attentions) = (hiddenStates, attentions);
        DiaDecoderConfig d = model.Config.DecoderConfig;
        int batch = ids.GetLength(0), length = ids.GetLength(1);
        _width = d.NumChannels * d.VocabSize;
        _streams = new DecoderStream[guidance ? 2 * batch : batch];
        using Lock.Scope turn = model.Tenant.Enter();
        try
        {
            _logits = _memory.Allocate((long)_streams.Length * _width);
            if (leftPadding.Any(padding => padding > 0))
                _audioMask = _memory.Place(AudioMask(maxRows));
            RotaryEmbedding rope = model.Compiled.EncoderRope();
            rope.Update(length);
            Encoder = Own(new ForwardTrace(_memory, hiddenStates, attentions));
            int[] texts = Streams(ids, new int[ids.GetLength(0), length]), masks = mask is null ? [] : Streams(mask, mask);
            EncoderPass encoder = Own(new EncoderPass(model.Network, rope, texts, masks, _streams.Length, Encoder) { Phase = model.PromptPhase });
            model.Network.Encode(encoder);
            Encoder.Complete();
            for (int i = 0; i < _streams.Length; i++)
            {
                var cross = Own(new KeyValueCache(_memory, d.NumHiddenLayers, length, d.CrossNumKeyValueHeads * d.CrossHeadDim, model.CacheFormat));
                cross.Length = length;
                model.Network.CrossKeyValues(encoder, i, cross);
                _streams[i] = new DecoderStream
                {
                    Self = Own(new KeyValueCache(_memory, d.NumHiddenLayers, maxRows, d.NumKeyValueHeads * d.HeadDim, model.CacheFormat)),
                    Cross = cross,
                    Rope = model.Compiled.DecoderRope(),
                    TextMask = encoder.Mask(i),
                    AudioMask = _audioMask is null ? null : _audioMask + (long)i * maxRows,
                };
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What the encoder's pass recorded.</summary>
    public ForwardTrace Encoder { get; }

    /// <summary>What each step recorded, the prompt's first.</summary>
    public List<ForwardTrace> Steps { get; } = [];

    /// <summary>The first item's call runs the prompts of all.</summary>
    public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> logits)
    {
        using Lock.Scope turn = _model.Tenant.Enter();
        if (item == 0)
            Run(DiaPreTrainedModel.Flat(_prompt), _prompt.GetLength(1), _model.PromptPhase);
        _memory.Download(logits[.._width], _logits + (long)item * _width);
        if (logits.Length > _width)
            _memory.Download(logits[_width..], _logits + (long)(_leftPadding.Length + item) * _width);
    }

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> logits)
    {
        if (items.Length != _leftPadding.Length)
            throw new InvalidOperationException("All items take part in each step.");
        using Lock.Scope turn = _model.Tenant.Enter();
        Run(rows, 1, _model.StepPhase);
        _memory.Download(logits, _logits);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using Lock.Scope turn = _model.Tenant.EnterToFree();
        _owned.ForEach(owned => owned.Dispose());
        _owned.Clear();
        Steps.ForEach(step => step.Dispose());
        _memory.Free(_audioMask);
        _memory.Free(_logits);
    }

    /// <summary>Runs further rows [B, rows, C] of all items.</summary>
    private void Run(ReadOnlySpan<int> ids, int rows, Phase phase)
    {
        DiaDecoderConfig d = _model.Config.DecoderConfig;
        var trace = new ForwardTrace(_memory, _hiddenStates, _attentions);
        Steps.Add(trace);
        using var pass = new DecoderPass(_model.Network, d, _streams.Length * rows, _streams.Length, phase, trace);
        int[] positions = new int[rows];
        for (int i = 0; i < _streams.Length; i++)
        {
            int item = i % _leftPadding.Length, first = _streams[i].Self.Length - _leftPadding[item];
            for (int row = 0; row < rows; row++)
                positions[row] = first + row < 0 ? 1 : first + row; // as the reference has it for rows that nobody sees
            _streams[i].Rope.Update(first + rows);
            pass.Add(_streams[i], ids.Slice(item * rows * d.NumChannels, rows * d.NumChannels), positions);
        }

        pass.Send();
        _model.Network.Decode(pass);
        pass.Advance();
        trace.Complete();
        for (int i = 0; i < _streams.Length; i++)
            _model.Network.Logits(_logits + (long)i * _width, pass.Output + ((long)(i + 1) * rows - 1) * d.HiddenSize, 1, _model.StepPhase);
    }

    private T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    private byte[] AudioMask(int maxRows)
    {
        byte[] mask = new byte[checked(_streams.Length * maxRows)];
        for (int i = 0; i < mask.Length; i++)
            mask[i] = i % maxRows < _leftPadding[i / maxRows % _leftPadding.Length] ? (byte)0 : (byte)1;
        return mask;
    }

    /// <summary>The values of all streams: the items', and with guidance behind them those without the text.</summary>
    private int[] Streams(int[,] values, int[,] withoutText) =>
        [.. DiaPreTrainedModel.Flat(values), .. _streams.Length > _leftPadding.Length ? DiaPreTrainedModel.Flat(withoutText) : []];
}
