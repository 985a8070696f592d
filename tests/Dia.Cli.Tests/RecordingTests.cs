using System.Buffers.Binary;
using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Recordings as other programs leave them, and recordings that are no voice.</summary>
public sealed class RecordingTests : TestFolder
{
    private static readonly string Recording = Fixtures.Path("demo/voice.wav");
    private static readonly string Transcript = File.ReadAllText(Fixtures.Path("demo/voice.txt")).Trim();

    [Theory]
    [InlineData(0u)]
    [InlineData(500_000u)]
    public void A_size_that_is_not_true_is_a_warning_and_the_whole_recording(uint size)
    {
        byte[] wav = File.ReadAllBytes(Recording), expected = Succeeds(Dia.Run("encode", Recording)).Output;
        BinaryPrimitives.WriteUInt32LittleEndian(wav.AsSpan(40), size);
        File.WriteAllBytes(In("cut.wav"), wav);
        string says = $"warning: {In("cut.wav")}: the 'data' chunk says {size} bytes but {wav.Length - 44} follow";
        Outcome encoded = Succeeds(Dia.Run("encode", In("cut.wav")));
        Assert.Equal(expected, encoded.Output);
        Assert.Contains(says, encoded.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("warning", Succeeds(Dia.Run("encode", In("cut.wav"), "-q")).Error, StringComparison.Ordinal);
        Outcome piped = Succeeds(Dia.Run(["encode", "-"], wav));
        Assert.Equal(expected, piped.Output);
        Assert.Contains($"warning: standard input: the 'data' chunk says {size} bytes", piped.Error, StringComparison.Ordinal);
        Assert.Contains(says, Succeeds(Dia.Run("voice", In("cut.wav"), "--text", Transcript)).Error, StringComparison.Ordinal);
        Assert.Contains(says, Succeeds(Dia.Run("[S1] Hi.", "--clone", In("cut.wav"), "--clone-text", Transcript, "--max-tokens", "17", "-o",
            In("a.wav"))).Error, StringComparison.Ordinal);
        // Once for each recording, not for each line.
        string line = "{\"text\":\"[S1] Hi.\",\"max_tokens\":17,\"clone\":\"cut.wav\",\"clone_text\":\"[S1] x\"}\n";
        Outcome lines = Succeeds(Dia.Run(["--jsonl", "--input-dir", Folder], Encoding.UTF8.GetBytes(line + line)));
        string warning = $"the 'data' chunk says {size} bytes";
        Assert.Contains(warning, lines.Error, StringComparison.Ordinal);
        Assert.Equal(lines.Error.IndexOf(warning, StringComparison.Ordinal), lines.Error.LastIndexOf(warning, StringComparison.Ordinal));
    }

    [NeedsFact("sox", "ffmpeg")]
    public void Containers_of_other_programs_are_read()
    {
        byte[] expected = Succeeds(Dia.Run("encode", Recording)).Output;
        foreach (string make in new[] { "sox $1 $2.w64", "ffmpeg -v error -i $1 -rf64 always $2.wav", "ffmpeg -v error -i $1 $2.w64",
            "sox $1 -t wavpcm -e signed -b 24 $2.wav" })
        {
            string output = make.EndsWith(".w64", StringComparison.Ordinal) ? In("x.w64") : In("x.wav");
            File.Delete(output);
            Succeeds(Dia.Shell(make, Recording, In("x")));
            Outcome outcome = Succeeds(Dia.Run("encode", output));
            Assert.True(expected.AsSpan().SequenceEqual(outcome.Output), make);
            Assert.DoesNotContain("warning", outcome.Error, StringComparison.Ordinal);
        }

        foreach (string make in new[] { "ffmpeg -v error -i $1 -rf64 always -f wav -", "ffmpeg -v error -i $1 -f w64 -", "sox $1 -t wav -",
            "ffmpeg -v error -i $1 -f wav -" })
            Assert.True(expected.AsSpan().SequenceEqual(Succeeds(Dia.Shell(make + " | $DIA encode -", Recording)).Output), make);
    }

    [Fact]
    public void Standard_input_is_called_that()
    {
        string[] clone = ["[S1] Hi.", "--clone", "-", "--clone-text", "[S1] x", "-o", In("a.wav")];
        Fails(4, Dia.Run(["encode", "-"], []), "standard input is empty");
        Fails(4, Dia.Run(["encode", "-"], Wav.OfFloats(16000, 1, [])), "standard input holds no samples");
        Fails(4, Dia.Run(["voice", "-", "--text", "[S1] x"], new byte[100]), "standard input, offset 0");
        Fails(4, Dia.Run(["voice", "-", "--text", "[S1] x"], Wav.OfFloats(16000, 1, new float[16000])), "standard input is silent");
        Fails(4, Dia.Run(clone, []), "standard input is empty");
        Fails(4, Dia.Run(clone, Wav.OfFloats(16000, 1, [20f, 1f])), "standard input has a peak of 20");
        Fails(4, Dia.Run(["decode", "-"], []), "standard input", "name a file");
        Fails(4, Dia.Run("forward", "-", In("out")), "standard input", "name a file");
        Fails(4, Dia.Run("[S1] Hi.", "--voice", "-", "-o", In("a.wav")), "standard input", "voice file");
        Fails(4, Dia.Run("[S1] Hi.", "--prompt-codes", "-", "-o", In("a.wav")), "standard input", "codes");
        Fails(4, Dia.Run(["-f", "-", "-o", In("a.wav")], []), "standard input");
        Assert.Empty(Names());
    }

    [Fact]
    public void Channels_that_cancel_each_other_are_no_voice()
    {
        float[] tone = Tone(0.3f), stereo = [.. tone.SelectMany(s => new[] { s, -s })];
        foreach (byte[] bytes in new[] { Wav.OfFloats(16000, 2, stereo), Wav.OfFloats(16000, 1, Tone(0.0013f)) }) // the second: -60.7 dBFS
        {
            File.WriteAllBytes(In("x.wav"), bytes);
            RefusedAsVoice(In("x.wav"), "x.wav is silent");
            Succeeds(Dia.Run("encode", In("x.wav"), "-o", In("c"))); // silence has codes
            File.Delete(In("c"));
        }

        File.WriteAllBytes(In("x.wav"), Wav.OfFloats(16000, 2, stereo));
        RefusedAsVoice(In("x.wav"), "its 2 channels are mixed", "ffmpeg");
        File.WriteAllBytes(In("x.wav"), Wav.OfFloats(16000, 1, Tone(0.0016f))); // -59 dBFS
        Succeeds(Dia.Run("voice", In("x.wav"), "--text", "[S1] x", "-o", In("v")));
    }

    [Fact]
    public void Whole_numbers_in_float_samples_are_an_error_and_a_high_peak_is_a_warning()
    {
        File.WriteAllBytes(In("x.wav"), Wav.OfFloats(16000, 1, Tone(12000)));
        RefusedAsVoice(In("x.wav"), "x.wav has a peak of 12000 where full scale is 1");
        Fails(4, Dia.Run("encode", In("x.wav"), "-o", In("c")), "x.wav has a peak of 12000 where full scale is 1");
        File.WriteAllBytes(In("y.wav"), Wav.OfFloats(16000, 1, Tone(1.9f)));
        foreach (Outcome outcome in new[] { Dia.Run("encode", In("y.wav")), Dia.Run("voice", In("y.wav"), "--text", "[S1] x"),
            Dia.Run("[S1] Hi.", "--clone", In("y.wav"), "--clone-text", "[S1] x", "--max-tokens", "17", "-o", In("a.wav")) })
            Assert.Contains("warning: " + In("y.wav") + " has a peak of 1.9 ", Succeeds(outcome).Error, StringComparison.Ordinal);
        File.WriteAllBytes(In("y.wav"), Wav.OfFloats(16000, 1, Tone(1.4f)));
        Assert.DoesNotContain("warning", Succeeds(Dia.Run("encode", In("y.wav"))).Error, StringComparison.Ordinal);
    }

    private static float[] Tone(float peak) => [.. Enumerable.Range(0, 16000).Select(i => peak * MathF.Sin(2 * MathF.PI * 250 * i / 16000))];

    private void RefusedAsVoice(string path, params string[] says)
    {
        Fails(4, Dia.Run("voice", path, "--text", "[S1] x", "-o", In("v")), says);
        Fails(4, Dia.Run("[S1] Hi.", "--clone", path, "--clone-text", "[S1] x", "-o", In("a.wav")), says);
        string line = $"{{\"text\":\"[S1] Hi.\",\"clone\":\"{Path.GetFileName(path)}\",\"clone_text\":\"[S1] x\"}}\n";
        Outcome lines = Dia.Run(["--jsonl", "--input-dir", Folder], Encoding.UTF8.GetBytes(line));
        Assert.Equal(1, lines.ExitCode);
        Assert.Contains("\"code\":\"input\"", lines.Text, StringComparison.Ordinal);
        Assert.Contains(says[0], lines.Text, StringComparison.Ordinal);
    }
}
