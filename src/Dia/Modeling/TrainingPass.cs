using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>
/// A forward pass over whole sequences with labels whose backward pass may follow: what the one keeps for the other lies in its arenas until it is
/// disposed.
/// </summary>
internal sealed unsafe class TrainingPass : IDisposable
{
    private readonly DiaPreTrainedModel _model;
    private readonly TrainingNetwork _training;
    private readonly ParameterGradients _gradients;
    private readonly DeviceMemory _memory;
    private readonly EncoderPass _encoder;
    private readonly DecoderPass _decoder;
    private readonly List<KeyValueCache> _caches = [];
    private readonly int* _labels;
    private readonly byte* _audioMask;
    private readonly (ulong Seed, uint Pass) _draw;
    private bool _isDone;

    /// <summary>Runs the forward pass, in a turn.</summary>
    /// <param name="model">The model.</param>
    /// <param name="given">What it reads, checked.</param>
    /// <param name="gradients">What the backward pass adds to.</param>
    /// <exception cref="DiaException">Device: no memory, or it cannot train. Model: it was compiled without training.</exception>
    public TrainingPass(DiaPreTrainedModel model, ForwardArguments given, ParameterGradients gradients)
    {
        (_model, _training, _gradients, _memory) = (model, model.Training(), gradients, model.Network.Memory);
        _draw = (model.DropoutSeed, model.DropoutPass++);
        _training.Adapter?.Reserve();
        Draw();
        RotaryEmbedding textRope = model.Compiled.EncoderRope(), rope = model.Compiled.DecoderRope();
        int[] positions = given.DecoderPositionIds is { } p ? DiaPreTrainedModel.Flat(p).ToArray() : [];
        textRope.Update(given.TextLength);
        rope.Update(positions.Length == 0 ? given.Rows : positions.Max() + 1);
        _encoder = new EncoderPass(model.Network, textRope, DiaPreTrainedModel.Flat(given.InputIds!),
            given.AttentionMask is { } mask ? DiaPreTrainedModel.Flat(mask) : default, given.Batch, arenas: _training.Arenas);
        try
        {
            DiaDecoderConfig d = model.Config.DecoderConfig;
            _decoder = new DecoderPass(model.Network, d, given.Batch * given.Rows, given.Batch, Phase.Prefill, arenas: _training.Arenas);
            _labels = (int*)_memory.Place(MemoryMarshal.AsBytes<int>(LabelsByRow(given, d.NumChannels)));
            _audioMask = given.DecoderAttentionMask is { } rows ? _memory.Place(ForwardPass.Mask(rows, given.Batch * given.Rows)) : null;
            _training.Encode(_encoder);
            for (int i = 0; i < given.Batch; i++)
                AddSequence(i, given, rope, positions);
            _decoder.Send();
            _training.Decode(_decoder);
            _training.Logits(_decoder);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The encoder output [B·S, width], in device memory.</summary>
    public float* EncoderOutput => _encoder.Output(0, _model.Config.EncoderConfig.HiddenSize);

    /// <summary>The decoder output [B·T, D], in device memory.</summary>
    public float* DecoderOutput => _decoder.Output;

    /// <summary>The logits [B·T, C·V], in device memory.</summary>
    public float* Logits => _decoder[_training.LogitsOffset];

    /// <summary>Adds the gradients of the summed loss times a scale.</summary>
    /// <exception cref="InvalidOperationException">It was done: the gradients of a pass are added once.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    /// <exception cref="ObjectDisposedException">The model, its device or the gradients are disposed.</exception>
    public void Backward(float scale)
    {
        using Lock.Scope turn = _model.Tenant.Enter();
        if (_isDone)
            throw new InvalidOperationException("The gradients of this pass are there already: run another forward pass.");
        _gradients.CheckUsable();
        _isDone = true;
        Draw();
        DiaDecoderConfig d = _model.Config.DecoderConfig;
        using var cross = new KeyValueCache(_memory, d.NumHiddenLayers, _encoder.Rows, d.CrossNumKeyValueHeads * d.CrossHeadDim);
        _training.LossBackward(_decoder, _labels, scale);
        _training.LogitsBackward(_decoder, _gradients);
        _training.DecodeBackward(_decoder, _gradients, cross);
        _training.CrossKeyValuesBackward(_encoder, _gradients, cross);
        _training.EncodeBackward(_encoder, _gradients);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using Lock.Scope turn = _model.Tenant.EnterToFree();
        _isDone = true;
        _caches.ForEach(c => c.Dispose());
        _caches.Clear();
        _memory.Free(_labels);
        _memory.Free(_audioMask);
        _decoder?.Dispose();
        _encoder.Dispose();
    }

    /// <summary>What the adapter drops in this pass, forward and backward.</summary>
    private void Draw()
    {
        if (_training.Adapter is { } adapter)
            adapter.Draw = _draw;
    }

    private void AddSequence(int i, ForwardArguments given, RotaryEmbedding rope, int[] positions)
    {
        DiaDecoderConfig d = _model.Config.DecoderConfig;
        int rows = given.Rows, width = rows * d.NumChannels;
        var cross = new KeyValueCache(_memory, d.NumHiddenLayers, given.TextLength, d.CrossNumKeyValueHeads * d.CrossHeadDim) { Length = given.TextLength };
        _caches.Add(cross);
        _training.CrossKeyValues(_encoder, i, cross);
        var self = new KeyValueCache(_memory, d.NumHiddenLayers, rows, d.NumKeyValueHeads * d.HeadDim);
        _caches.Add(self);
        var stream = new DecoderStream
        {
            Self = self, Cross = cross, Rope = rope, TextMask = _encoder.Mask(i), AudioMask = _audioMask is null ? null : _audioMask + (long)i * rows,
        };
        _decoder.Add(stream, DiaPreTrainedModel.Flat(given.Ids).Slice(i * width, width), positions.Length == 0 ? default : positions.AsSpan(i * rows, rows));
    }

    /// <summary>The labels [B·C, T] as [B·T, C].</summary>
    private static int[] LabelsByRow(ForwardArguments given, int channels)
    {
        ReadOnlySpan<int> from = DiaPreTrainedModel.Flat(given.Labels!);
        int[] labels = new int[from.Length];
        for (int i = 0; i < labels.Length; i++)
            labels[(i / given.Rows / channels * given.Rows + i % given.Rows) * channels + i / given.Rows % channels] = from[i];
        return labels;
    }
}
