namespace Dia.Generation;

/// <summary>Drops ids that are less likely than a part of the likeliest (Nguyen et al. 2024, 2407.01082).</summary>
internal sealed class MinPProcessor(double minP) : ILogitsProcessor
{
    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        float best = scores[TokenSampler.Best(scores)];
        foreach (ref float score in scores)
            if (score < best && Math.Exp((double)score - best) < minP)
                score = float.NegativeInfinity;
    }
}

/// <summary>
/// Keeps the ids whose surprise −ln p is nearest to its mean, the entropy, until they have the mass; ids as near as the last of them stay
/// (Meister et al. 2022, 2202.00666).
/// </summary>
internal sealed class TypicalPProcessor(double mass) : ILogitsProcessor
{
    private double[] _distances = [];
    private double[] _ordered = [];
    private double[] _probabilities = [];

    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        if (_distances.Length != scores.Length)
            (_distances, _ordered, _probabilities) = (new double[scores.Length], new double[scores.Length], new double[scores.Length]);
        (double logSum, double entropy) = Distribution.Of(scores);
        for (int id = 0; id < scores.Length; id++)
        {
            double surprise = logSum - scores[id];
            _ordered[id] = _distances[id] = Math.Abs(surprise - entropy);
            _probabilities[id] = Math.Exp(-surprise);
        }

        Array.Sort(_ordered, _probabilities);
        int last = 0;
        for (double sum = _probabilities[0]; sum < mass && last < scores.Length - 1; sum += _probabilities[last])
            last++;
        for (int id = 0; id < scores.Length; id++)
            if (_distances[id] > _ordered[last])
                scores[id] = float.NegativeInfinity;
    }
}

/// <summary>
/// Drops ids less likely than epsilon, or, by entropy, than the less of epsilon and √epsilon · exp(−entropy); the likeliest stays (Hewitt et al. 2022,
/// 2210.15191).
/// </summary>
internal sealed class CutoffProcessor(double epsilon, bool byEntropy) : ILogitsProcessor
{
    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        (double logSum, double entropy) = Distribution.Of(scores);
        double cutoff = byEntropy ? Math.Min(epsilon, Math.Sqrt(epsilon) * Math.Exp(-entropy)) : epsilon;
        float best = scores[TokenSampler.Best(scores)];
        foreach (ref float score in scores)
            if (score < best && Math.Exp(score - logSum) < cutoff)
                score = float.NegativeInfinity;
    }
}

/// <summary>What scores mean as probabilities.</summary>
internal static class Distribution
{
    /// <summary>
    /// The logarithm of the sum of exp(score), and the entropy in nats. Without a candidate both are NaN, and every comparison with them is false.
    /// </summary>
    public static (double LogSum, double Entropy) Of(ReadOnlySpan<float> scores)
    {
        double best = scores[TokenSampler.Best(scores)], sum = 0, entropy = 0;
        foreach (float score in scores)
            sum += Math.Exp(score - best);
        double logSum = best + Math.Log(sum);
        foreach (float score in scores)
            if (score > float.NegativeInfinity)
                entropy += Math.Exp(score - logSum) * (logSum - score);
        return (logSum, double.IsNaN(logSum) ? double.NaN : entropy);
    }
}
