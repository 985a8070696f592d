using System.Buffers.Binary;
using System.Text;
using Dia.Audio;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class WavReaderTests
{
    private static readonly string[] Files = [.. Directory.GetFiles(Fixtures.Path("wav"), "*.wav").Order(StringComparer.Ordinal)];

    [Fact]
    public void Reads_every_encoding_exactly()
    {
        TensorFile expected = Fixtures.Tensors("wav", "expected.safetensors");
        foreach (string file in Files)
        {
            string name = Path.GetFileName(file);
            foreach (AudioBuffer audio in new[] { AudioReader.Read(file), AudioReader.Read(new Pipe(File.ReadAllBytes(file)), name) })
            {
                Assert.Equal(expected.Floats(name), audio.Samples);
                Assert.Equal(expected.Shape(name)[1], audio.Channels);
                Assert.Equal(expected.Ints(name + ".rate")[0], audio.SamplingRate);
            }
        }
        Assert.Equal(8, Files.Length);
    }

    [Theory]
    [InlineData(0xFFFFFFFF)]
    [InlineData(0x7FFFF000)]
    public void Reads_to_the_end_where_the_size_is_unknown(uint size)
    {
        byte[] wav = Wav(Chunk("fmt ", Format()), Chunk("data", [1, 0, 2, 0, 3], size));
        foreach (Stream stream in new Stream[] { new MemoryStream(wav), new Pipe(wav) })
            Assert.Equal([1 / 32768f, 2 / 32768f], AudioReader.Read(stream, "x").Samples);
    }

    [Fact]
    public void Reads_chunks_in_any_order_and_odd_ones()
    {
        byte[] wav = Wav(Chunk("LIST", [1, 2, 3]), Chunk("data", [0, 64]), Chunk("junk", []), Chunk("fmt ", [.. Format(), 0, 0]));
        foreach (Stream stream in new Stream[] { new MemoryStream(wav), new Pipe(wav) })
            Assert.Equal([0.5f], AudioReader.Read(stream, "x").Samples);
    }

    [Fact]
    public void Reads_a_long_pipe()
    {
        // Longer than the first buffer and than one read of the pipe.
        byte[] samples = new byte[300_001];
        new Random(3).NextBytes(samples);
        byte[] wav = Wav(Chunk("fmt ", Format()), Chunk("data", samples));
        float[] expected = AudioReader.Read(new MemoryStream(wav), "x").Samples;
        Assert.Equal(150_000, expected.Length);
        Assert.Equal(expected, AudioReader.Read(new Pipe(wav), "x").Samples);
    }

    [Fact]
    public void Starts_at_the_streams_position()
    {
        byte[] wav = [9, 9, 9, .. Wav(Chunk("fmt ", Format()), Chunk("data", [0, 64]))];
        Assert.Equal([0.5f], AudioReader.Read(new MemoryStream(wav) { Position = 3 }, "x").Samples);
    }

    [Fact]
    public void Refuses_with_file_and_offset()
    {
        void Refuses(byte[] wav, int offset, string about)
        {
            foreach (Stream stream in new Stream[] { new MemoryStream(wav), new Pipe(wav) })
            {
                var error = Assert.Throws<DiaException>(() => AudioReader.Read(stream, "a.wav"));
                Assert.Equal(DiaErrorKind.Input, error.Kind);
                Assert.StartsWith($"a.wav, offset {offset}: ", error.Message);
                Assert.Contains(about, error.Message);
            }
        }
        byte[] data = Chunk("data", [0, 0]);
        Refuses(new byte[100], 0, "not a WAV");
        Refuses(Wav(data), 22, "'fmt '");
        Refuses(Wav(Chunk("fmt ", Format())), 36, "'data'");
        Refuses(Wav(Chunk("fmt ", [1, 0, 1]), data), 12, "at least 16");
        Refuses(Wav(Chunk("fmt ", Format(tag: 2))), 12, "format tag 2 (ADPCM)");
        Refuses(Wav(Chunk("fmt ", Format(tag: 7, bits: 8))), 12, "format tag 7 (µ-law)");
        Refuses(Wav(Chunk("fmt ", Format(bits: 7))), 12, "7 bits");
        Refuses(Wav(Chunk("fmt ", Format(tag: 3, bits: 16))), 12, "format tag 3");
        Refuses(Wav(Chunk("fmt ", Format(channels: 0))), 12, "0 channels");
        Refuses(Wav(Chunk("fmt ", Format(rate: 10))), 12, "10 Hz");
        Refuses(Wav(Chunk("fmt ", Format(rate: uint.MaxValue))), 12, "4294967295 Hz");
        Refuses(Wav(Chunk("fmt ", Format(align: 7))), 12, "7 bytes a frame");
        Refuses(Wav(Chunk("fmt ", Format(tag: 0xFFFE))), 12, "extensible");
        Refuses(Wav(Chunk("fmt ", Format()), Chunk("fmt ", Format())), 36, "second");
        Refuses(Wav(Chunk("fmt ", Format(tag: 3, bits: 32)), Chunk("data", [0, 0, 0, 0, 0, 0, 0xC0, 0x7F])), 48, "finite");
    }

    [Theory]
    [InlineData("", "a.wav is empty")]
    [InlineData("OggS\0\u0002..............", "a.wav is an Ogg file without Opus or Vorbis in it, not a WAV, FLAC, MP3, Opus or Vorbis. Convert it: ffmpeg -i a.wav -ac 1 OUT.wav")]
    [InlineData("\0\0\0 ftypM4A \0\0\0\0", "a.wav is an M4A, not a WAV, FLAC, MP3, Opus or Vorbis. Convert it: ffmpeg -i a.wav -ac 1 OUT.wav")]
    [InlineData("Dear diary, today", "a.wav is text, not a WAV, FLAC, MP3, Opus or Vorbis. ")]
    public void Says_what_else_it_is(string content, string says)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(content);
        foreach (Stream stream in new Stream[] { new MemoryStream(bytes), new Pipe(bytes) })
            Assert.Contains(says, Assert.Throws<DiaException>(() => AudioReader.Read(stream, "a.wav")).Message);
    }

    [Fact]
    public void Refuses_a_file_that_is_not_there()
    {
        var error = Assert.Throws<DiaException>(() => AudioReader.Read("no/such/file.wav"));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
        Assert.StartsWith("no/such/file.wav: ", error.Message);
    }

    [Fact]
    public void An_endless_pipe_ends()
    {
        // Header, then zeros for ever: empty chunks without a name, or samples.
        byte[] riff = Wav();
        Assert.Contains("not samples", Assert.Throws<DiaException>(() => AudioReader.Read(new Pipe(riff, endless: true), "x")).Message);
    }

    private static byte[] Wav(params byte[][] chunks) => [.. "RIFF"u8, 0, 0, 0, 0, .. "WAVE"u8, .. chunks.SelectMany(c => c)];

    private static byte[] Chunk(string id, byte[] content, uint? size = null)
    {
        byte[] length = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(length, size ?? (uint)content.Length);
        byte[] padding = size is null && content.Length % 2 == 1 ? [0] : [];
        return [.. Encoding.ASCII.GetBytes(id), .. length, .. content, .. padding];
    }

    private static byte[] Format(int tag = 1, int channels = 1, uint rate = 16000, int bits = 16, int? align = null)
    {
        byte[] chunk = new byte[16];
        BinaryPrimitives.WriteUInt16LittleEndian(chunk, (ushort)tag);
        BinaryPrimitives.WriteUInt16LittleEndian(chunk.AsSpan(2), (ushort)channels);
        BinaryPrimitives.WriteUInt32LittleEndian(chunk.AsSpan(4), rate);
        BinaryPrimitives.WriteUInt16LittleEndian(chunk.AsSpan(12), (ushort)(align ?? channels * bits / 8));
        BinaryPrimitives.WriteUInt16LittleEndian(chunk.AsSpan(14), (ushort)bits);
        return chunk;
    }
}
