using System.Numerics;
using Dia.Audio;
using FsCheck;
using FsCheck.Xunit;

namespace Dia.Tests.Audio;

public sealed class ResamplerProperties
{
    private const int Lowest = 1000, Highest = 200_000;

    [Property(MaxTest = 300)]
    public void The_length_is_rounded_up(NonNegativeInt source, NonNegativeInt target, byte length)
    {
        // Rates are mostly small in FsCheck's hands; a prime's multiples spread them over the range.
        int from = Lowest + (int)(source.Get * 7919L % (Highest - Lowest)), to = Lowest + (int)(target.Get * 104_729L % (Highest - Lowest));
        BigInteger expected = ((BigInteger)length * to + from - 1) / from;
        Xunit.Assert.Equal(expected, Resampler.Resample(new float[length], from, to).Length);
    }

    [Property]
    public void The_same_rate_changes_nothing(byte[] values, PositiveInt rate)
    {
        float[] samples = [.. values.Select(v => v / 256f)];
        int same = Lowest + rate.Get % (Highest - Lowest);
        Xunit.Assert.Equal(samples, new AudioBuffer(samples, same, 1).ToMono(same));
    }

    [Property(MaxTest = 50)]
    public void Twice_as_loud_in_is_twice_as_loud_out(NonEmptyArray<sbyte> values, bool up)
    {
        // A power of two: exact in floating point, whatever the order of sums.
        float[] samples = [.. values.Get.Select(v => v / 256f)], louder = [.. samples.Select(s => 2 * s)];
        (int from, int to) = up ? (16_000, 44_100) : (44_100, 16_000);
        Xunit.Assert.Equal(Resampler.Resample(samples, from, to).Select(s => 2 * s), Resampler.Resample(louder, from, to));
    }
}
