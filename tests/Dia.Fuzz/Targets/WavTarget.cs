using System.Buffers.Binary;
using Dia.Audio;

namespace Dia.Fuzz.Targets;

/// <summary>Audio files, half of them as pipes.</summary>
internal sealed class WavTarget() : FuzzTarget("wav")
{
    private long _number;

    public override IReadOnlyList<byte[]> Seeds { get; } = RealFiles.All("tests/fixtures/wav", "*.wav");

    // Bytes once, on a pipe in buffers that double, four bytes for one of 8-bit audio; a first buffer of 64 KiB, and the exception.
    public override long AllocationLimit(byte[] input) => (128 * 1024) + (16L * input.Length);

    public override byte[] Mutate(Randomness random)
    {
        byte[] real = random.Of(Seeds), other = random.Of(Seeds);
        List<byte> bytes = RealFiles.ToList(random.OneIn(3) ? Chunks(random, real, other) : real);
        if (!random.OneIn(6))
            Mutations.Binary(random, bytes, other);
        return [.. bytes];
    }

    public override bool Read(byte[] input)
    {
        AudioBuffer audio = WavReader.Read(_number++ % 2 == 0 ? new MemoryStream(input) : new Pipe(input), "input");
        if (audio.Samples.Length > input.Length || audio.Channels < 1 || audio.Samples.Length % audio.Channels != 0 || audio.SamplingRate < 1)
            throw new InvalidOperationException($"{audio.Samples.Length} samples, {audio.Channels} channels, {audio.SamplingRate} Hz from {input.Length} bytes");
        return true;
    }

    /// <summary>Chunks of two files in any order, some twice, some not at all.</summary>
    private static byte[] Chunks(Randomness random, byte[] real, byte[] other)
    {
        List<byte[]> chunks = [.. Split(real), .. random.OneIn(3) ? Split(other) : [], .. random.OneIn(3) ? [[.. "LIST"u8, 3, 0, 0, 0, 1, 2, 3, 0]] : Array.Empty<byte[]>()];
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

    private static IEnumerable<byte[]> Split(byte[] wav)
    {
        for (int at = 12; at + 8 <= wav.Length;)
        {
            int size = (int)BinaryPrimitives.ReadUInt32LittleEndian(wav.AsSpan(at + 4)), end = Math.Min(wav.Length, at + 8 + size + (size % 2));
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
