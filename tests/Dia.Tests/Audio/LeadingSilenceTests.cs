using Dia.Audio;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class LeadingSilenceTests
{
    private const int Rate = 16000;

    [Theory]
    [InlineData(3.0, 0, 2.7)]
    [InlineData(3.0, 0.002f, 2.7)] // a room's noise, 40 dB under the voice
    [InlineData(0.5, 0, 0.2)]
    [InlineData(0.3, 0, 0)]
    [InlineData(0, 0, 0)]
    public void More_than_is_natural_is_cut(double silence, float noise, double expected)
    {
        AudioBuffer audio = Speech(silence, noise, 1), rest = LeadingSilence.Cut(audio, out double cut);
        Assert.Equal(expected, cut, 0.011); // a block
        Assert.Equal(audio.Frames - (int)Math.Round(cut * Rate), rest.Frames);
        Assert.Equal(audio.Samples[^rest.Samples.Length..], rest.Samples);
    }

    [Fact]
    public void Channels_stay_together()
    {
        AudioBuffer mono = Speech(1, 0, 1);
        var stereo = new AudioBuffer([.. mono.Samples.SelectMany(s => new[] { s, s / 2 })], Rate, 2);
        AudioBuffer rest = LeadingSilence.Cut(stereo, out double cut);
        Assert.Equal(0.7, cut, 0.011);
        Assert.Equal(2, rest.Channels);
        Assert.Equal(stereo.Samples[^rest.Samples.Length..], rest.Samples);
    }

    [Fact]
    public void A_click_is_no_sound()
    {
        AudioBuffer audio = Speech(2, 0, 1);
        audio.Samples[1000] = 1;
        Assert.Equal(2, LeadingSilence.Seconds(audio), 0.011);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(159)]
    [InlineData(Rate * 5)]
    public void Nothing_but_silence_stays_as_it_is(int frames)
    {
        var audio = new AudioBuffer(new float[frames], Rate);
        Assert.Same(audio, LeadingSilence.Cut(audio, out double cut));
        Assert.Equal(0, cut);
    }

    [Fact]
    public void A_loudest_block_that_is_no_number_cuts_nothing_away()
    {
        AudioBuffer audio = Speech(2, 0, 1);
        audio.Samples[^1] = float.NaN;
        LeadingSilence.Cut(audio, out double cut);
        Assert.InRange(cut, 0, 1.71);
    }

    private static AudioBuffer Speech(double silence, float noise, double seconds)
    {
        int quiet = (int)(silence * Rate), loud = (int)(seconds * Rate);
        var samples = new float[quiet + loud];
        for (int i = 0; i < samples.Length; i++)
            samples[i] = i < quiet ? (i % 2 == 0 ? noise : -noise) : 0.3f * MathF.Sin(i * 0.2f);
        return new AudioBuffer(samples, Rate);
    }
}
