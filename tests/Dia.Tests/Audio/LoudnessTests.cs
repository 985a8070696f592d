using Dia.Audio;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class LoudnessTests
{
    // What EBU Tech 3341 allows a meter.
    private const double Allowed = 0.1;

    public static TheoryData<int, double, int, (double Level, double Seconds)[]> Tones => new()
    {
        { 1, -23, 48000, [(-23, 20)] },
        { 2, -33, 48000, [(-33, 20)] },
        { 3, -23, 48000, [(-36, 10), (-23, 60), (-36, 10)] },
        { 4, -23, 48000, [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)] },
        { 5, -23, 48000, [(-26, 20), (-20, 20.1), (-26, 20)] },
        { 1, -23, 16000, [(-23, 20)] },
        { 5, -23, 44100, [(-26, 20), (-20, 20.1), (-26, 20)] },
    };

    [Theory]
    [MemberData(nameof(Tones))]
    public void Tones_of_EBU_Tech_3341_have_their_loudness(int number, double expected, int rate, (double Level, double Seconds)[] parts)
    {
        var samples = new List<float>();
        foreach ((double level, double seconds) in parts)
            Add(samples, rate, seconds, [level, level]);
        double measured = Loudness.Measure(new AudioBuffer([.. samples], rate, 2))!.Value;
        Assert.True(Math.Abs(measured - expected) <= Allowed, $"case {number}: {measured}");
    }

    [Fact]
    public void Surround_channels_weigh_more_as_in_case_6()
    {
        var samples = new List<float>();
        Add(samples, 48000, 20, [-28, -28, -24, -30, -30]);
        Assert.Equal(-23, Loudness.Measure(new AudioBuffer([.. samples], 48000, 5))!.Value, Allowed);
    }

    [Fact]
    public void A_voice_is_as_loud_as_ffmpeg_says()
    {
        // ffmpeg -i voice.wav -af ebur128 -f null -
        Assert.Equal(FfmpegSays, Loudness.Measure(AudioReader.Read(Fixtures.Path("demo", "voice.wav")))!.Value, Allowed);
    }

    [Fact]
    public void Short_sounds_count_as_one_block_and_silence_has_none()
    {
        var samples = new List<float>();
        Add(samples, 16000, 0.3, [-20]);
        Assert.Equal(-23, Loudness.Measure(new AudioBuffer([.. samples], 16000))!.Value, 0.5);
        Assert.Null(Loudness.Measure(new AudioBuffer(new float[16000], 16000)));
        Assert.Null(Loudness.Measure(new AudioBuffer([], 16000)));
        Assert.Throws<DiaException>(() => Loudness.Measure(new AudioBuffer(new float[100], 4000)));
    }

    private const double FfmpegSays = -20.9;

    private static void Add(List<float> samples, int rate, double seconds, double[] levels)
    {
        for (int i = 0; i < rate * seconds; i++)
            foreach (double level in levels)
                samples.Add((float)(Math.Pow(10, level / 20) * Math.Sin(2 * Math.PI * 1000 * i / rate)));
    }
}
