using Dia.Audio;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class TimeStretchTests
{
    private const int Rate = 16000;

    public static TheoryData<double> Speeds => [0.5, 0.77, 0.9, 1.1, 1.33, 1.75, 2];

    [Fact]
    public void Speed_1_changes_nothing()
    {
        float[] input = Noise(12345);
        Assert.Equal(input, Stretch(input, 1, 777));
    }

    [Theory]
    [MemberData(nameof(Speeds))]
    public void Chunks_do_not_matter(double speed)
    {
        float[] input = Speech(3 * Rate);
        float[] whole = Stretch(input, speed, input.Length);
        Assert.Equal(whole, Stretch(input, speed, 1));
        Assert.Equal(whole, Stretch(input, speed, 331));
        Assert.Equal(whole, Stretch(input, speed, 512));
    }

    [Theory]
    [MemberData(nameof(Speeds))]
    public void The_length_is_the_inputs_divided_by_the_speed(double speed)
    {
        foreach (int length in (int[])[0, 1, 2, 100, 255, 256, 257, 1000, 4096, 33333])
            Assert.Equal(TimeStretch.OutputLength(length, speed), Stretch(Noise(length), speed, 500).Length);
    }

    [Theory]
    [MemberData(nameof(Speeds))]
    public void The_pitch_stays(double speed)
    {
        foreach (double pitch in (double[])[80, 220, 440])
        {
            float[] output = Stretch(Tone(2 * Rate, pitch), speed, 512);
            Assert.InRange(Frequency(output.AsSpan(Rate / 20, output.Length - Rate / 10)), pitch * 0.99, pitch * 1.01);
        }
    }

    [Theory]
    [MemberData(nameof(Speeds))]
    public void It_does_not_click(double speed)
    {
        float[] input = Tone(2 * Rate, 220), output = Stretch(input, speed, 512);
        // A tone of this pitch changes by 2π·220/16000 · 0.5 from sample to sample; where two hops overlap out of phase by the
        // half sample that whole offsets allow, a little more. A click would be up to 1.
        double most = 0;
        for (int i = 1; i < output.Length; i++)
            most = Math.Max(most, Math.Abs(output[i] - output[i - 1]));
        Assert.InRange(most, 0, 2 * Math.PI * 220 / Rate * 0.5 * 1.15);
        // Nor does it swell or fade: overlaps are in phase. The last 40 ms run into the silence after the end.
        for (int i = 1000; i + 1000 < output.Length; i += 100)
            Assert.InRange(Rms(output.AsSpan(i, 300)), 0.5 / Math.Sqrt(2) * 0.9, 0.5 / Math.Sqrt(2) * 1.1);
    }

    [Theory]
    [MemberData(nameof(Speeds))]
    public void The_delay_is_bounded(double speed)
    {
        long written = 0;
        var stretch = new TimeStretch(Rate, speed, s => written += s.Length);
        float[] input = Speech(2 * Rate);
        for (int i = 0; i < input.Length; i++)
        {
            stretch.Write(input.AsSpan(i, 1));
            // All that belongs to input older than 35 ms has come out, but for a hop that is not full.
            Assert.True((written + 0.016 * Rate) * speed >= i - 0.035 * Rate, $"{written} of {i}");
        }
    }

    [Fact]
    public void Silence_stays_silence()
    {
        Assert.All(Stretch(new float[Rate], 1.5, 512), s => Assert.Equal(0, s));
    }

    [Theory]
    [InlineData(0.49)]
    [InlineData(2.01)]
    [InlineData(double.NaN)]
    public void Speeds_out_of_range_are_refused(double speed)
    {
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => new TimeStretch(Rate, speed, _ => { })).Kind);
    }

    private static float[] Stretch(float[] input, double speed, int chunk)
    {
        var output = new List<float>();
        var stretch = new TimeStretch(Rate, speed, s => output.AddRange(s));
        for (int i = 0; i < input.Length; i += chunk)
            stretch.Write(input.AsSpan(i, Math.Min(chunk, input.Length - i)));
        stretch.Finish();
        return [.. output];
    }

    private static float[] Tone(int length, double frequency) =>
        [.. Enumerable.Range(0, length).Select(i => (float)(0.5 * Math.Sin(2 * Math.PI * frequency * i / Rate)))];

    private static float[] Noise(int length)
    {
        var random = new Random(length);
        return [.. Enumerable.Range(0, length).Select(_ => (float)(random.NextDouble() - 0.5))];
    }

    /// <summary>A gliding voice with pauses and a little noise.</summary>
    private static float[] Speech(int length)
    {
        var random = new Random(7);
        double phase = 0;
        return [.. Enumerable.Range(0, length).Select(i =>
        {
            phase += 2 * Math.PI * (120 + 40 * Math.Sin(i / 9000.0)) / Rate;
            double loud = Math.Max(0, Math.Sin(i / 2500.0));
            return (float)(loud * 0.3 * (Math.Sin(phase) + 0.5 * Math.Sin(2 * phase)) + (random.NextDouble() - 0.5) * 0.02);
        })];
    }

    /// <summary>The frequency of a tone, from its rising zero crossings.</summary>
    private static double Frequency(ReadOnlySpan<float> tone)
    {
        double first = -1, last = -1;
        int count = 0;
        for (int i = 1; i < tone.Length; i++)
        {
            if (tone[i - 1] >= 0 || tone[i] < 0)
                continue;
            last = i - 1 + -tone[i - 1] / (double)(tone[i] - tone[i - 1]);
            first = first < 0 ? last : first;
            count++;
        }

        return (count - 1) * Rate / (last - first);
    }

    private static double Rms(ReadOnlySpan<float> samples)
    {
        double sum = 0;
        foreach (float sample in samples)
            sum += (double)sample * sample;
        return Math.Sqrt(sum / samples.Length);
    }
}
