using System.Buffers.Binary;
using Dia.Audio;

namespace Dia.Fuzz.Targets;

/// <summary>Audio files, half of them as pipes.</summary>
internal sealed class WavTarget() : FuzzTarget("wav")
{
    private long _number;

    private static readonly byte[][] Riffs = RealFiles.All("tests/fixtures/wav", "*.wav");

    /// <summary>Files, and the same in other containers and with sizes that are not true.</summary>
    public override IReadOnlyList<byte[]> Seeds { get; } = [.. Riffs, .. Riffs[..3].SelectMany(r => new[] { Long(r), Wave64(r, 24), Wave64(r, 0), CutOff(r) })];

    // Bytes once, on a pipe in buffers that double, four bytes for one of 8-bit audio; a first buffer of 64 KiB, and the exception.
    public override long AllocationLimit(byte[] input) => 128 * 1024 + 16L * input.Length;

    public override byte[] Mutate(Randomness random)
    {
        byte[] real = random.Of(Seeds), other = random.Of(Riffs);
        List<byte> bytes = RealFiles.ToList(random.OneIn(3) ? Chunks(random, random.Of(Riffs), other) : real);
        if (!random.OneIn(6))
            Mutations.Binary(random, bytes, other);
        return [.. bytes];
    }

    public override bool Read(byte[] input)
    {
        AudioBuffer audio = AudioReader.Read(_number++ % 2 == 0 ? new MemoryStream(input) : new Pipe(input), "input");
        if (audio.Samples.Length > input.Length || audio.Channels < 1 || audio.Samples.Length % audio.Channels != 0 || audio.SamplingRate < 1)
            throw new InvalidOperationException(
                $"{audio.Samples.Length} samples, {audio.Channels} channels, {audio.SamplingRate} Hz from {input.Length} bytes");
        return true;
    }

    /// <summary>Chunks of two files in any order, some twice, some not at all.</summary>
    private static byte[] Chunks(Randomness random, byte[] real, byte[] other)
    {
        List<byte[]> chunks =
            [.. Split(real), .. random.OneIn(3) ? Split(other) : [], .. random.OneIn(3) ? [[.. "LIST"u8, 3, 0, 0, 0, 1, 2, 3, 0]] : Array.Empty<byte[]>()];
        var bytes = new List<byte>(real[..12]);
        while (chunks.Count > 0)
        {
            int i = random.Below(chunks.Count);
            bytes.AddRange(chunks[i]);
            if (!random.OneIn(10))
                chunks.RemoveAt(i);
        }

        return [.. bytes];
    }

    /// <summary>RF64.</summary>
    private static byte[] Long(byte[] riff)
    {
        List<byte> bytes = [.. "RF64"u8, 255, 255, 255, 255, .. "WAVEds64"u8, 28, 0, 0, 0, .. BitConverter.GetBytes((long)riff.Length)];
        byte[][] chunks = [.. Split(riff)];
        byte[] data = chunks.First(c => c.AsSpan().StartsWith("data"u8));
        bytes.AddRange([.. BitConverter.GetBytes(data.Length - 8L), .. new byte[12]]);
        foreach (byte[] chunk in chunks)
            bytes.AddRange(chunk == data ? [.. "data"u8, 255, 255, 255, 255, .. chunk[8..]] : chunk);
        return [.. bytes];
    }

    /// <summary>Wave64, each chunk's size with that many bytes for its header.</summary>
    private static byte[] Wave64(byte[] riff, int header)
    {
        byte[] tail = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];
        List<byte> bytes = [.. "riff"u8, 0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0, .. new byte[8], .. "wave"u8, .. tail];
        foreach (byte[] chunk in Split(riff))
        {
            bool last = header == 0 && chunk.AsSpan().StartsWith("data"u8);
            bytes.AddRange(
                [.. chunk[..4], .. tail, .. BitConverter.GetBytes(last ? 0L : chunk.Length - 8 + 24), .. chunk[8..], .. new byte[(8 - chunk.Length % 8) % 8]]);
            if (last)
                break;
        }

        return [.. bytes];
    }

    /// <summary>What a recorder leaves that was ended before it could write the sizes.</summary>
    private static byte[] CutOff(byte[] riff)
    {
        List<byte> bytes = [.. "RIFF\0\0\0\0WAVE"u8];
        foreach (byte[] chunk in Split(riff))
        {
            bool data = chunk.AsSpan().StartsWith("data"u8);
            bytes.AddRange([.. chunk[..4], .. data ? [0, 0, 0, 0] : chunk[4..8], .. chunk[8..]]);
            if (data)
                break;
        }

        return [.. bytes];
    }

    private static IEnumerable<byte[]> Split(byte[] wav)
    {
        for (int at = 12; at + 8 <= wav.Length;)
        {
            int size = (int)BinaryPrimitives.ReadUInt32LittleEndian(wav.AsSpan(at + 4)), end = Math.Min(wav.Length, at + 8 + size + size % 2);
            yield return wav[at..end];
            at = end;
        }
    }

    /// <summary>A stream without seeking that hands out what it has in pieces.</summary>
    private sealed class Pipe(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override long Seek(long offset, SeekOrigin loc) => throw new NotSupportedException();

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 331)]);
    }
}
