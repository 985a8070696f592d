using System.Buffers.Binary;
using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Recordings of every format that are read, and formats, rate, loudness and tags of speech that is written.</summary>
public sealed class SoundFormatTests : TestFolder
{
    private static readonly string[] Say = ["[S1] Hi there.", "--seed", "5", "--max-tokens", "40"];

    [Theory]
    [InlineData("mono.mp3")]
    [InlineData("stereo.ogg")]
    [InlineData("mono.opus")]
    [InlineData("fixed.flac")]
    public void A_recording_of_any_format_is_a_voice(string name)
    {
        // Known by its contents.
        File.Copy(Fixtures.Path("audio/" + name), In("me.wav"));
        Succeeds(Dia.Run([.. Say, "--clone", In("me.wav"), "--clone-text", "[S1] x", "-o", In("a.wav")]));
        byte[] codes = Succeeds(Dia.Run("encode", In("me.wav"))).Output;
        Assert.Equal(codes, Succeeds(Dia.Run(["encode", "-"], File.ReadAllBytes(In("me.wav")))).Output);
    }

    [Fact]
    public void FLAC_is_the_same_speech_as_WAV()
    {
        Succeeds(Dia.Run([.. Say, "-o", In("a.wav")]));
        Succeeds(Dia.Run([.. Say, "-o", In("a.flac")]));
        byte[] piped = Succeeds(Dia.Run([.. Say, "--format", "flac"])).Output, file = File.ReadAllBytes(In("a.flac"));
        Assert.Equal(file[42..], piped[42..]); // but for STREAMINFO
        byte[] codes = Succeeds(Dia.Run("encode", In("a.wav"))).Output;
        Assert.Equal(codes, Succeeds(Dia.Run("encode", In("a.flac"))).Output); // its MD5 is checked
        string text = Encoding.Latin1.GetString(file);
        foreach (string tag in new[] { "TITLE=Hi there.", "ENCODER=dia ", "COMMENT=generated speech", "SEED=5" })
            Assert.Contains(tag, text, StringComparison.Ordinal);
    }

    [Fact]
    public void Opus_is_the_same_in_a_file_a_pipe_and_an_answer()
    {
        Succeeds(Dia.Run([.. Say, "-o", In("a.opus")]));
        byte[] opus = File.ReadAllBytes(In("a.opus"));
        Assert.Equal(opus, Succeeds(Dia.Run([.. Say, "--format", "opus"])).Output);
        string requests = "{\"text\":\"[S1] Hi there.\",\"output\":\"b.opus\"}\n{\"text\":\"[S1] Hi there.\"}\n";
        string answers = Succeeds(Dia.Run(["--jsonl", "--format", "opus", "--seed", "5", "--max-tokens", "40", "--output-dir", Folder],
            Encoding.UTF8.GetBytes(requests))).Text;
        Assert.Equal(opus, File.ReadAllBytes(In("b.opus")));
        Assert.Contains($"\"audio\":\"{Convert.ToBase64String(opus)}\"", answers, StringComparison.Ordinal);
    }

    [Fact]
    public void Rate_loudness_and_tags_are_as_asked()
    {
        Succeeds(Dia.Run([.. Say, "-o", In("plain.wav")]));
        byte[] wav = Succeeds(Dia.Run([.. Say, "--rate", "24000", "--lufs", "-30", "--tags"])).Output;
        Assert.Equal(24000, BinaryPrimitives.ReadInt32LittleEndian(wav.AsSpan(24)));
        Assert.Equal("LIST", Encoding.ASCII.GetString(wav, 36, 4));
        Assert.Contains("generated speech, seed 5", Encoding.Latin1.GetString(wav), StringComparison.Ordinal);
        int list = 8 + BinaryPrimitives.ReadInt32LittleEndian(wav.AsSpan(40));
        short[] plain = Wav.Parse(File.ReadAllBytes(In("plain.wav"))).Samples, made = Wav.Parse([.. wav[..36], .. wav[(36 + list)..]]).Samples;
        Assert.Equal((plain.Length * 3 + 1) / 2, made.Length);
        Outcome loud = Succeeds(Dia.Run([.. Say, "--lufs", "-5"]));
        Assert.Contains("peaks would be above -1 dBFS", loud.Error, StringComparison.Ordinal);
        Assert.InRange(Wav.Parse(loud.Output).Samples.Max(s => Math.Abs((int)s)), 29000, 29206);
        // Of several lines each is as loud as asked.
        Succeeds(Dia.Run(["--lines", "--seed", "5", "--max-tokens", "40", "--lufs", "-5", "-o", In("{n}.flac")], "[S1] Hi there.\n[S1] Yes.\n"u8.ToArray()));
        Assert.True(File.Exists(In("1.flac")) && File.Exists(In("2.flac")));
    }

    [Theory]
    [InlineData("two formats", "-o", "x.flac", "--format", "opus")]
    [InlineData("wav, flac or opus", "--format", "mp3")]
    [InlineData("samples alone", "--raw", "--format", "flac")]
    [InlineData("samples alone", "--raw", "--tags")]
    [InlineData("Opus always has 48000", "-o", "x.opus", "--rate", "16000")]
    [InlineData("from 8000 to 192000", "--rate", "4000")]
    [InlineData("from -50 to -5", "--lufs", "0")]
    [InlineData("needs all of it", "--play", "--lufs", "-16")]
    public void What_contradicts_itself_is_refused(string says, params string[] options) => Fails(2, Dia.Run([.. Say, .. options]), says);
}
