using Xunit;

namespace Dia.Tests;

/// <summary>Comparison with reference numbers.</summary>
internal static class Tolerance
{
    /// <summary>Every value within <paramref name="relative"/> of the largest magnitude expected.</summary>
    public static void Equal(string name, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double relative)
    {
        Assert.True(expected.Length == actual.Length, $"{name}: {actual.Length} values, expected {expected.Length}");
        double largest = 0, worst = 0;
        int at = 0;
        foreach (float e in expected)
            largest = Math.Max(largest, Math.Abs(e));
        for (int i = 0; i < expected.Length; i++)
        {
            // Written so that a NaN on either side fails.
            double difference = Math.Abs((double)expected[i] - actual[i]);
            if (!(difference <= worst))
                (worst, at) = (difference, i);
        }

        Assert.True(worst <= relative * largest, $"{name}: value {at} is {actual[at]}, expected {expected[at]}: off by {worst / largest:g3} of the largest value, allowed {relative:g3}");
    }
}
