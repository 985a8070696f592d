using Dia.Speech;
using Xunit;

namespace Dia.Tests.Speech;

public sealed class SpeechDoubtTests
{
    [Theory]
    [InlineData(SpeechStop.Length, 0, 0.0, null, 10, SpeechDoubtKind.Cut)] // that it was cut is why it is empty
    [InlineData(SpeechStop.Length, 100, 3.2, 0.5f, 40, SpeechDoubtKind.Cut)]
    [InlineData(SpeechStop.Length, 100, 3.2, 0.5f, 20, SpeechDoubtKind.Endless)] // 20 characters take 1.3 s
    [InlineData(SpeechStop.Length, 50, 1.6, 0.5f, 2, SpeechDoubtKind.Cut)] // a limit of less than 2 s was set on purpose
    [InlineData(SpeechStop.Length, 100, null, 0.5f, 2, SpeechDoubtKind.Cut)]
    [InlineData(SpeechStop.Eos, 0, 0.0, null, 10, SpeechDoubtKind.Empty)]
    [InlineData(SpeechStop.Eos, 0, null, null, 0, SpeechDoubtKind.Empty)]
    [InlineData(SpeechStop.Eos, 30, 0.99, 0.5f, 30, SpeechDoubtKind.Short)] // 30 characters take 2 s, half of that is enough
    [InlineData(SpeechStop.Eos, 30, 1.0, 0.5f, 30, null)]
    [InlineData(SpeechStop.Eos, 30, null, null, 3000, null)] // codes alone, and no codec says how long a frame is
    [InlineData(SpeechStop.Eos, 30, 1.0, 0.0009f, 30, SpeechDoubtKind.Silent)]
    [InlineData(SpeechStop.Eos, 30, 1.0, 0.001f, 30, null)]
    [InlineData(SpeechStop.Eos, 30, 1.0, null, 30, null)]
    public void The_worst_is_said(SpeechStop stop, int frames, double? seconds, float? peak, int characters, SpeechDoubtKind? kind)
    {
        var doubt = SpeechDoubt.Of(stop, frames, seconds, peak, characters, new SpeakingPace());
        Assert.Equal(kind, doubt?.Kind);
    }

    [Fact]
    public void The_pace_is_the_script_s_own()
    {
        var pace = new SpeakingPace();
        Assert.True(pace.Add(30, 3)); // slower than usual
        Assert.Equal(SpeechDoubtKind.Short, SpeechDoubt.Of(SpeechStop.Eos, 30, 1.4, 0.5f, 30, pace)?.Kind);
        Assert.Equal("ended after 1.40 s, too soon for its 30 characters", SpeechDoubt.Of(SpeechStop.Eos, 30, 1.4, 0.5f, 30, pace)!.Message);
    }
}
