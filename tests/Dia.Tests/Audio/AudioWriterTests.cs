using System.Text;
using Dia.Audio;
using Dia.Audio.Formats;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class AudioWriterTests
{
    private static readonly AudioTags Tags = new("dia 1.0", "Hello there.", 7);
    private static readonly AudioBuffer Voice = AudioReader.Read(Fixtures.Path("demo", "voice.wav"));

    public static TheoryData<string> Signals => ["voice", "noise", "loud", "silence", "steps", "short", "one"];

    [Theory]
    [MemberData(nameof(Signals))]
    public void FLAC_has_every_sample(string signal)
    {
        float[] samples = Signal(signal);
        float[] expected = [.. samples.Select(s => WavWriter.ToInt16(s) / 32768f)];
        foreach (bool seeks in new[] { true, false })
        {
            byte[] flac = Write(samples, AudioFormat.Flac, 16000, seeks);
            var warnings = new List<string>();
            AudioBuffer read = AudioReader.Read(new MemoryStream(flac), "x", warnings); // checks the MD5
            Assert.Equal(expected, read.Samples);
            Assert.Equal(16000, read.SamplingRate);
            Assert.Empty(warnings);
        }
    }

    [Fact]
    public void FLAC_is_smaller_than_WAV_and_says_what_it_is()
    {
        byte[] flac = Write(Voice.Samples, AudioFormat.Flac, 16000, seeks: true);
        Assert.InRange(flac.Length, 1, 2 * Voice.Frames * 65 / 100);
        string text = Encoding.Latin1.GetString(flac);
        foreach (string field in new[] { "TITLE=Hello there.", "ENCODER=dia 1.0", "COMMENT=generated speech", "SEED=7" })
            Assert.Contains(field, text, StringComparison.Ordinal);
        byte[] piped = Write(Voice.Samples, AudioFormat.Flac, 16000, seeks: false);
        Assert.Equal(flac[42..], piped[42..]); // STREAMINFO alone differs
        Assert.True(piped.AsSpan(26, 16).IndexOfAnyExcept((byte)0) < 0);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(22050)]
    [InlineData(48000)]
    [InlineData(176_390)]
    [InlineData(999_999)]
    public void FLAC_has_any_rate(int rate) =>
        Assert.Equal(rate, AudioReader.Read(new MemoryStream(Write(Voice.Samples, AudioFormat.Flac, rate, seeks: true)), "x").SamplingRate);

    [Theory]
    [InlineData(16000)]
    [InlineData(48000)]
    [InlineData(44100)]
    public void Opus_has_the_sound_and_its_length(int rate)
    {
        byte[] opus = Write(Voice.Samples, AudioFormat.Opus, rate, seeks: true);
        AudioBuffer read = AudioReader.Read(new MemoryStream(opus), "x");
        float[] expected = rate == 48000 ? Voice.Samples : Resampler.Resample(Voice.Samples, rate, 48000);
        Assert.Equal((48000, 1, expected.Length), (read.SamplingRate, read.Channels, read.Frames));
        // Speech keeps its waveform at this bit rate: an error of a third of the level, and none that a shift by a sample would make better.
        double error = Distance(expected, read.Samples, 0), level = Distance(expected, new float[expected.Length], 0);
        Assert.InRange(error, 0, 0.35 * level);
        Assert.True(error < Distance(expected, read.Samples, 3) && error < Distance(expected, read.Samples, -3));
        Assert.Equal(opus, Write(Voice.Samples, AudioFormat.Opus, rate, seeks: false));
        Assert.Contains("COMMENT=generated speech", Encoding.Latin1.GetString(opus), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(AudioFormat.Flac)]
    [InlineData(AudioFormat.Opus)]
    public void No_samples_are_a_file_too(AudioFormat format) =>
        Assert.Equal(0, AudioReader.Read(new MemoryStream(Write([], format, 16000, seeks: true)), "x").Frames);

    [Theory]
    [InlineData(AudioFormat.Flac)]
    [InlineData(AudioFormat.Opus)]
    [InlineData(AudioFormat.Wav)]
    public void Bytes_do_not_depend_on_the_pieces(AudioFormat format)
    {
        var stream = new MemoryStream();
        using (AudioWriter writer = AudioWriter.Create(stream, format, 16000, Tags))
        {
            foreach (float[] piece in Voice.Samples.Chunk(331))
            {
                writer.Write(piece);
                writer.Flush();
            }
        }

        Assert.Equal(Write(Voice.Samples, format, 16000, seeks: true), stream.ToArray());
    }

    [Fact]
    public void A_name_says_the_format()
    {
        using var folder = new TemporaryFolder();
        Voice.Save(folder["a.flac"]);
        Assert.Equal(Voice.Samples, AudioReader.Read(folder["a.flac"]).Samples);
        Assert.Contains("a.flac or .opus", Assert.Throws<DiaException>(() => Voice.Save("a.mp3")).Message.Replace(".wav, .flac", ".flac", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => Voice.Save("a.mp3")).Kind);
    }

    [Theory]
    [InlineData("[S1] Hello there.\n[s2]  Hi.", "Hello there. Hi.")]
    [InlineData("[S1] ", null)]
    public void A_title_is_what_is_said(string text, string? title) => Assert.Equal(title, AudioTags.TitleOf(text));

    [Fact]
    public void A_long_title_is_cut_at_a_word()
    {
        string title = AudioTags.TitleOf(string.Join(' ', Enumerable.Repeat("word", 100)))!;
        Assert.EndsWith("word …", title, StringComparison.Ordinal);
        Assert.InRange(title.Length, 70, 82);
    }

    private static double Distance(float[] a, float[] b, int shift)
    {
        double sum = 0;
        for (int i = 1000; i < a.Length - 1000; i++)
            sum += Math.Pow(a[i] - b[i + shift], 2);
        return Math.Sqrt(sum);
    }

    private static byte[] Write(float[] samples, AudioFormat format, int rate, bool seeks)
    {
        var stream = new MemoryStream();
        using (AudioWriter writer = AudioWriter.Create(seeks ? stream : new OneWayStream(stream), format, rate, Tags))
            writer.Write(samples);
        return stream.ToArray();
    }

    private static float[] Signal(string name)
    {
        var random = new Random(3);
        return name switch
        {
            "voice" => Voice.Samples,
            "noise" => [.. Enumerable.Range(0, 10_000).Select(_ => (float)(2 * random.NextDouble() - 1))],
            "loud" => [.. Enumerable.Range(0, 10_000).Select(i => i / 50 % 2 == 0 ? 2f : -2f)],
            "silence" => new float[9000],
            "steps" => [.. Enumerable.Range(0, 5000).Select(i => i % 2 / 32768f)],
            "short" => [.. Voice.Samples[5000..5003]],
            _ => [0.25f],
        };
    }

    private sealed class OneWayStream(Stream stream) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => stream.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => stream.Write(buffer, offset, count);
    }
}
