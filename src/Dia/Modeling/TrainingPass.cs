using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>
/// A forward pass over whole sequences with labels, and its backward pass. What the one keeps for the other lies in its arenas until it is disposed.
/// </summary>
internal sealed unsafe class TrainingPass : IDisposable
{
    private readonly DiaPreTrainedModel _model;
    private readonly TrainingNetwork _training;
    private readonly DeviceMemory _memory;
    private readonly EncoderPass _encoder;
    private readonly DecoderPass _decoder;
    private readonly List<KeyValueCache> _caches = [];
    private readonly int* _labels;
    private readonly byte* _audioMask;
    private readonly float _scale;

    /// <summary>Runs the forward pass, in a turn.</summary>
    /// <param name="model">The model.</param>
    /// <param name="training">Its training.</param>
    /// <param name="inputs">What it reads, checked.</param>
    /// <param name="numItemsInBatch">What the summed loss is divided by; null: the number of labels.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public TrainingPass(DiaPreTrainedModel model, TrainingNetwork training, in TrainingInputs inputs, double? numItemsInBatch)
    {
        (_model, _training, _memory) = (model, training, model.Network.Memory);
        DiaDecoderConfig d = model.Config.DecoderConfig;
        RotaryEmbedding textRope = model.Compiled.EncoderRope(), rope = model.Compiled.DecoderRope();
        textRope.Update(inputs.Length);
        rope.Update((inputs.Positions.Length == 0 ? inputs.Rows - 1 : inputs.Positions.Max()) + 1);
        _encoder = new EncoderPass(model.Network, textRope, inputs.Text, inputs.TextMask, inputs.Batch, arenas: training.Arenas);
        try
        {
            _decoder = new DecoderPass(model.Network, d, inputs.Batch * inputs.Rows, inputs.Batch, Phase.Prefill, arenas: training.Arenas);
            _labels = (int*)_memory.Place(MemoryMarshal.AsBytes<int>(inputs.LabelsByRow()));
            _audioMask = inputs.AudioMask.Length == 0 ? null : _memory.Place(inputs.AudioMask);
            training.Encode(_encoder);
            for (int i = 0; i < inputs.Batch; i++)
                AddSequence(i, inputs, rope);
            _decoder.Send();
            training.Decode(_decoder);
            training.Logits(_decoder);
            Loss = ComputeLoss(inputs, numItemsInBatch, out _scale);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The loss; NaN where no label counts and no number of items is given.</summary>
    public float Loss { get; }

    /// <summary>The logits [rows, channels·vocabulary], in device memory.</summary>
    public float* Logits => _decoder[_training.LogitsOffset];

    /// <summary>Adds the gradients of the loss, in a turn; once.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Backward(ParameterGradients gradients)
    {
        DiaDecoderConfig d = _model.Config.DecoderConfig;
        using var cross = new KeyValueCache(_memory, d.NumHiddenLayers, _encoder.Rows, d.CrossNumKeyValueHeads * d.CrossHeadDim);
        _training.LossBackward(_decoder, _labels, _scale);
        _training.LogitsBackward(_decoder, gradients);
        _training.DecodeBackward(_decoder, gradients, cross);
        _training.CrossKeyValuesBackward(_encoder, gradients, cross);
        _training.EncodeBackward(_encoder, gradients);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _caches.ForEach(c => c.Dispose());
        _memory.Free(_labels);
        _memory.Free(_audioMask);
        _decoder?.Dispose();
        _encoder.Dispose();
    }

    private void AddSequence(int i, in TrainingInputs inputs, RotaryEmbedding rope)
    {
        DiaDecoderConfig d = _model.Config.DecoderConfig;
        var cross = new KeyValueCache(_memory, d.NumHiddenLayers, inputs.Length, d.CrossNumKeyValueHeads * d.CrossHeadDim) { Length = inputs.Length };
        _caches.Add(cross);
        _training.CrossKeyValues(_encoder, i, cross);
        var self = new KeyValueCache(_memory, d.NumHiddenLayers, inputs.Rows, d.NumKeyValueHeads * d.HeadDim);
        _caches.Add(self);
        var stream = new DecoderStream
        {
            Self = self, Cross = cross, Rope = rope, TextMask = _encoder.Mask(i), AudioMask = _audioMask is null ? null : _audioMask + (long)i * inputs.Rows,
        };
        _decoder.Add(stream, inputs.RowsOf(i), inputs.PositionsOf(i));
    }

    private float ComputeLoss(in TrainingInputs inputs, double? items, out float scale)
    {
        CrossEntropy loss = default;
        DiaDecoderConfig d = _model.Config.DecoderConfig;
        int labels = d.NumChannels * inputs.Rows;
        fixed (int* label = inputs.Labels)
            for (int i = 0; i < inputs.Batch; i++)
                _model.Network.Loss(Logits + (long)i * labels * d.VocabSize, label + (long)i * labels, inputs.Rows, ref loss);
        scale = (float)(1 / (items ?? loss.Count));
        return loss.Mean(items);
    }
}

/// <summary>What a training pass reads: a batch, flat.</summary>
/// <param name="Batch">Sequences.</param>
/// <param name="Rows">Audio rows of each.</param>
/// <param name="Channels">Ids of a row.</param>
/// <param name="Text">Text ids [batch, length].</param>
/// <param name="TextMask">1 where an id is text, same shape; empty: everywhere.</param>
/// <param name="Audio">Audio ids [batch, rows, channels].</param>
/// <param name="AudioMask">1 where a row is to be seen [batch, rows]; empty: everywhere.</param>
/// <param name="Positions">Positions [batch, rows]; empty: 0 to rows − 1.</param>
/// <param name="Labels">Labels [batch·channels, rows].</param>
internal readonly record struct TrainingInputs(int Batch, int Rows, int Channels, int[] Text, int[] TextMask, int[] Audio, byte[] AudioMask, int[] Positions,
    int[] Labels)
{
    /// <summary>Ids of a text.</summary>
    public int Length => Text.Length / Batch;

    /// <summary>Audio ids [rows, channels] of a sequence.</summary>
    public ReadOnlySpan<int> RowsOf(int sequence) => Audio.AsSpan(sequence * Rows * Channels, Rows * Channels);

    /// <summary>Positions of a sequence's rows, or none.</summary>
    public ReadOnlySpan<int> PositionsOf(int sequence) => Positions.Length == 0 ? default : Positions.AsSpan(sequence * Rows, Rows);

    /// <summary>The labels [batch·rows, channels].</summary>
    public int[] LabelsByRow()
    {
        int[] labels = new int[Labels.Length];
        for (int i = 0; i < labels.Length; i++)
            labels[(i / Rows / Channels * Rows + i % Rows) * Channels + i / Rows % Channels] = Labels[i];
        return labels;
    }
}
