using Dia.Audio;
using Dia.Audio.Formats;
using Xunit;

namespace Dia.Tests.Audio;

/// <summary>Recordings of each format as other programs write them (tests/fixtures/make_audio.sh), against what ffmpeg makes of them.</summary>
public sealed class RecordingFormatsTests
{
    // ffmpeg's own result is rounded to 16 bits, and so is ours before it is compared: both may round a sum that differs in the last bits to two sides.
    private const int OneStep = 1;

    // Two implementations of Opus, one in integers and one in float.
    private const int OpusSteps = 16;

    [Theory]
    [InlineData("stereo16", 2, 44100)]
    [InlineData("stereo24", 2, 44100)]
    [InlineData("fixed", 1, 16000)]
    [InlineData("six", 6, 32000)]
    [InlineData("eight", 1, 16000)]
    [InlineData("wasted", 1, 16000)]
    [InlineData("piped", 1, 16000)]
    [InlineData("silence", 1, 8000)]
    public void Of_FLAC_every_sample_is_read(string name, int channels, int rate)
    {
        // The file has the MD5 of its samples from the program that wrote it.
        AudioBuffer audio = Read($"{name}.flac");
        Assert.Equal((channels, rate), (audio.Channels, audio.SamplingRate));
        Assert.NotEqual(0, audio.Frames);
        Assert.Equal(name != "silence", audio.Samples.Any(s => s != 0));
    }

    [Fact]
    public void A_FLAC_of_a_WAV_has_its_samples()
    {
        // 8 bits of the fixture's start at 0.25 s, as sox rounds them.
        AudioBuffer wav = AudioReader.Read(Fixtures.Path("demo", "voice.wav"));
        float[] expected = [.. wav.Samples.Skip(4000).Take(6400)];
        Assert.Equal(expected, Read("fixed.flac").Samples);
        Assert.Equal(expected, Read("wasted.flac").Samples);
    }

    [Theory]
    [InlineData("mono.mp3")]
    [InlineData("joint.mp3")]
    [InlineData("variable.mp3")]
    [InlineData("plain.mp3")]
    [InlineData("cover.mp3")]
    [InlineData("mono.ogg")]
    [InlineData("stereo.ogg")]
    public void MP3_and_Vorbis_are_within_a_step_of_ffmpeg(string name) => Compare(name, OneStep);

    [Theory]
    [InlineData("mono.opus")]
    [InlineData("voip.opus")]
    [InlineData("stereo.opus")]
    [InlineData("six.opus")]
    public void Opus_is_within_a_few_steps_of_ffmpeg(string name) => Compare(name, OpusSteps);

    [Theory]
    [InlineData("mono.opus", "voip.opus")]
    [InlineData("mono.ogg", "mono.ogg")]
    public void Chained_streams_follow_each_other(string first, string second)
    {
        byte[] chained = [.. Bytes(first), .. Bytes(second)];
        Assert.Equal([.. Read(first).Samples, .. Read(second).Samples], AudioReader.Read(new MemoryStream(chained), "chained").Samples);
        byte[] mixed = [.. Bytes(first), .. Bytes(first.Replace("mono", "stereo", StringComparison.Ordinal))];
        Refuses(mixed, "and 2 channels behind one of");
    }

    [Theory]
    [InlineData("mono.mp3")]
    [InlineData("fixed.flac")]
    [InlineData("mono.ogg")]
    [InlineData("voip.opus")]
    public void Tags_in_front_and_behind_are_passed_over(string name)
    {
        byte[] ape = [.. "APETAGEX"u8, 0xD0, 7, 0, 0, 40, 0, 0, 0, .. new byte[16]];
        byte[] id3 = [.. "ID3"u8, 4, 0, 0, 0, 0, 1, 2, .. new byte[130]];
        byte[] tagged = [.. id3, .. ape, .. new byte[40], .. id3, 0, 0, .. Bytes(name), .. "TAG"u8, .. new byte[125]];
        Assert.Equal(Read(name).Samples, AudioReader.Read(new Pipe(tagged), "x").Samples);
    }

    [Theory]
    [InlineData("fixed.flac", true)]
    [InlineData("mono.mp3", true)]
    [InlineData("mono.ogg", true)]
    [InlineData("stereo.opus", true)]
    public void A_recording_that_was_cut_off_is_read_to_its_end(string name, bool warns)
    {
        byte[] whole = Bytes(name);
        float[] expected = Read(name).Samples;
        var warnings = new List<string>();
        AudioBuffer audio = AudioReader.Read(new MemoryStream(whole[..(9 * whole.Length / 10)]), "cut", warnings);
        Assert.InRange(audio.Samples.Length, expected.Length / 4, expected.Length - 1);
        // The last block of Vorbis fades out where another would come in.
        int sure = audio.Samples.Length - (name.EndsWith(".ogg", StringComparison.Ordinal) ? 1024 : 0);
        Assert.Equal(expected[..sure], audio.Samples[..sure]);
        Assert.Equal(warns, warnings.Any(w => w.StartsWith("cut", StringComparison.Ordinal) && w.Contains("cut off", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("mono.ogg")]
    [InlineData("stereo.opus")]
    public void An_Ogg_without_its_last_page_is_told(string name)
    {
        byte[] whole = Bytes(name);
        int last = whole.AsSpan().LastIndexOf("OggS"u8);
        List<string> warnings = [];
        float[] samples = AudioReader.Read(new MemoryStream(whole[..last]), "cut", warnings).Samples;
        Assert.Contains("last page", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.True(samples.Length < Read(name).Samples.Length);
    }

    [Theory]
    [InlineData("stereo16.flac")]
    [InlineData("mono.mp3")]
    [InlineData("plain.mp3")]
    public void Bytes_behind_the_last_frame_that_are_no_tag_are_told(string name)
    {
        byte[] whole = Bytes(name);
        List<string> warnings = [];
        float[] samples = AudioReader.Read(new MemoryStream([.. whole, .. new byte[50]]), "long", warnings).Samples;
        Assert.Equal(Read(name).Samples, samples);
        Assert.Contains($"offset {whole.Length}: 50 bytes behind its last frame", Assert.Single(warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_FLACs_that_were_joined_the_first_is_read_and_it_is_said()
    {
        byte[] one = Bytes("fixed.flac");
        List<string> warnings = [];
        Assert.Equal(Read("fixed.flac").Samples, AudioReader.Read(new MemoryStream([.. one, .. one]), "both", warnings).Samples);
        Assert.Contains("files were joined, and the first alone is read", Assert.Single(warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void MP3s_that_were_joined_are_read_to_the_end_and_it_is_said()
    {
        byte[] one = Bytes("mono.mp3");
        List<string> warnings = [];
        AudioBuffer both = AudioReader.Read(new MemoryStream([.. one, .. one]), "both", warnings);
        Assert.True(both.Samples.Length > 2 * Read("mono.mp3").Samples.Length);
        Assert.Contains(warnings, w => w.Contains("files were joined", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("stereo16.flac", "damaged")]
    [InlineData("mono.ogg", "a page whose check is wrong")]
    [InlineData("mono.opus", "a page whose check is wrong")]
    public void A_changed_byte_is_found(string name, string says)
    {
        byte[] bytes = Bytes(name);
        bytes[bytes.Length / 2] ^= 16;
        Refuses(bytes, says);
    }

    [Fact]
    public void What_a_FLAC_says_of_itself_must_be_true()
    {
        byte[] flac = Bytes("stereo16.flac");
        Refuses([.. flac[..26], (byte)(flac[26] ^ 1), .. flac[27..]], "MD5");
        Refuses([.. flac[..18], 0, .. flac[19..]], "0 Hz");
        Refuses([.. flac[..4], 1, .. flac[5..]], "does not begin with STREAMINFO");
        Refuses(flac[..30], "offset 4: the file ends inside a block of 34 bytes");
        Refuses(flac[..60], "truncated");
    }

    [Fact]
    public void Sizes_that_a_Vorbis_header_claims_are_looked_at_before_they_are_believed()
    {
        Assert.Null(VorbisSetup.Check(Packet(3, 4, 0b0000_1000, 0b1000_0100, 0b0001_0000, 0)));
        Assert.Contains("16777215 entries of 65535 values", VorbisSetup.Check(Packet(65535, 0xFFFFFF, new byte[100])), StringComparison.Ordinal);
        Assert.Contains("has no end", VorbisSetup.Check(Packet(1, 1000, 1, 0, 0, 0)), StringComparison.Ordinal); // lengths in order, none of each
        Assert.Contains("ends inside code book 0", VorbisSetup.Check(Packet(1, 1_000_000, 0)), StringComparison.Ordinal);

        // A header with one code book, of lengths and a table as given.
        static byte[] Packet(int dimensions, int entries, params byte[] rest) =>
            [5, .. "vorbis"u8, 0, .. "BCV"u8, (byte)dimensions, (byte)(dimensions >> 8), (byte)entries, (byte)(entries >> 8), (byte)(entries >> 16), .. rest];
    }

    [Theory]
    [InlineData(18, 255, "mapping family 255")]
    [InlineData(9, 9, "9 channels")]
    [InlineData(9, 0, "0 channels")]
    [InlineData(8, 16, "another version")]
    public void An_Opus_header_that_is_not_known_is_refused(int at, byte value, string says)
    {
        Refuses(WithHead(at, value), says);
    }

    [Fact]
    public void The_gain_of_an_Opus_header_is_applied()
    {
        float[] plain = Read("mono.opus").Samples, quiet = AudioReader.Read(new MemoryStream(WithHead(17, unchecked((byte)-6))), "x").Samples;
        float gain = (float)Math.Pow(10, -6 / 20.0); // in dB, with eight bits behind the point
        Assert.Equal(plain.Select(s => s * gain), quiet);
    }

    [Theory]
    [InlineData("voice.m4a", "an M4A")]
    [InlineData("voice.webm", "a Matroska or WebM file (video or sound)")]
    [InlineData("flac.oga", "an Ogg file of FLAC")]
    [InlineData("voice.mp2", "an MP2 (MPEG audio of layer II)")]
    public void Other_formats_are_named_with_the_command_that_converts_them(string name, string what)
    {
        foreach (Stream stream in new Stream[] { new MemoryStream(Bytes(name)), new Pipe(Bytes(name)) })
        {
            string message = Assert.Throws<DiaException>(() => AudioReader.Read(stream, name)).Message;
            Assert.Equal($"{name} is {what}, not a WAV, FLAC, MP3, Opus or Vorbis. Convert it: ffmpeg -i {name} -ac 1 OUT.wav", message);
        }
    }

    /// <summary>An Opus with another byte in its header, and the page's check made right.</summary>
    private static byte[] WithHead(int at, byte value)
    {
        byte[] opus = Bytes("mono.opus");
        opus[28 + at] = value; // behind the first page's header, of one part
        opus.AsSpan(22, 4).Clear();
        BitConverter.TryWriteBytes(opus.AsSpan(22), Crc.Ogg.Of(opus.AsSpan(0, 28 + 19)));
        return opus;
    }

    private static byte[] Bytes(string name) => File.ReadAllBytes(Fixtures.Path("audio", name));

    private static AudioBuffer Read(string name)
    {
        var warnings = new List<string>();
        AudioBuffer audio = AudioReader.Read(Fixtures.Path("audio", name), warnings), piped = AudioReader.Read(new Pipe(Bytes(name)), name);
        Assert.Empty(warnings);
        Assert.Equal(audio.Samples, piped.Samples);
        return audio;
    }

    private static void Compare(string name, int steps)
    {
        AudioBuffer audio = Read(name), expected = AudioReader.Read(Fixtures.Path("audio", "expected", name.Replace('.', '-') + ".flac"));
        Assert.Equal((expected.Channels, expected.SamplingRate, expected.Frames), (audio.Channels, audio.SamplingRate, audio.Frames));
        // Ogg has left, centre, right, the two behind, and the low one last.
        int[] order = audio.Channels == 6 ? [0, 2, 1, 5, 3, 4] : [0, 1];
        double most = 0;
        for (int i = 0; i < audio.Samples.Length; i++)
        {
            float sample = audio.Samples[i / audio.Channels * audio.Channels + order[i % audio.Channels]];
            most = Math.Max(most, Math.Abs(Math.Min(Math.Round(sample * 32768.0), 32767) - expected.Samples[i] * 32768.0));
        }

        Assert.True(most <= steps, $"{name}: {most} steps of 16 bits");
        Assert.Contains(expected.Samples, s => Math.Abs(s) > 0.05);
    }

    private static void Refuses(byte[] bytes, string says)
    {
        var error = Assert.Throws<DiaException>(() => AudioReader.Read(new MemoryStream(bytes), "x"));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
        Assert.StartsWith("x", error.Message, StringComparison.Ordinal);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }
}
