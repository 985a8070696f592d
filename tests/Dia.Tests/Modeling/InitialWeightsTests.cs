using Dia.Networks;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>The normal distribution that random weights are drawn from.</summary>
public sealed unsafe class InitialWeightsTests
{
    // Python's statistics.NormalDist().inv_cdf, the same algorithm with the system's logarithm.
    [Theory]
    [InlineData(0.5, 0.0)]
    [InlineData(0.51, 0.025068908258711057)]
    [InlineData(0.1, -1.2815515655446008)]
    [InlineData(0.074, -1.4466320671589785)]
    [InlineData(0.076, -1.4325027208258114)]
    [InlineData(0.9, 1.2815515655446008)]
    [InlineData(0.025, -1.9599639845400538)]
    [InlineData(1e-05, -4.2648907939228256)]
    [InlineData(1.3e-11, -6.66761145651074)]
    [InlineData(1.4e-11, -6.656723091518184)]
    [InlineData(1e-13, -7.3487961028006765)]
    [InlineData(1.1102230246251565e-16, -8.209536151601386)]
    public void The_quantile_is_the_normal_distribution_s(double p, double expected)
    {
        Assert.Equal(expected, InitialWeights.Quantile(p), Math.Abs(expected) * 1e-14 + 1e-300);
        if (p > 0.01) // 1 - p of less has few bits of p left
            Assert.Equal(-InitialWeights.Quantile(p), InitialWeights.Quantile(1 - p), 1e-12);
    }

    [Fact]
    public void The_logarithm_is_right_to_the_last_bits()
    {
        var random = new Random(1);
        for (int i = 0; i < 10_000; i++)
        {
            double x = Math.Exp(random.NextDouble() * 80 - 40);
            Assert.Equal(Math.Log(x), InitialWeights.Log(x), Math.Abs(Math.Log(x)) * 4e-16 + 4e-16);
        }
    }

    /// <summary>Fixed for all times: a seed names these weights.</summary>
    [Fact]
    public void The_values_of_a_seed_never_change()
    {
        float[] values = new float[5];
        fixed (float* p = values)
        {
            InitialWeights.Fill(p, 0, 5, 7, 42, 0.02);
        }

        Assert.Equal("3AD0EFBA 3CBCD923 BB1CA1EF BB95BC76 BC5E8E19", string.Join(' ', values.Select(v => $"{BitConverter.SingleToUInt32Bits(v):X8}")));
    }

    [Fact]
    public void A_part_has_the_values_of_the_whole_and_their_distribution_is_normal()
    {
        const int count = 1 << 17, first = 1 << 10;
        float[] whole = new float[count], part = new float[501];
        fixed (float* p = whole, q = part)
        {
            InitialWeights.Fill(p, 0, count, 3, 5, 1);
            InitialWeights.Fill(q, first, part.Length, 3, 5, 1);
        }

        Assert.Equal(whole[first..(first + part.Length)], part);

        // Kolmogorov and Smirnov: 1.95/√n is passed by chance once in a thousand seeds, and this seed is fixed.
        Array.Sort(whole);
        double worst = 0;
        foreach (double share in Enumerable.Range(1, 999).Select(i => i / 1000.0))
            worst = Math.Max(worst, Math.Abs(share - (double)Array.FindLastIndex(whole, v => v <= InitialWeights.Quantile(share)) / count));
        Assert.True(worst < 1.95 / Math.Sqrt(count), $"{worst}");
    }
}
