using System.Buffers.Binary;
using Dia.IO;

namespace Dia.Audio.Formats;

/// <summary>What a chunk of a WAV is for.</summary>
internal enum WavChunkKind
{
    /// <summary>Names, pictures, marks: passed over.</summary>
    Other,

    /// <summary>How bytes become samples.</summary>
    Format,

    /// <summary>The samples.</summary>
    Data,
}

/// <summary>A chunk.</summary>
/// <param name="Kind">What it is for.</param>
/// <param name="Start">Where it starts: its header.</param>
/// <param name="Size">Bytes that it says it holds; null: until the end of the file.</param>
internal readonly record struct WavChunk(WavChunkKind Kind, long Start, long? Size);

/// <summary>
/// Walks the chunks of a WAV in any of its containers: RIFF; RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088: the same with the sizes of 64 bits in
/// a chunk `ds64`); Sony's Wave64 (GUIDs for names, sizes of 64 bits with the header's 24 bytes, chunks at multiples of 8).
/// </summary>
internal sealed class WavChunks
{
    private const int HeaderBytes = 8, Wave64HeaderBytes = 24, Wave64Align = 8;

    /// <summary>Sizes from here on are what programs write on a pipe for "until the end": 0xFFFFFFFF (ffmpeg), a little below 2^31 (sox).</summary>
    private const uint OpenEnded = 0x7FFF0000;

    /// <summary>The same in 64 bits (ffmpeg: 2^63 - 1); no file is that long.</summary>
    private const ulong LongOpenEnded = 1UL << 60;

    private readonly AudioSource _source;
    private readonly bool _isWave64, _isLong;
    private long? _longDataSize;
    private long _padding;

    private WavChunks(AudioSource source, bool isWave64, bool isLong) => (_source, _isWave64, _isLong) = (source, isWave64, isLong);

    private static ReadOnlySpan<byte> Wave64Riff =>
        [(byte)'r', (byte)'i', (byte)'f', (byte)'f', 0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0];

    /// <summary>The end of the names `wave`, `fmt ` and `data` in Wave64.</summary>
    private static ReadOnlySpan<byte> Wave64Tail => [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];

    /// <summary>Reads the start of a file.</summary>
    /// <exception cref="DiaException">Input: no WAV; the message says what it is instead.</exception>
    public static WavChunks Open(AudioSource source)
    {
        Span<byte> start = source.Take(12);
        if (start.Length == 12 && start[8..].SequenceEqual("WAVE"u8))
        {
            bool isLong = start[..4].SequenceEqual("RF64"u8) || start[..4].SequenceEqual("BW64"u8);
            if (isLong || start[..4].SequenceEqual("RIFF"u8))
                return new WavChunks(source, isWave64: false, isLong);
        }

        byte[] head = new byte[FileContent.HeadBytes];
        start.CopyTo(head);
        bool mayBeWave64 = start.Length == 12 && Wave64Riff.StartsWith(start);
        int count = start.Length;
        count += source.Fill(head.AsSpan(count, mayBeWave64 ? 40 - count : head.Length - count));
        if (mayBeWave64 && count == 40 && head.AsSpan().StartsWith(Wave64Riff)
            && head.AsSpan(24, 4).SequenceEqual("wave"u8) && head.AsSpan(28, 12).SequenceEqual(Wave64Tail))
            return new WavChunks(source, isWave64: true, isLong: true);
        FileContent.Refuse(head.AsSpan(0, count), source.Name, FileContent.Recordings, DiaErrorKind.Input, FileContentKind.Recording);
        throw source.Error(0, $"not {FileContent.Recordings}. Convert it, for example with: ffmpeg -i {FileContent.Quoted(source.Name)} -ac 1 OUT.wav");
    }

    /// <summary>The next chunk; what it holds comes next. Null at the end of the file.</summary>
    /// <exception cref="DiaException">Input: a chunk that is smaller than its header.</exception>
    public WavChunk? Next()
    {
        while (true)
        {
            WavChunk? chunk = _isWave64 ? NextWave64() : NextRiff();
            if (chunk is not { Kind: WavChunkKind.Other } other)
                return chunk;
            // The header counts too, so that empty chunks without an end are found.
            long size = other.Size ?? long.MaxValue;
            _source.Skip(Math.Max(size, size + HeaderBytes), size);
        }
    }

    /// <summary>Whether bytes that follow an empty chunk of samples are chunks again, to the end: then it is empty indeed.</summary>
    public bool AreChunks(ReadOnlySpan<byte> rest)
    {
        int header = _isWave64 ? Wave64HeaderBytes : HeaderBytes;
        while (!rest.IsEmpty)
        {
            if (rest.Length < header || rest[..4].ContainsAnyExceptInRange((byte)' ', (byte)'~'))
                return false;
            ulong size = _isWave64
                ? BinaryPrimitives.ReadUInt64LittleEndian(rest[16..])
                : HeaderBytes + (ulong)BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
            if (size < (ulong)header || size > (ulong)rest.Length)
                return false;
            int align = _isWave64 ? Wave64Align : 2, end = ((int)size + align - 1) / align * align;
            rest = rest[Math.Min(end, rest.Length)..];
        }

        return true;
    }

    private WavChunk? NextRiff()
    {
        long start = _source.Offset;
        Span<byte> header = _source.Take(HeaderBytes);
        // Chunks start at even offsets, but some programs leave the byte of padding out.
        if (_padding == 1 && header.Length == HeaderBytes && !IsKnown(header[..4]))
        {
            header = _source.Shift(HeaderBytes);
            start++;
        }

        if (header.Length < HeaderBytes)
            return null;
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        _padding = size % 2;
        if (_isLong && header[..4].SequenceEqual("ds64"u8))
            return ReadSizes(start, size);
        if (!header[..4].SequenceEqual("data"u8))
            return new WavChunk(header[..4].SequenceEqual("fmt "u8) ? WavChunkKind.Format : WavChunkKind.Other, start, size);
        if (_isLong && size == uint.MaxValue)
            _padding = (_longDataSize ?? 0) % 2;
        return new WavChunk(WavChunkKind.Data, start, _isLong && size == uint.MaxValue ? _longDataSize : size >= OpenEnded ? null : size);
    }

    /// <summary>`ds64`: the file's size, that of the samples, both of 64 bits, and more that is not needed.</summary>
    private WavChunk ReadSizes(long start, uint chunkSize)
    {
        int wanted = (int)Math.Min(16, chunkSize);
        Span<byte> sizes = _source.Take(wanted);
        if (sizes.Length == 16 && BinaryPrimitives.ReadUInt64LittleEndian(sizes[8..]) is var size && size < LongOpenEnded)
            _longDataSize = (long)size;
        return new WavChunk(WavChunkKind.Other, start, chunkSize - wanted);
    }

    private WavChunk? NextWave64()
    {
        _source.Skip(0, _padding);
        long start = _source.Offset;
        Span<byte> header = _source.Take(Wave64HeaderBytes);
        if (header.Length < Wave64HeaderBytes)
            return null;
        ulong size = BinaryPrimitives.ReadUInt64LittleEndian(header[16..]);
        bool known = header.Slice(4, 12).SequenceEqual(Wave64Tail);
        WavChunkKind kind = known && header[..4].SequenceEqual("fmt "u8) ? WavChunkKind.Format
            : known && header[..4].SequenceEqual("data"u8) ? WavChunkKind.Data
            : WavChunkKind.Other;
        _padding = (long)(size % Wave64Align == 0 ? 0 : Wave64Align - size % Wave64Align);
        if (size >= LongOpenEnded)
            return new WavChunk(kind, start, null);
        if (size < Wave64HeaderBytes && !(size == 0 && kind == WavChunkKind.Data))
            throw _source.Error(start, $"a chunk of {size} bytes; its header alone has {Wave64HeaderBytes}. The file is damaged.");
        return new WavChunk(kind, start, Math.Max(0, (long)size - Wave64HeaderBytes));
    }

    /// <summary>The names of chunks that come before or after samples in files of today.</summary>
    private static bool IsKnown(ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> known = "fmt dataLISTfactJUNKjunkPAD bextcue smplinstPEAKiXMLid3 ID3 axmlchnacartacidDISPFLLR"u8;
        for (int i = 0; i < known.Length; i += 4)
            if (name.SequenceEqual(known.Slice(i, 4)))
                return true;
        return false;
    }
}
