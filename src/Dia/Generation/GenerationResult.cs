using Dia.Configuration;
using Dia.Modeling;
using Dia.Networks;

namespace Dia.Generation;

/// <summary>
/// What a generation gives, as the reference's GenerateEncoderDecoderOutput. B counts the sequences (items times num_return_sequences); with guidance the
/// model runs 2B streams, those without the text behind those with it. Lists go by step, the prompt's first; what was not asked for is null.
/// </summary>
public sealed class GenerationResult
{
    internal GenerationResult(int[,,] sequences, GenerationStop[] stops, int textLength, GenerationConfig config, GenerationRecorder recorder,
        TracedSession? traced)
    {
        (Sequences, Stops, TextLength, Scores, Logits) = (sequences, stops, textLength, recorder.Scores, recorder.Logits);
        Streams = config.UsesGuidance ? 2 * stops.Length : stops.Length;
        if (traced is not null && config.OutputHiddenStates)
            (EncoderHiddenStates, DecoderHiddenStates) = (traced.Encoder.EncoderHiddenStates, [.. traced.Steps.Select(s => s.DecoderHiddenStates)]);
        if (traced is null || !config.OutputAttentions)
            return;
        EncoderAttentions = traced.Encoder.EncoderAttentions;
        DecoderAttentions = [.. traced.Steps.Select(s => s.DecoderAttentions)];
        CrossAttentions = [.. traced.Steps.Select(s => s.CrossAttentions)];
    }

    /// <summary>Ids [B, rows, C]: prompt, delay, EOS and PAD included; shorter ones end in PAD rows.</summary>
    public int[,,] Sequences { get; }

    /// <summary>Why each ended.</summary>
    public IReadOnlyList<GenerationStop> Stops { get; }

    /// <summary>Streams that the model ran: B, with guidance 2B.</summary>
    public int Streams { get; }

    /// <summary>Text ids of each (S).</summary>
    public int TextLength { get; }

    /// <summary>The scores that each step's ids were picked from, [B·C, V]; negative infinity is "not a candidate".</summary>
    public IReadOnlyList<float[]>? Scores { get; }

    /// <summary>The model's logits of each step, [streams·C, V].</summary>
    public IReadOnlyList<float[]>? Logits { get; }

    /// <summary>The encoder's hidden states, the embedding first, each [streams·S, width].</summary>
    public IReadOnlyList<float[]>? EncoderHiddenStates { get; }

    /// <summary>The encoder's attention maps, layer by layer.</summary>
    public IReadOnlyList<AttentionMap>? EncoderAttentions { get; }

    /// <summary>The decoder's hidden states of each step, the embedding first, each [streams·rows, width]: as many rows as the prompt has, then one.</summary>
    public IReadOnlyList<IReadOnlyList<float[]>>? DecoderHiddenStates { get; }

    /// <summary>The decoder's attention maps of each step, layer by layer.</summary>
    public IReadOnlyList<IReadOnlyList<AttentionMap>>? DecoderAttentions { get; }

    /// <summary>The attention maps of the text of each step, layer by layer.</summary>
    public IReadOnlyList<IReadOnlyList<AttentionMap>>? CrossAttentions { get; }
}
