using Dia.Configuration;
using Dia.Weights;

namespace Dia.FullSize;

/// <summary>What a model must at least read and compute, counted from its configuration and its table of weights.</summary>
internal sealed class Work(DiaConfig config, WeightSpec[] specs)
{
    /// <summary>Bytes of weights that a decoding step reads, whatever the number of its rows (embeddings: of one row).</summary>
    public long StepBytes(WeightFormat format)
    {
        int channels = config.DecoderConfig.NumChannels;
        return specs.Where(s => InDecoder(s) || s.Name == "logits_dense.weight")
            .Sum(s => s.Role == WeightRole.Embedding ? (long)channels * s.Shape[1] : s.Count) * (format == WeightFormat.Float32 ? 4 : 2);
    }

    /// <summary>Floating-point operations (a multiply-add is two) of the encoder over one text.</summary>
    public double EncoderFlops(int rows)
    {
        DiaEncoderConfig e = config.EncoderConfig;
        double linear = specs.Where(s => s.Role == WeightRole.Linear && s.Name.StartsWith("model.encoder.", StringComparison.Ordinal)).Sum(s => s.Count);
        return (2 * linear * rows) + (e.NumHiddenLayers * Attention((double)rows * rows, e.NumAttentionHeads * e.HeadDim));
    }

    /// <summary>The same of the decoder over a prompt, with guidance its unconditional rows too, whose cross-attention is a constant.</summary>
    public double PromptFlops(int rows, int textRows, bool guidance) => DecoderFlops(rows, rows * (rows + 1) / 2.0, textRows, guidance);

    /// <summary>The same of a decoding step of one utterance, logits included, over so many cached rows.</summary>
    public double StepFlops(int cachedRows, int textRows, bool guidance) =>
        DecoderFlops(1, cachedRows, textRows, guidance) + ((guidance ? 2 : 1) * 2.0 * specs.First(s => s.Name == "logits_dense.weight").Count);

    private double DecoderFlops(int rows, double pairs, int textRows, bool guidance)
    {
        DiaDecoderConfig d = config.DecoderConfig;
        WeightSpec[] linear = [.. specs.Where(s => s.Role == WeightRole.Linear && InDecoder(s))];
        double cross = linear.Where(s => s.Name.Contains("cross_attention", StringComparison.Ordinal)).Sum(s => s.Count);
        double each = (2 * (linear.Sum(s => s.Count) - cross) * rows) + (d.NumHiddenLayers * Attention(pairs, d.NumAttentionHeads * d.HeadDim));
        double conditional = (2 * cross * rows) + (d.NumHiddenLayers * Attention((double)rows * textRows, d.CrossNumAttentionHeads * d.CrossHeadDim));
        return (guidance ? 2 * each : each) + conditional;
    }

    /// <summary>Scores and weighted values of so many pairs of query and key.</summary>
    private static double Attention(double pairs, int width) => 4 * pairs * width;

    /// <summary>Used by every row: not the keys and values of the text, which are computed once.</summary>
    private static bool InDecoder(WeightSpec s) => s.Name.StartsWith("model.decoder.", StringComparison.Ordinal)
        && !s.Name.Contains("cross_attention.k_proj", StringComparison.Ordinal) && !s.Name.Contains("cross_attention.v_proj", StringComparison.Ordinal);
}
