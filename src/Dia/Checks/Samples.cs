namespace Dia.Checks;

/// <summary>What is said of repeated measurements.</summary>
internal static class Samples
{
    /// <summary>The middle one; of an even number, the upper of the two.</summary>
    public static double Median(this IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
