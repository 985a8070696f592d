using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>One pass over whole sequences, in a turn: the encoder where there are text ids, then the decoder; and what came out.</summary>
internal sealed unsafe class ForwardPass
{
    private readonly DiaPreTrainedModel _model;
    private readonly DiaDecoderConfig _decoder;
    private readonly DeviceMemory _memory;

    private ForwardPass(DiaPreTrainedModel model, ForwardArguments given)
    {
        (_model, _decoder, _memory, Given) = (model, model.Config.DecoderConfig, model.Network.Memory, given);
        Encoder = given.EncoderOutput;
    }

    /// <summary>What was given, checked.</summary>
    public ForwardArguments Given { get; }

    /// <summary>The encoder output; null where the cache had the text.</summary>
    public EncoderOutput? Encoder { get; private set; }

    /// <summary>The decoder output [B, T, D].</summary>
    public float[] LastHiddenState { get; private set; } = [];

    /// <summary>Logits [B·C, T, V]; empty without a head.</summary>
    public float[] Logits { get; private set; } = [];

    /// <summary>The loss of all labels.</summary>
    public CrossEntropy Loss { get; private set; }

    /// <summary>The decoder's hidden states and attention maps; null where none were asked for.</summary>
    public ForwardTrace? Trace { get; private set; }

    /// <summary>What a backward pass may follow; null: none.</summary>
    public TrainingPass? Training { get; private set; }

    /// <summary>The rows so far; null where it was not asked for.</summary>
    public PastKeyValues? PastKeyValues { get; private set; }

    /// <summary>The model's configuration.</summary>
    public DiaConfig Config => _model.Config;

    /// <summary>Runs a pass.</summary>
    /// <param name="model">The model.</param>
    /// <param name="arguments">What the caller gave.</param>
    /// <param name="head">Whether logits are wanted.</param>
    /// <exception cref="ArgumentException">As <see cref="ForwardArguments.Checked"/>.</exception>
    /// <exception cref="DiaException">Input: likewise. Device: no memory.</exception>
    public static ForwardPass Run(DiaPreTrainedModel model, ForwardArguments arguments, bool head)
    {
        using Lock.Scope turn = model.Tenant.Enter();
        var pass = new ForwardPass(model, arguments.Checked(model));
        if (pass.Given.Gradients is { } gradients)
            pass.Train(gradients);
        else
            pass.Run(head);
        return pass;
    }

    /// <summary>Runs the encoder alone, in a turn.</summary>
    /// <param name="model">The model.</param>
    /// <param name="ids">Text ids [B, S], checked.</param>
    /// <param name="mask">1 where an id is text, same shape; null: everywhere.</param>
    /// <param name="hiddenStates">Whether to record hidden states.</param>
    /// <param name="attentions">Whether to record attention maps.</param>
    /// <param name="read">Sees the pass before it goes, or null.</param>
    public static EncoderOutput Encode(DiaPreTrainedModel model, int[,] ids, int[,]? mask, bool hiddenStates, bool attentions, Action<EncoderPass>? read = null)
    {
        DeviceMemory memory = model.Network.Memory;
        int batch = ids.GetLength(0), length = ids.GetLength(1), width = model.Config.EncoderConfig.HiddenSize;
        using ForwardTrace? trace = NewTrace(memory, hiddenStates, attentions);
        RotaryEmbedding rope = model.Compiled.EncoderRope();
        rope.Update(length);
        ReadOnlySpan<int> text = mask is null ? default : DiaPreTrainedModel.Flat(mask);
        using var pass = new EncoderPass(model.Network, rope, DiaPreTrainedModel.Flat(ids), text, batch, trace) { Phase = model.PromptPhase };
        model.Network.Encode(pass);
        read?.Invoke(pass);
        trace?.Complete();
        float[] hidden = new float[batch * length * width];
        memory.Download(hidden, pass.Output(0, width));
        return new EncoderOutput(hidden, batch, length) { HiddenStates = trace?.EncoderHiddenStates ?? [], Attentions = trace?.EncoderAttentions ?? [] };
    }

    private static ForwardTrace? NewTrace(DeviceMemory memory, bool hiddenStates, bool attentions) =>
        hiddenStates || attentions ? new ForwardTrace(memory, hiddenStates, attentions) : null;

    private void Run(bool head)
    {
        PastKeyValues past = Given.PastKeyValues
            ?? new PastKeyValues(_model, Given.Batch, Given.TextLength, Given.UseCache ? PastKeyValues.Room(Given.Rows) : Given.Rows);
        int ropeLength = past.RopeLength;
        bool kept = false;
        try
        {
            Encode(past);
            past.Reserve(Given.Rows);
            Decode(past, head);
            kept = Given.UseCache || past == Given.PastKeyValues;
            PastKeyValues = kept ? past : null;
        }
        finally
        {
            if (past != Given.PastKeyValues && !kept)
                past.Dispose();
            else if (!kept)
                past.Rope.MoveTo(ropeLength);
        }
    }

    private void Train(ParameterGradients gradients)
    {
        Training = new TrainingPass(_model, Given, gradients);
        try
        {
            AddLoss(Training.Logits);
            if (Given.LossOnly)
                return;
            float[] hidden = new float[Given.Batch * Given.TextLength * _model.Config.EncoderConfig.HiddenSize];
            _memory.Download(hidden, Training.EncoderOutput);
            Encoder = new EncoderOutput(hidden, Given.Batch, Given.TextLength);
            LastHiddenState = new float[Given.Batch * Given.Rows * _decoder.HiddenSize];
            _memory.Download(LastHiddenState, Training.DecoderOutput);
            Logits = ReadLogits(Training.Logits);
        }
        catch
        {
            Training.Dispose();
            throw;
        }
    }

    /// <summary>Runs the encoder over text ids, and fills a new cache's text with its output or the one that is given.</summary>
    private void Encode(PastKeyValues past)
    {
        Action<EncoderPass>? fill = Given.PastKeyValues is not null ? null : pass =>
        {
            for (int i = 0; i < Given.Batch; i++)
                _model.Network.CrossKeyValues(pass, i, past.Cross(i));
        };
        if (Given.InputIds is { } ids)
            Encoder = Encode(_model, ids, Given.AttentionMask, Given.OutputHiddenStates, Given.OutputAttentions, fill);
        else if (fill is not null)
            Fill(Encoder!, fill);
    }

    private void Fill(EncoderOutput given, Action<EncoderPass> fill)
    {
        using var pass = new EncoderPass(_model.Network, _model.Compiled.EncoderRope(), new int[given.Batch * given.TextLength], default, given.Batch)
        {
            Phase = _model.PromptPhase,
        };
        _memory.Upload(pass.Output(0, given.Width), given.LastHiddenState);
        fill(pass);
    }

    private void Decode(PastKeyValues past, bool head)
    {
        int batch = Given.Batch, rows = Given.Rows, keys = Given.Cached + rows, width = rows * _decoder.NumChannels;
        // A step's products stream the weights once, and are those of generation: the same bits.
        Phase phase = rows == 1 && Given.Cached > 0 ? _model.StepPhase : _model.PromptPhase;
        using ForwardTrace? trace = NewTrace(_memory, Given.OutputHiddenStates, Given.OutputAttentions);
        using var pass = new DecoderPass(_model.Network, _decoder, batch * rows, batch, phase, trace);
        byte* textMask = null, audioMask = null;
        try
        {
            textMask = _memory.Place(Mask(Given.AttentionMask, batch * Given.TextLength));
            audioMask = Given.DecoderAttentionMask is { } mask ? _memory.Place(Mask(mask, batch * keys)) : null;
            int[] ids = DiaPreTrainedModel.Flat(Given.Ids).ToArray(), positions = Given.DecoderPositionIds is { } p ? DiaPreTrainedModel.Flat(p).ToArray() : [];
            past.Rope.Update(positions.Length == 0 ? keys : positions.Max() + 1);
            for (int i = 0; i < batch; i++)
                pass.Add(past.Stream(i, textMask + (long)i * Given.TextLength, audioMask is null ? null : audioMask + (long)i * keys),
                    ids.AsSpan(i * width, width), positions.Length == 0 ? default : positions.AsSpan(i * rows, rows));
            pass.Send();
            _model.Network.Decode(pass);
            trace?.Complete();
            Trace = trace;
            LastHiddenState = new float[batch * rows * _decoder.HiddenSize];
            _memory.Download(LastHiddenState, pass.Output);
            if (head)
                Logits = ComputeLogits(pass);
            pass.Advance();
        }
        finally
        {
            _memory.Free(textMask);
            _memory.Free(audioMask);
        }
    }

    private float[] ComputeLogits(DecoderPass pass)
    {
        float* flat = _memory.Allocate((long)Given.Batch * Given.Rows * _decoder.NumChannels * _decoder.VocabSize);
        try
        {
            _model.Network.Logits(flat, pass.Output, Given.Batch * Given.Rows, pass.Phase);
            AddLoss(flat);
            return Given.LossOnly ? [] : ReadLogits(flat);
        }
        finally
        {
            _memory.Free(flat);
        }
    }

    /// <summary>The loss of all rows' logits [B·T, C·V], where there are labels.</summary>
    private void AddLoss(float* logits)
    {
        int channels = _decoder.NumChannels;
        long width = (long)channels * _decoder.VocabSize;
        CrossEntropy loss = default;
        fixed (int* labels = Given.Labels)
            for (int b = 0; labels is not null && b < Given.Batch; b++)
                _model.Network.Loss(logits + b * Given.Rows * width, labels + (long)b * channels * Given.Rows, Given.Rows, ref loss);
        Loss = loss;
    }

    /// <summary>Logits [B·C, T, V] of all rows; the network gives [B·T, C·V].</summary>
    private float[] ReadLogits(float* flat)
    {
        int batch = Given.Batch, rows = Given.Rows, channels = _decoder.NumChannels, vocabulary = _decoder.VocabSize;
        long width = (long)channels * vocabulary;
        float[] logits = new float[batch * rows * width];
        ReadOnlySpan<float> all = _memory.Read(flat, logits.Length);
        for (int b = 0; b < batch; b++)
            for (int t = 0; t < rows; t++)
                for (int c = 0; c < channels; c++)
                    all.Slice(((b * rows + t) * channels + c) * vocabulary, vocabulary).CopyTo(logits.AsSpan(((b * channels + c) * rows + t) * vocabulary));
        return logits;
    }

    internal static byte[] Mask(int[,]? mask, int count)
    {
        byte[] bytes = new byte[count];
        if (mask is null)
            Array.Fill(bytes, (byte)1);
        else
            for (int i = 0; i < count; i++)
                bytes[i] = mask[i / mask.GetLength(1), i % mask.GetLength(1)] != 0 ? (byte)1 : (byte)0;
        return bytes;
    }
}
