namespace Dia.Audio.Formats;

/// <summary>A linear prediction in whole numbers.</summary>
/// <param name="Coefficients">Those of the samples before, the latest first.</param>
/// <param name="Shift">The sum is shifted right by it.</param>
internal sealed record LinearPrediction(long[] Coefficients, int Shift)
{
    /// <summary>
    /// The prediction of a block: Levinson and Durbin's recursion on the autocorrelation under a Welch window; of the order that seems to need the fewest
    /// bits.
    /// </summary>
    /// <param name="block">The samples.</param>
    /// <param name="maxOrder">The highest order.</param>
    /// <param name="bits">Bits of a coefficient, its sign's too.</param>
    /// <param name="maxShift">The largest shift.</param>
    /// <returns>Null: the block is too short or says nothing.</returns>
    public static LinearPrediction? Of(ReadOnlySpan<short> block, int maxOrder, int bits, int maxShift)
    {
        if (block.Length <= 4 * maxOrder)
            return null;
        double[] correlation = Autocorrelation(block, maxOrder);
        if (correlation[0] == 0)
            return null;
        double error = correlation[0], least = double.MaxValue;
        double[] coefficients = new double[maxOrder], best = [];
        for (int order = 1; order <= maxOrder; order++)
        {
            double sum = correlation[order];
            for (int k = 0; k < order - 1; k++)
                sum -= coefficients[k] * correlation[order - 1 - k];
            double reflection = sum / error;
            double[] before = coefficients[..(order - 1)];
            for (int k = 0; k < order - 1; k++)
                coefficients[k] -= reflection * before[order - 2 - k];
            coefficients[order - 1] = reflection;
            error *= 1 - reflection * reflection;
            if (error <= 0)
                break;
            double cost = 0.5 * Math.Log2(error / block.Length) * block.Length + order * (bits + 16);
            if (cost < least)
                (least, best) = (cost, coefficients[..order]);
        }

        return best.Length == 0 ? null : Round(best, bits, maxShift);
    }

    private static double[] Autocorrelation(ReadOnlySpan<short> block, int maxOrder)
    {
        var windowed = new double[block.Length];
        for (int i = 0; i < block.Length; i++)
        {
            double x = (2.0 * i - (block.Length - 1)) / (block.Length + 1);
            windowed[i] = block[i] * (1 - x * x);
        }

        var correlation = new double[maxOrder + 1];
        for (int lag = 0; lag <= maxOrder; lag++)
            for (int i = lag; i < windowed.Length; i++)
                correlation[lag] += windowed[i] * windowed[i - lag];
        return correlation;
    }

    /// <summary>Rounds coefficients, each with what rounding the one before lost.</summary>
    private static LinearPrediction? Round(double[] coefficients, int bits, int maxShift)
    {
        double largest = coefficients.Max(Math.Abs);
        int shift = Math.Min(maxShift, bits - 2 - (int)Math.Floor(Math.Log2(largest)));
        if (!double.IsFinite(largest) || shift < 0)
            return null;
        long most = (1L << (bits - 1)) - 1;
        double lost = 0;
        var rounded = new long[coefficients.Length];
        for (int i = 0; i < rounded.Length; i++)
        {
            double exact = coefficients[i] * (1L << shift) + lost;
            rounded[i] = Math.Clamp((long)Math.Round(exact), -most - 1, most);
            lost = exact - rounded[i];
        }

        return new LinearPrediction(rounded, shift);
    }
}
