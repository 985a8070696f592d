using Dia.Generation;
using Xunit;

namespace Dia.Tests.Generation;

public sealed class DrawTests
{
    // Known answers of Random123's philox4x32-10 (kat_vectors).
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Philox_gives_the_known_answers(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint x0, uint x1, uint x2, uint x3) =>
        Assert.Equal((x0, x1, x2, x3), Philox4x32.Block(c0, c1, c2, c3, k0, k1));

    [Fact]
    public void Uniform_is_the_first_two_words_high_word_first() =>
        Assert.Equal((0x6627e8d5e169c58dUL >> 11) * Math.Pow(2, -53), Philox4x32.Uniform(0, 0, 0, 0));

    [Fact]
    public void Uniform_takes_row_channel_item_as_counter_and_the_seeds_low_word_first()
    {
        (uint high, uint low, _, _) = Philox4x32.Block(7, 3, 2, 0, 0x55667788, 0x11223344);
        Assert.Equal(((((ulong)high << 32) | low) >> 11) * Math.Pow(2, -53), Philox4x32.Uniform(0x1122334455667788, 7, 3, 2));
    }

    [Theory]
    [InlineData(0.0, 1)]
    [InlineData(0.2499, 1)]
    [InlineData(0.25, 2)]
    [InlineData(0.4999, 2)]
    [InlineData(0.5, 4)]
    [InlineData(0.75, 5)]
    [InlineData(1 - 1.1102230246251565e-16, 5)]
    public void Draw_takes_the_first_id_whose_running_sum_exceeds_u(double u, int expected)
    {
        // Four equal candidates: the running sums are exactly 1, 2, 3, 4.
        float none = float.NegativeInfinity;
        Assert.Equal(expected, new TokenSampler(7).Draw([none, 2, 2, none, 2, 2, none], u));
    }

    [Fact]
    public void Draw_of_a_lone_candidate_is_that_candidate()
    {
        float none = float.NegativeInfinity;
        Assert.Equal(2, new TokenSampler(4).Draw([none, none, -3e30f, none], 1 - Math.Pow(2, -53)));
    }

    [Fact]
    public void Draws_follow_the_distribution()
    {
        float[] scores = [0, MathF.Log(2), MathF.Log(5)];
        TokenSampler sampler = new(3);
        int[] counts = new int[3];
        const int Draws = 80_000;
        for (int i = 0; i < Draws; i++)
            counts[sampler.Draw(scores, Philox4x32.Uniform(42, i, 1, 0))]++;

        // The standard deviation of a count is at most √(80000/4) ≈ 141; five of them.
        Assert.InRange(counts[0], Draws / 8 - 700, Draws / 8 + 700);
        Assert.InRange(counts[1], Draws / 4 - 700, Draws / 4 + 700);
    }

    [Fact]
    public void Best_is_the_first_of_equals() => Assert.Equal(1, TokenSampler.Best([0, 4, 4, 1]));
}
