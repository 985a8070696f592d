namespace Dia.Audio;

/// <summary>The bytes of one WAV, from a file or a pipe. Counts offsets from where it started, for the messages.</summary>
/// <param name="stream">Where to read, from its position on.</param>
/// <param name="name">What messages call it.</param>
internal sealed class WavSource(Stream stream, string name)
{
    /// <summary>Most bytes before the samples (pictures and the like); an endless pipe of chunks must end somewhere.</summary>
    private const int MaxOtherBytes = 1 << 26;

    private readonly byte[] _small = new byte[40];
    private long _otherBytes;

    /// <summary>What messages call it.</summary>
    public string Name { get; } = name;

    /// <summary>Bytes taken so far.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes that are left; null: a pipe does not say.</summary>
    public long? Rest => stream.CanSeek ? Math.Max(0, stream.Length - stream.Position) : null;

    /// <summary>The next bytes (at most 40), fewer at the end; valid until the next call.</summary>
    public Span<byte> Take(int count) => _small.AsSpan(0, Fill(_small.AsSpan(0, count)));

    /// <summary>One byte fewer at the start of what was just taken, and one more at its end, if there is one.</summary>
    public Span<byte> Shift(int count)
    {
        _small.AsSpan(1, count - 1).CopyTo(_small);
        return _small.AsSpan(0, count - 1 + Fill(_small.AsSpan(count - 1, 1)));
    }

    /// <summary>Fills a buffer; fewer bytes at the end.</summary>
    public int Fill(Span<byte> buffer)
    {
        int count = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        Offset += count;
        return count;
    }

    /// <summary>Passes over bytes, of which <paramref name="counted"/> count against the limit. The end of the file may come first.</summary>
    public void Skip(long counted, long bytes)
    {
        if (counted > MaxOtherBytes - _otherBytes)
            throw Error(Offset,
                $"more than {MaxOtherBytes >> 20} MiB that are not samples; strip them, for example with: ffmpeg -i IN -map_metadata -1 OUT.wav");
        _otherBytes += counted;
        if (Rest is long rest)
        {
            bytes = Math.Clamp(bytes, 0, rest);
            stream.Position += bytes;
            Offset += bytes;
            return;
        }

        Span<byte> discarded = stackalloc byte[4096];
        while (bytes > 0)
        {
            int count = Fill(discarded[..(int)Math.Min(bytes, discarded.Length)]);
            if (count == 0)
                return;
            bytes -= count;
        }
    }

    /// <summary>An error at an offset.</summary>
    public DiaException Error(long offset, string message) => new(DiaErrorKind.Input, $"{Name}, offset {offset}: {message}");
}
