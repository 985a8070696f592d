namespace Dia.Modeling;

/// <summary>The loss of a forward pass.</summary>
internal static class CrossEntropy
{
    /// <summary>The label of a place that does not count.</summary>
    public const int Ignored = -100;

    /// <summary>
    /// Cross-entropy of logits [rows, vocabulary] and labels [rows]: the sum over rows whose label is not −100 of
    /// log Σ exp(logits) − logit of the label, divided by their number or by <paramref name="items"/>.
    /// </summary>
    /// <returns>NaN where no row counts and no number of items is given.</returns>
    public static float Mean(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int vocabulary, double? items)
    {
        double sum = 0;
        long count = 0;
        for (int row = 0; row < labels.Length; row++)
        {
            if (labels[row] == Ignored)
                continue;
            ReadOnlySpan<float> x = logits.Slice(row * vocabulary, vocabulary);
            float max = float.NegativeInfinity;
            foreach (float v in x)
                max = MathF.Max(max, v);
            double total = 0;
            foreach (float v in x)
                total += Math.Exp((double)v - max);
            sum += Math.Log(total) + max - x[labels[row]];
            count++;
        }

        return (float)(sum / (items ?? count));
    }
}
