namespace Dia.Testing;

/// <summary>Comparison with reference numbers.</summary>
public static class Tolerance
{
    /// <summary>The greatest difference, as a part of the largest magnitude expected; infinite where lengths differ or a NaN is on either side.</summary>
    public static double Error(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual) => Worst(expected, actual).Error;

    /// <summary>Every value within <paramref name="relative"/> of the largest magnitude expected.</summary>
    /// <exception cref="ToleranceException">One is not.</exception>
    public static void Equal(string name, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double relative)
    {
        if (expected.Length != actual.Length)
            throw new ToleranceException($"{name}: {actual.Length} values, expected {expected.Length}");
        (double error, int at) = Worst(expected, actual);
        if (error > relative)
            throw new ToleranceException(
                $"{name}: value {at} is {actual[at]}, expected {expected[at]}: off by {error:g3} of the largest value, allowed {relative:g3}");
    }

    private static (double Error, int At) Worst(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        if (expected.Length != actual.Length)
            return (double.PositiveInfinity, 0);
        double largest = 0, worst = 0;
        int at = 0;
        foreach (float e in expected)
            largest = Math.Max(largest, Math.Abs(e));
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Math.Abs((double)expected[i] - actual[i]);
            if (double.IsNaN(difference))
                return (double.PositiveInfinity, i);
            if (difference > worst)
                (worst, at) = (difference, i);
        }

        return (worst == 0 ? 0 : worst / largest, at);
    }
}

/// <summary>A value is not what it must be.</summary>
public sealed class ToleranceException(string message) : Exception(message);
