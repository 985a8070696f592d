using System.Buffers.Binary;
using System.Text;
using Dia.Audio;
using Xunit;

namespace Dia.Tests.Audio;

/// <summary>Other containers than RIFF, and sizes that are not true.</summary>
public sealed class WavContainerTests
{
    private static readonly byte[] Samples = [0, 64, 0, 192, 0, 32];
    private static readonly float[] Expected = [0.5f, -0.5f, 0.25f];

    [Theory]
    [InlineData("RF64")]
    [InlineData("BW64")]
    public void Sizes_of64_bits_stand_in_a_chunk_of_their_own(string name)
    {
        byte[] odd = [.. Samples, 7];
        Reads(Expected, 0,
            [.. Start(name), .. Chunk("ds64", Sizes(6)), .. Chunk("LIST", [1, 2, 3]), .. Chunk("fmt ", Format()), .. Chunk("data", odd, uint.MaxValue)]);
        // Where the 32 bits are enough they count; where there is no other size, the file ends where it ends.
        Reads([0.5f], 0, [.. Start(name), .. Chunk("ds64", Sizes(6)), .. Chunk("fmt ", Format()), .. Chunk("data", Samples, 2)]);
        Reads(Expected, 0, [.. Start(name), .. Chunk("fmt ", Format()), .. Chunk("data", Samples, uint.MaxValue)]);
        Reads(Expected, 0, [.. Start(name), .. Chunk("ds64", Sizes(ulong.MaxValue)), .. Chunk("fmt ", Format()), .. Chunk("data", Samples, uint.MaxValue)]);
        Reads(Expected, 1, [.. Start(name), .. Chunk("ds64", Sizes(0)), .. Chunk("fmt ", Format()), .. Chunk("data", Samples, uint.MaxValue)]);
        Reads(Expected, 1, [.. Start(name), .. Chunk("ds64", Sizes(1UL << 40)), .. Chunk("fmt ", Format()), .. Chunk("data", Samples, uint.MaxValue)]);
    }

    [Fact]
    public void Reads_wave64()
    {
        byte[] format = Wave64Chunk("fmt ", Format()), list = Wave64Chunk("LIST", [1, 2, 3]), data = Wave64Chunk("data", Samples);
        Reads(Expected, 0, [.. Wave64(), .. format, .. data]);
        Reads(Expected, 0, [.. Wave64(), .. list, .. data, .. list, .. format]);
        Reads(Expected, 0, [.. Wave64(), .. format, .. data, .. list]);
        Reads(Expected, 0, [.. Wave64(), .. format, .. Wave64Chunk("data", Samples, long.MaxValue)[..^2]]);
        Reads(Expected, 1, [.. Wave64(), .. format, .. Wave64Chunk("data", Samples, 1L << 40)[..^2]]);
        Reads(Expected, 1, [.. Wave64(), .. format, .. Wave64Chunk("data", Samples, 24)[..^2]]);
        Reads(Expected, 1, [.. Wave64(), .. format, .. Wave64Chunk("data", Samples, 0)[..^2]]);
        Reads([], 0, [.. Wave64(), .. format, .. Wave64Chunk("data", [], 24), .. list]);
        Refuses("its header alone has 24", [.. Wave64(), .. Wave64Chunk("LIST", [], 23)]);
        Refuses("not samples", [.. Wave64(), .. Wave64Chunk("LIST", [], long.MaxValue)]);
        Refuses("not a WAV", [.. Wave64()[..39], 0]);
    }

    [Fact]
    public void A_recorder_that_was_cut_off_leaves_a_size_that_is_not_true()
    {
        byte[] format = Chunk("fmt ", Format());
        Reads(Expected, 1, [.. Start("RIFF"), .. format, .. Chunk("data", Samples, 0)]);
        Reads(Expected, 1, [.. Start("RIFF"), .. format, .. Chunk("data", Samples, 100)]);
        Reads(Expected, 1, [.. Start("RIFF"), .. format, .. Chunk("data", Samples, 0x70000000)]);
        // A frame that was begun is dropped.
        Reads(Expected, 1, [.. Start("RIFF"), .. format, .. Chunk("data", [.. Samples, 5], 0)]);
        Reads([], 1, [.. Start("RIFF"), .. format, .. Chunk("data", [], 100)]);
    }

    [Fact]
    public void An_empty_recording_is_empty()
    {
        byte[] format = Chunk("fmt ", Format()), list = Chunk("LIST", [1, 2, 3, 4]);
        Reads([], 0, [.. Start("RIFF"), .. format, .. Chunk("data", [])]);
        Reads([], 0, [.. Start("RIFF"), .. format, .. Chunk("data", []), .. list, .. Chunk("id3 ", [9])[..^1]]);
        // Here the size has to be believed: the format follows.
        Reads([], 0, [.. Start("RIFF"), .. Chunk("data", []), .. format]);
    }

    [Fact]
    public void Padding_may_be_missing()
    {
        byte[] list = Chunk("LIST", [1, 2, 3]), format = Chunk("fmt ", Format()), data = Chunk("data", Samples);
        Reads(Expected, 0, [.. Start("RIFF"), .. list[..^1], .. format, .. data]);
        Reads(Expected, 0, [.. Start("RIFF"), .. list, .. format, .. data]);
        Reads([0.5f, -0.5f], 0, [.. Start("RIFF"), .. Chunk("data", Samples[..5])[..^1], .. list, .. format]);
        list[^1] = (byte)'x'; // Padding that is not zero.
        Reads(Expected, 0, [.. Start("RIFF"), .. list, .. format, .. data]);
    }

    [Fact]
    public void A_format_that_is_clear_is_read()
    {
        byte[] none = Format(), odd = Format(),
            extensible = [.. Format(), 22, 0, 16, 0, 0xEF, 0xBE, 0xAD, 0xDE, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
        BinaryPrimitives.WriteUInt16LittleEndian(none.AsSpan(12), 0); // No bytes a frame.
        odd[14] = 12; // 12 bits in the upper bits of 16.
        (extensible[0], extensible[1]) = (0xFE, 0xFF); // A mask of loudspeakers that are not there.
        foreach (byte[] format in new[] { none, odd, extensible })
            Reads(Expected, 0, [.. Start("RIFF"), .. Chunk("fmt ", format), .. Chunk("data", Samples)]);
    }

    [Fact]
    public void A_size_allocates_nothing()
    {
        foreach (byte[] wav in new byte[][] { [.. Wave64(), .. Wave64Chunk("fmt ", Format()), .. Wave64Chunk("data", Samples, 1L << 59)],
            [.. Start("RF64"), .. Chunk("ds64", Sizes(1UL << 59)), .. Chunk("fmt ", Format()), .. Chunk("data", Samples, uint.MaxValue)] })
        {
            AudioReader.Read(new Pipe(wav), "x");
            long before = GC.GetAllocatedBytesForCurrentThread();
            AudioReader.Read(new MemoryStream(wav), "x");
            AudioReader.Read(new Pipe(wav), "x");
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 18);
        }
    }

    private static void Reads(float[] expected, int warnings, byte[] wav)
    {
        foreach (Stream stream in new Stream[] { new MemoryStream(wav), new Pipe(wav) })
        {
            var said = new List<string>();
            AudioBuffer audio = AudioReader.Read(stream, "a.wav", said);
            Assert.Equal(expected, audio.Samples);
            Assert.Equal(16000, audio.SamplingRate);
            Assert.Equal(warnings, said.Count);
            Assert.All(said, w => Assert.StartsWith("a.wav: the 'data' chunk says ", w, StringComparison.Ordinal));
        }
    }

    private static void Refuses(string says, byte[] wav)
    {
        foreach (Stream stream in new Stream[] { new MemoryStream(wav), new Pipe(wav) })
            Assert.Contains(says, Assert.Throws<DiaException>(() => AudioReader.Read(stream, "a.wav")).Message, StringComparison.Ordinal);
    }

    private static byte[] Start(string name) => [.. Encoding.ASCII.GetBytes(name), 0, 0, 0, 0, .. "WAVE"u8];

    private static byte[] Sizes(ulong data) => [.. new byte[8], .. BitConverter.GetBytes(data), .. new byte[12]];

    private static byte[] Chunk(string name, byte[] content, uint? size = null) =>
        [.. Encoding.ASCII.GetBytes(name), .. BitConverter.GetBytes(size ?? (uint)content.Length), .. content,
            .. new byte[size is null ? content.Length % 2 : 0]];

    private static byte[] Wave64() =>
        [.. "riff"u8, 0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0, .. new byte[8], .. "wave"u8, .. Wave64Tail];

    private static byte[] Wave64Tail => [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];

    private static byte[] Wave64Chunk(string name, byte[] content, long? size = null) =>
        [.. Encoding.ASCII.GetBytes(name), .. Wave64Tail, .. BitConverter.GetBytes(size ?? content.Length + 24), .. content,
            .. new byte[(8 - content.Length % 8) % 8]];

    private static byte[] Format()
    {
        byte[] chunk = new byte[16];
        (chunk[0], chunk[2], chunk[12], chunk[14]) = (1, 1, 2, 16);
        BinaryPrimitives.WriteInt32LittleEndian(chunk.AsSpan(4), 16000);
        return chunk;
    }
}
