using Dia.Speech;
using Xunit;

namespace Dia.Tests.Speech;

public sealed class ScriptVoicesTests
{
    [Fact]
    public void The_last_piece_with_all_speakers_goes_first()
    {
        var voices = new ScriptVoices();
        Assert.Null(voices.Find("[S1] A.", _ => true));
        voices.Add(new Voice(new int[3, 1], "[S1] One. [S2] Two.", null));
        voices.Add(new Voice(new int[4, 1], "[S2] Three.", null));
        Assert.Equal("[S1] One. [S2] Two.", voices.Find("[S1] A.", _ => true)?.Transcript);
        Assert.Equal("[S1] One. [S2] Two.", voices.Find("[S2] A. [S1] B.", _ => true)?.Transcript);
        Assert.Equal("[S2] Three.", voices.Find("[S2] A.", _ => true)?.Transcript);
        Assert.Equal("[S2] Three.", voices.Find("A.", _ => true)?.Transcript);
        // Where the better one does not fit, the other.
        Assert.Equal("[S1] One. [S2] Two.", voices.Find("[S2] A.", v => v.Codes.GetLength(0) < 4)?.Transcript);
        Assert.Null(voices.Find("[S2] A.", _ => false));
        voices.Add(new Voice(new int[5, 1], "[S2] Four. [S1] Five.", null));
        Assert.Equal("[S2] Four. [S1] Five.", voices.Find("[S2] A.", _ => true)?.Transcript);
    }

    [Fact]
    public void A_piece_without_audio_is_not_remembered()
    {
        var voices = new ScriptVoices();
        voices.Add(new Voice(new int[0, 9], "[S1] One.", null));
        Assert.Null(voices.Find("[S1] A.", _ => true));
    }
}

public sealed class SpeakingPaceTests
{
    [Fact]
    public void The_scripts_own_pace_decides()
    {
        var pace = new SpeakingPace();
        // 150 characters at 15 a second.
        Assert.False(pace.IsTooShort(150, 5));
        Assert.True(pace.IsTooShort(150, 4.99));
        Assert.False(pace.IsTooLong(150, 20));
        Assert.True(pace.IsTooLong(150, 20.01));
        Assert.False(pace.Add(150, 30));
        Assert.False(pace.Add(150, 0));
        Assert.False(pace.Add(0, 0));
        Assert.Equal(1.0 / 15, pace.SecondsPerCharacter);
        Assert.True(pace.Add(100, 10));
        Assert.True(pace.Add(100, 12));
        Assert.Equal(0.11, pace.SecondsPerCharacter, 12);
        Assert.True(pace.IsTooShort(100, 5.4));
        Assert.False(pace.IsTooShort(100, 5.6));
    }
}
