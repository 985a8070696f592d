namespace Dia.Audio.Formats;

/// <summary>The bytes of one recording, from a file or a pipe. Counts offsets from where it started, for the messages.</summary>
/// <param name="stream">Where to read, from its position on.</param>
/// <param name="name">What messages call it.</param>
internal sealed class AudioSource(Stream stream, string name)
{
    /// <summary>Most bytes before the samples (pictures and the like); an endless pipe of chunks must end somewhere.</summary>
    private const int MaxOtherBytes = 1 << 26;

    private const int FirstBuffer = 1 << 16;

    private readonly byte[] _small = new byte[40];
    private byte[] _ahead = [];
    private int _aheadUsed;
    private long _otherBytes;

    /// <summary>What messages call it.</summary>
    public string Name { get; } = name;

    /// <summary>Bytes taken so far.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes that are left; null: a pipe does not say.</summary>
    public long? Rest => stream.CanSeek ? Math.Max(0, stream.Length - stream.Position) + _ahead.Length - _aheadUsed : null;

    /// <summary>The first bytes, fewer where there are no more. Nothing was taken before; all of them come again.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        _ahead = new byte[count];
        return _ahead = _ahead[..stream.ReadAtLeast(_ahead, count, throwOnEndOfStream: false)];
    }

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
        int count = TakeAhead(buffer);
        count += stream.ReadAtLeast(buffer[count..], buffer.Length - count, throwOnEndOfStream: false);
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
            int ahead = (int)Math.Min(bytes, _ahead.Length - _aheadUsed);
            _aheadUsed += ahead;
            stream.Position += bytes - ahead;
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

    /// <summary>All bytes up to the end; what is allocated grows with those that come.</summary>
    /// <param name="most">Most of them.</param>
    /// <exception cref="DiaException">Input: there are more.</exception>
    public byte[] TakeAll(int most)
    {
        if (Rest > most)
            throw TooLong(most);
        byte[] all = new byte[Rest ?? FirstBuffer];
        int count = Fill(all);
        while (count == all.Length && Rest is null)
        {
            if (count >= most)
                throw TooLong(most);
            Array.Resize(ref all, (int)Math.Min(most, 2L * count));
            count += Fill(all.AsSpan(count));
        }

        return count == all.Length ? all : all[..count];
    }

    /// <summary>An error at an offset.</summary>
    public DiaException Error(long offset, string message) => new(DiaErrorKind.Input, $"{Name}, offset {offset}: {message}");

    private DiaException TooLong(int most) => Error(0, $"more than {most >> 20} MiB; cut the audio.");

    private int TakeAhead(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _ahead.Length - _aheadUsed);
        _ahead.AsSpan(_aheadUsed, count).CopyTo(buffer);
        _aheadUsed += count;
        return count;
    }
}
