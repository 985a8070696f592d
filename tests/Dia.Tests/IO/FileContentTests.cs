using System.Text;
using Dia.Audio;
using Dia.IO;
using Dia.Speech;
using Xunit;

namespace Dia.Tests.IO;

public sealed class FileContentTests
{
    public static TheoryData<byte[], FileContentKind, string> Known() => new()
    {
        { [], FileContentKind.Empty, "empty" },
        { "[S1] Hello."u8.ToArray(), FileContentKind.Text, "text" },
        { "OggS is how an Ogg file begins, ID3 an MP3, and this is text."u8.ToArray(), FileContentKind.Text, "text" },
        { "fLaC"u8.ToArray(), FileContentKind.Foreign, "first 4 bytes of a recording (FLAC) that was cut off" },
        { "OggS"u8.ToArray(), FileContentKind.Foreign, "recording (Ogg) that was cut off" },
        { "RIFF"u8.ToArray(), FileContentKind.Foreign, "recording (WAV) that was cut off" },
        { [.. Enumerable.Repeat((byte)'a', FileContent.HeadBytes - 1), 0xC3], FileContentKind.Text, "text" }, // cut within a character
        { [0xEF, 0xBB, 0xBF, .. " {\"text\":1}"u8], FileContentKind.Text, "JSON" },
        { [.. "RIFF\0\0\0\0WAVE"u8], FileContentKind.Recording, "WAV" },
        { [.. "RF64"u8, 255, 255, 255, 255, .. "WAVE"u8], FileContentKind.Recording, "WAV" },
        { [.. "ID3\x03\0\0\0"u8], FileContentKind.Recording, "MP3" },
        { [0xFF, 0xFB, 0x90, 0xC4], FileContentKind.Recording, "MP3" },
        { [.. "fLaC\0"u8], FileContentKind.Recording, "FLAC" },
        { [0xFF, 0xFD, 0x90, 0xC4], FileContentKind.Foreign, "MP2" },
        { [0xFF, 0xF1, 0x50, 0x80, 0], FileContentKind.Foreign, "AAC" },
        { [0, 0, 0, 32, .. "ftypM4A "u8], FileContentKind.Foreign, "M4A" },
        { [0, 0, 0, 32, .. "ftypisom"u8], FileContentKind.Foreign, "MP4" },
        { [.. "OggS\0\x02"u8, .. new byte[22], .. "OpusHead"u8], FileContentKind.Recording, "Opus in Ogg" },
        { [.. "OggS\0\x02"u8, .. new byte[22], 1, .. "vorbis"u8], FileContentKind.Recording, "Vorbis in Ogg" },
        { [.. "OggS\0\x02"u8, .. new byte[22], .. "Speex   "u8], FileContentKind.Foreign, "Speex" },
        { [.. "RIFF\0\0\0\0AVI "u8], FileContentKind.Foreign, "AVI" },
        { [0x1A, 0x45, 0xDF, 0xA3, 0], FileContentKind.Foreign, "Matroska" },
        { [0x89, .. "PNG\r\n"u8], FileContentKind.Foreign, "picture" },
        { [0xFF, 0xD8, 0xFF, 0xE0], FileContentKind.Foreign, "picture" },
        { [0xFF, 0xFE, (byte)'H', 0], FileContentKind.Foreign, "UTF-16" },
        { [0xFE, 0xFF, 0, (byte)'H'], FileContentKind.Foreign, "UTF-16" },
        { [0xFF, 0xFE, 0, 0, (byte)'H', 0, 0, 0], FileContentKind.Foreign, "UTF-32" },
        { [0, 0, 0xFE, 0xFF, 0, 0, 0, (byte)'H'], FileContentKind.Foreign, "UTF-32" },
        { "\n<!DOCTYPE html>"u8.ToArray(), FileContentKind.Page, "web page" },
        { [0xEF, 0xBB, 0xBF, .. "<HTML><p>caf"u8, 0xE9], FileContentKind.Page, "web page" }, // in Latin-1, whatever its mark says
        { [.. "PK"u8, 3, 4, 0], FileContentKind.Foreign, "PyTorch" },
        { [0x80, 2, .. "}q\0(X\x0E"u8], FileContentKind.Foreign, "PyTorch" },
        { [.. "GGUF"u8, 3, 0, 0, 0], FileContentKind.Foreign, "GGUF" },
        { [0x89, .. "HDF\r\n\x1A\n"u8], FileContentKind.Foreign, "HDF5" },
        { "version https://git-lfs.github.com/spec/v1\n"u8.ToArray(), FileContentKind.Foreign, "LFS" },
        { Safetensors("""{"codes":{}}"""), FileContentKind.Codes, "codes" },
        { Safetensors("""{"in.input_ids":{}}"""), FileContentKind.ForwardInputs, "forward" },
        { Safetensors("""{"a":{}}"""), FileContentKind.Tensors, "tensors" },
        { Safetensors("{\"a\":{}}".PadRight(0x0280)), FileContentKind.Tensors, "tensors" }, // a length that begins as a pickle does
        { SavedVoice(), FileContentKind.Voice, "voice" },
    };

    [Theory]
    [MemberData(nameof(Known))]
    public void Files_are_told_from_their_first_bytes(byte[] head, FileContentKind kind, string what)
    {
        FileContent found = Assert.IsType<FileContent>(FileContent.Recognise(head, "x"));
        Assert.Equal(kind, found.Kind);
        Assert.Contains(what, found.What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 0 })]
    [InlineData(new byte[] { (byte)'a', 0, (byte)'b' })]
    [InlineData(new byte[] { 0x80, 2, 0, 0, 0, 0, 0, 0, (byte)'x' })] // a short length, not a pickle
    [InlineData(new byte[] { (byte)'a', 0xFF, (byte)'b' })]
    [InlineData(new byte[] { (byte)'R', (byte)'I', (byte)'F', (byte)'F', 0, 0, 0, 0, (byte)'W', (byte)'A', (byte)'V' })]
    public void Others_are_left_to_their_reader(byte[] head) => Assert.Null(FileContent.Recognise(head, "x"));

    [Fact]
    public void The_advice_is_a_command_that_a_shell_takes()
    {
        byte[] aiff = [.. "FORM\0\0\0\0AIFF"u8];
        Assert.EndsWith("ffmpeg -i a/b-1.aiff -ac 1 OUT.wav", FileContent.Recognise(aiff, "a/b-1.aiff")!.Advice, StringComparison.Ordinal);
        Assert.EndsWith("ffmpeg -i 'it'\\''s $me.aiff' -ac 1 OUT.wav", FileContent.Recognise(aiff, "it's $me.aiff")!.Advice, StringComparison.Ordinal);
        Assert.EndsWith("ffmpeg -i IN -ac 1 OUT.wav", FileContent.Recognise(aiff, "standard input")!.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void A_level_that_no_sound_has_is_refused()
    {
        var warnings = new List<string>();
        Voice.CheckLevel(new AudioBuffer([0.5f, -1.5f], 16000), "x", warnings);
        Assert.Empty(warnings);
        Voice.CheckLevel(new AudioBuffer([0.5f, -1.75f], 16000), "x", warnings);
        Voice.CheckLevel(new AudioBuffer([8f], 16000), "x", warnings);
        Assert.Equal(2, warnings.Count);
        Assert.Contains("peak of 1.75", warnings[0], StringComparison.Ordinal);
        DiaException error = Assert.Throws<DiaException>(() => Voice.CheckLevel(new AudioBuffer([0.5f, -20000f], 16000), "x"));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
        Assert.Contains("peak of 20000 ", error.Message, StringComparison.Ordinal);
    }

    private static byte[] Safetensors(string json) => [.. BitConverter.GetBytes((long)json.Length), .. Encoding.UTF8.GetBytes(json)];

    private static byte[] SavedVoice()
    {
        using var stream = new MemoryStream();
        new Voice(new int[3, 9], "[S1] The \"input_ids\" and \"codes\".", null).Save(stream);
        return stream.ToArray();
    }
}
