namespace Dia.Generation;

/// <summary>Picks an id from a channel's scores: the best one, or a draw. Holds scratch only.</summary>
internal sealed class TokenSampler(int vocabularySize)
{
    private readonly double[] _weights = new double[vocabularySize];

    /// <summary>The id of the greatest score, the lowest of equals (0 where every score is negative infinity).</summary>
    public static int Best(ReadOnlySpan<float> scores)
    {
        int best = 0;
        for (int id = 1; id < scores.Length; id++)
            if (scores[id] > scores[best])
                best = id;
        return best;
    }

    /// <summary>
    /// The first id, counted upwards, whose running sum of exp(score − max) in double exceeds u times the whole sum. The order of
    /// the sum is part of the contract (numerics.md, "The draw"): every device gives the same id for the same scores.
    /// </summary>
    /// <param name="scores">The scores [vocabulary], at least one above negative infinity, none NaN or positive infinity.</param>
    /// <param name="u">A uniform number in [0, 1).</param>
    public int Draw(ReadOnlySpan<float> scores, double u)
    {
        double max = scores[Best(scores)];
        double total = 0;
        int last = 0;
        for (int id = 0; id < scores.Length; id++)
        {
            // Negative infinity has the weight 0 without being asked for it, but exp is what costs here.
            double weight = scores[id] == float.NegativeInfinity ? 0 : Math.Exp(scores[id] - max);
            _weights[id] = weight;
            total += weight;
            if (weight > 0)
                last = id;
        }

        double sum = 0;
        for (int id = 0; id < last; id++)
        {
            sum += _weights[id];
            if (sum > u * total)
                return id;
        }

        // u·total can round up to total: then no running sum exceeds it, and the last candidate is meant.
        return last;
    }
}
