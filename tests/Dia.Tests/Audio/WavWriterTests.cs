using System.Buffers.Binary;
using Dia.Audio;
using Dia.Audio.Formats;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class WavWriterTests
{
    private static readonly float[] Samples = Fixtures.Tensors("wav", "samples.safetensors").Floats("samples");
    private static readonly byte[] Expected = File.ReadAllBytes(Fixtures.Path("wav", "hf_save_audio.wav"));

    [Fact]
    public void Writes_the_references_bytes()
    {
        var stream = new MemoryStream();
        using (var writer = new WavWriter(stream, 44100))
            writer.Write(Samples);
        Assert.Equal(Expected, stream.ToArray());
    }

    [Fact]
    public void Writes_in_pieces_after_other_content()
    {
        var stream = new MemoryStream();
        stream.Write([7, 7, 7]);
        var writer = new WavWriter(stream, 44100);
        foreach (float[] piece in Samples.Chunk(7))
            writer.Write(piece);
        writer.Dispose();
        writer.Dispose();
        Assert.Equal([7, 7, 7, .. Expected], stream.ToArray());
        Assert.Throws<ObjectDisposedException>(() => writer.Write(Samples));
    }

    [Fact]
    public void Leaves_sizes_open_on_a_pipe()
    {
        var sink = new MemoryStream();
        using (var writer = new WavWriter(new OneWay(sink), 44100))
            writer.Write(Samples);
        byte[] expected = (byte[])Expected.Clone();
        BinaryPrimitives.WriteUInt32LittleEndian(expected.AsSpan(4), 0xFFFFFFFF);
        BinaryPrimitives.WriteUInt32LittleEndian(expected.AsSpan(40), 0xFFFFFFFF);
        Assert.Equal(expected, sink.ToArray());
        Assert.Equal(Samples.Length, AudioReader.Read(new Pipe(sink.ToArray()), "x").Samples.Length);
    }

    [Fact]
    public void Says_what_the_speech_is_where_tags_are_given()
    {
        var tags = new AudioTags("dia 1.0", "Hello there.", 7);
        var stream = new MemoryStream();
        using (AudioWriter writer = AudioWriter.Create(stream, AudioFormat.Wav, 44100, tags))
            writer.Write(Samples);
        byte[] wav = stream.ToArray(), info = [.. "INFO"u8,
            .. "INAM"u8, 13, 0, 0, 0, .. "Hello there.\0\0"u8, .. "ISFT"u8, 8, 0, 0, 0, .. "dia 1.0\0"u8, .. "ICMT"u8, 25, 0, 0, 0, .. "generated speech, seed 7\0\0"u8];
        Assert.Equal([.. "LIST"u8, (byte)info.Length, 0, 0, 0, .. info, .. Expected[36..]], wav[36..]);
        Assert.Equal(wav.Length - 8, BinaryPrimitives.ReadInt32LittleEndian(wav.AsSpan(4)));
        Assert.Equal(Expected[8..36], wav[8..36]);
    }

    [Fact]
    public void Writes_raw_samples()
    {
        var sink = new MemoryStream();
        using (var writer = new WavWriter(new OneWay(sink), 44100, headerless: true))
            writer.Write(Samples);
        Assert.Equal(Expected[44..], sink.ToArray());
    }

    [Fact]
    public void Writes_more_than_its_buffer()
    {
        var random = new Random(5);
        float[] samples = [.. Enumerable.Range(0, 20_001).Select(_ => random.Next(-32768, 32768) / 32768f)];
        var stream = new MemoryStream();
        using (var writer = new WavWriter(stream, 16000))
            writer.Write(samples);
        stream.Position = 0;
        Assert.Equal(samples, AudioReader.Read(stream, "x").Samples);
    }

    [Theory]
    [InlineData(float.NaN, 0)]
    [InlineData(float.PositiveInfinity, 32767)]
    [InlineData(float.NegativeInfinity, -32768)]
    [InlineData(-1e-12f, 0)] // rounds to zero before the shift
    [InlineData(-1e-9f, -1)] // and here not: floor
    [InlineData(1f, 32767)]
    [InlineData(-1f, -32768)]
    public void RoundsTheEdges(float sample, short expected) => Assert.Equal(expected, WavWriter.ToInt16(sample));

    /// <summary>A stream that can only be written.</summary>
    private sealed class OneWay(Stream sink) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => sink.Flush();

        public override void Write(byte[] buffer, int offset, int count) => sink.Write(buffer, offset, count);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
