using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>What a forward pass gives without a head, as the reference's <c>Seq2SeqModelOutput</c>.</summary>
public class DiaModelOutput
{
    internal DiaModelOutput(ForwardPass pass)
    {
        (Config, Batch, Rows, TextLength) = (pass.Config, pass.Given.Batch, pass.Given.Rows, pass.Given.TextLength);
        (LastHiddenState, EncoderOutput, PastKeyValues) = (pass.LastHiddenState, pass.Encoder, pass.PastKeyValues);
        if (pass.Trace is { } trace)
            (DecoderHiddenStates, DecoderAttentions, CrossAttentions) = (trace.DecoderHiddenStates, trace.DecoderAttentions, trace.CrossAttentions);
    }

    /// <summary>The model's configuration.</summary>
    public DiaConfig Config { get; }

    /// <summary>Sequences (B).</summary>
    public int Batch { get; }

    /// <summary>Audio rows of each that were given (T).</summary>
    public int Rows { get; }

    /// <summary>Text ids of each (S).</summary>
    public int TextLength { get; }

    /// <summary>The decoder's hidden state after the final norm [B, T, D].</summary>
    public float[] LastHiddenState { get; }

    /// <summary>What was cached, and these rows: to be given to the next pass, and to be disposed. Null where no cache was asked for or given.</summary>
    public PastKeyValues? PastKeyValues { get; }

    /// <summary>What the encoder gave, or was given in its place; null where the text was in the cache.</summary>
    public EncoderOutput? EncoderOutput { get; }

    /// <summary>The encoder's hidden state after the final norm [B, S, width]; null where the text was in the cache.</summary>
    public float[]? EncoderLastHiddenState => EncoderOutput?.LastHiddenState;

    /// <summary>Those of <see cref="EncoderOutput"/>, each [B, S, width]; empty: not asked for.</summary>
    public IReadOnlyList<float[]> EncoderHiddenStates => EncoderOutput?.HiddenStates ?? [];

    /// <summary>Those of <see cref="EncoderOutput"/>; empty: not asked for.</summary>
    public IReadOnlyList<AttentionMap> EncoderAttentions => EncoderOutput?.Attentions ?? [];

    /// <summary>The decoder's hidden states [B, T, D]: the embedding, the outputs of all layers but the last, the final norm's; empty: not asked for.</summary>
    public IReadOnlyList<float[]> DecoderHiddenStates { get; } = [];

    /// <summary>The decoder's self-attention maps over all rows so far, layer by layer; empty: not asked for.</summary>
    public IReadOnlyList<AttentionMap> DecoderAttentions { get; } = [];

    /// <summary>The decoder's cross-attention maps, layer by layer; empty: not asked for.</summary>
    public IReadOnlyList<AttentionMap> CrossAttentions { get; } = [];
}

/// <summary>What a forward pass gives, as the reference's <c>Seq2SeqLMOutput</c>.</summary>
public sealed class DiaOutput : DiaModelOutput, IDisposable
{
    private readonly TrainingPass? _training;
    private readonly float _scale;

    internal DiaOutput(ForwardPass pass, double? numItemsInBatch)
        : base(pass)
    {
        (Logits, Loss) = (pass.Logits, pass.Given.Labels is null ? null : pass.Loss.Mean(numItemsInBatch));
        (_training, _scale) = (pass.Training, (float)(1 / (numItemsInBatch ?? pass.Loss.Count)));
    }

    /// <summary>Logits [B·C, T, V].</summary>
    public float[] Logits { get; }

    /// <summary>The loss; null where no labels were given, NaN where all of them are −100.</summary>
    public float? Loss { get; }

    /// <summary>Adds the gradients of the loss to those that the forward pass was given; once.</summary>
    /// <exception cref="InvalidOperationException">It was given none, or they are added already.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    /// <exception cref="ObjectDisposedException">This, the gradients, the model or its device is disposed.</exception>
    public void Backward()
    {
        if (_training is null)
            throw new InvalidOperationException("This pass kept nothing for a backward pass: give Forward the gradients that are to be added to.");
        _training.Backward(_scale);
    }

    /// <summary>Frees what was kept for the backward pass.</summary>
    public void Dispose() => _training?.Dispose();
}
