using System.Buffers.Binary;

namespace Dia.Weights;

/// <summary>A file in a ZIP archive, where it lies.</summary>
/// <param name="Offset">Bytes of the archive before it.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Check">Its CRC-32; 0: whoever wrote it left that out, as torch.save can be told to.</param>
internal readonly record struct ArchiveEntry(long Offset, long Length, uint Check);

/// <summary>
/// The directory of a ZIP archive whose files are stored as they are, which is how PyTorch writes one: each can be mapped where it lies. Read as hostile:
/// one directory, no file over another, nothing packed (APPNOTE 6.3.10, 4.3 and 4.5.3).
/// </summary>
internal sealed unsafe class ArchiveDirectory
{
    private const int EndLength = 22, LocatorLength = 20, LongEndLength = 56, HeaderLength = 46, LocalLength = 30;
    private const uint EndMark = 0x06054B50, LocatorMark = 0x07064B50, LongEndMark = 0x06064B50, HeaderMark = 0x02014B50, LocalMark = 0x04034B50;
    private const int MaxEntries = 1 << 18, MaxDirectory = 64 << 20, MaxName = 1024;
    private const ushort Encrypted = 1;

    private readonly byte* _file;
    private readonly long _length;
    private readonly Func<string, DiaException> _error;
    private readonly Dictionary<string, ArchiveEntry> _entries = new(StringComparer.Ordinal);
    private readonly List<(long Begin, long End, string Name)> _places = [];

    private ArchiveDirectory(byte* file, long length, Func<string, DiaException> error)
    {
        _file = file;
        (_length, _error) = (length, error);
    }

    /// <summary>Where the files of an archive lie in it, by name.</summary>
    /// <param name="file">The archive's first byte.</param>
    /// <param name="length">Its length.</param>
    /// <param name="error">Makes the exception for what is wrong with it.</param>
    public static IReadOnlyDictionary<string, ArchiveEntry> Read(byte* file, long length, Func<string, DiaException> error)
    {
        var archive = new ArchiveDirectory(file, length, error);
        (long start, long bytes, long count) = archive.FindDirectory();
        archive.ReadEntries(start, bytes, count);
        archive.CheckPlaces(start);
        return archive._entries;
    }

    private ReadOnlySpan<byte> Bytes(long at, int count, string what) =>
        at >= 0 && at <= _length - count ? new ReadOnlySpan<byte>(_file + at, count) : throw _error($"says that {what} reaches past the file's end: it is cut, or damaged");

    /// <summary>The directory is the one that ends where the archive's last record begins: what else looks like one is data.</summary>
    private (long Start, long Bytes, long Count) FindDirectory()
    {
        ReadOnlySpan<byte> end = _length >= EndLength ? Bytes(_length - EndLength, EndLength, "") : [];
        if (end.IsEmpty || U32(end, 0) != EndMark || U16(end, 20) != 0)
            throw _error("does not end as a ZIP archive does: it is cut, or something was added to it");
        long at = _length - EndLength, bytes = U32(end, 12), start = U32(end, 16), count = U16(end, 10);
        bool isOneFile = U16(end, 4) is 0 or ushort.MaxValue && U16(end, 6) is 0 or ushort.MaxValue && (U16(end, 8) == count);
        long directoryEnd = at;
        ReadOnlySpan<byte> locator = at >= LocatorLength ? Bytes(at - LocatorLength, LocatorLength, "") : [];
        if (!locator.IsEmpty && U32(locator, 0) == LocatorMark) // PyTorch writes the long record whether it is needed or not.
        {
            directoryEnd = I64(locator, 8);
            ReadOnlySpan<byte> longEnd = Bytes(directoryEnd, LongEndLength, "the archive's end record");
            bool fits = U32(longEnd, 0) == LongEndMark && I64(longEnd, 4) == LongEndLength - 12 && directoryEnd + LongEndLength == at - LocatorLength;
            if (!fits || !Same(count, ushort.MaxValue, I64(longEnd, 32)) || !Same(bytes, uint.MaxValue, I64(longEnd, 40))
                || !Same(start, uint.MaxValue, I64(longEnd, 48)))
                throw _error("has a damaged end record (ZIP64)");
            (count, bytes, start) = (I64(longEnd, 32), I64(longEnd, 40), I64(longEnd, 48));
            isOneFile = U32(longEnd, 16) == 0 && U32(longEnd, 20) == 0 && I64(longEnd, 24) == count;
        }

        if (!isOneFile)
            throw _error("is one part of an archive in several");
        if (bytes is < 0 or > MaxDirectory || count is < 0 or > MaxEntries)
            throw _error(FormattableString.Invariant($"claims {count} files in a directory of {bytes} bytes; at most {MaxEntries} in {MaxDirectory} are read"));
        if (start < 0 || start + bytes != directoryEnd)
            throw _error("has a directory that is not where the archive's end says: it is damaged, or two archives in one");
        return (start, bytes, count);

        static bool Same(long value, long isLong, long other) => value == isLong || value == other;
    }

    private void ReadEntries(long at, long bytes, long count)
    {
        long end = at + bytes;
        for (long i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> header = at + HeaderLength <= end ? Bytes(at, HeaderLength, "the directory") : [];
            int name = header.IsEmpty ? 0 : U16(header, 28), extra = header.IsEmpty ? 0 : U16(header, 30), comment = header.IsEmpty ? 0 : U16(header, 32);
            if (header.IsEmpty || U32(header, 0) != HeaderMark || at + HeaderLength + name + extra + comment > end)
                throw _error(FormattableString.Invariant($"has a damaged directory, at its file {i}"));
            ReadEntry(header, Bytes(at + HeaderLength, name, "a name"), Bytes(at + HeaderLength + name, extra, "an extra field"));
            at += HeaderLength + name + extra + comment;
        }

        if (at != end)
            throw _error("has a directory with bytes behind its last file");
    }

    private void ReadEntry(ReadOnlySpan<byte> header, ReadOnlySpan<byte> nameBytes, ReadOnlySpan<byte> extra)
    {
        string name = Encoding.UTF8.GetString(nameBytes), shown = SafetensorsHeader.Show(name);
        if (name.Length is 0 or > MaxName || name.Any(char.IsControl))
            throw _error("holds a file whose name is empty, too long, or has control characters");
        long packed = U32(header, 20), size = U32(header, 24), offset = U32(header, 42);
        ReadLong(extra, ref size, ref packed, ref offset);
        if ((U16(header, 8) & Encrypted) != 0)
            throw _error($"holds {shown} encrypted, which is not read");
        if (U16(header, 10) != 0 || packed != size)
            throw _error($"holds {shown} compressed, as PyTorch never writes it. Write it again with torch.save");
        ReadOnlySpan<byte> local = Bytes(offset, LocalLength, shown);
        int localName = U16(local, 26);
        if (U32(local, 0) != LocalMark || !Bytes(offset + LocalLength, localName, shown).SequenceEqual(nameBytes))
            throw _error($"holds something other than {shown} where its directory says that is");
        long data = offset + LocalLength + localName + U16(local, 28);
        if (size < 0 || data > _length || size > _length - data)
            throw _error($"holds {shown}, which reaches past the file's end: it is cut, or damaged");
        if (!_entries.TryAdd(name, new ArchiveEntry(data, size, U32(header, 16))))
            throw _error($"holds {shown} twice");
        _places.Add((offset, data + size, shown));
    }

    /// <summary>Sizes past 32 bits, each in the extra field where its own place is all ones, in this order.</summary>
    private void ReadLong(ReadOnlySpan<byte> extra, ref long size, ref long packed, ref long offset)
    {
        while (extra.Length >= 4)
        {
            int length = Math.Min(U16(extra, 2), extra.Length - 4);
            ReadOnlySpan<byte> field = extra.Slice(4, length);
            if (U16(extra, 0) == 1)
            {
                Take(ref field, ref size);
                Take(ref field, ref packed);
                Take(ref field, ref offset);
                return;
            }

            extra = extra[(4 + length)..];
        }

        void Take(ref ReadOnlySpan<byte> field, ref long value)
        {
            if (value != uint.MaxValue)
                return;
            if (field.Length < 8)
                throw _error("has a damaged directory (ZIP64)");
            value = I64(field, 0);
            field = field[8..];
        }
    }

    private void CheckPlaces(long directory)
    {
        _places.Sort();
        for (int i = 0; i < _places.Count; i++)
            if (_places[i].End > (i + 1 < _places.Count ? _places[i + 1].Begin : directory))
                throw _error($"holds {_places[i].Name} over {(i + 1 < _places.Count ? _places[i + 1].Name : "its directory")}");
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
