using System.Numerics;

namespace Dia.Audio.Formats;

/// <summary>
/// Looks through the code books of a Vorbis setup header (Vorbis I, 3.2.1): their lengths and tables are as large as they say, whatever follows, so that
/// is checked before a decoder makes them.
/// </summary>
internal static class VorbisSetup
{
    // libvorbis' own largest are a thousandth of it.
    private const long MostValues = 1 << 20;

    /// <summary>What is wrong with them; null: nothing.</summary>
    public static string? Check(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < 8 || !packet.StartsWith("\u0005vorbis"u8))
            return "no setup header of Vorbis where one must be";
        var bits = new Bits(packet[7..]);
        int books = (int)bits.Read(8) + 1;
        long values = 0;
        for (int book = 0; book < books; book++)
        {
            if (bits.Read(24) != 0x564342)
                return $"code book {book} does not begin as one";
            long dimensions = bits.Read(16), entries = bits.Read(24);
            values += Math.Max(1, dimensions) * entries;
            if (dimensions == 0 || entries == 0 || values > MostValues)
                return $"code book {book} has {entries} entries of {dimensions} values";
            if (SkipLengths(ref bits, entries) is string wrong)
                return $"code book {book} {wrong}";
            SkipTable(ref bits, dimensions, entries);
            if (bits.IsPastEnd)
                return $"the header ends inside code book {book}";
        }

        return null;
    }

    private static string? SkipLengths(ref Bits bits, long entries)
    {
        if (bits.Read(1) != 0)
        {
            bits.Read(5);
            for (long entry = 0; entry < entries;)
            {
                if (bits.IsPastEnd)
                    return "has no end";
                entry += bits.Read(32 - BitOperations.LeadingZeroCount((uint)(entries - entry)));
                if (entry > entries)
                    return "has more lengths than entries";
            }

            return null;
        }

        bool isSparse = bits.Read(1) != 0;
        for (long entry = 0; entry < entries && !bits.IsPastEnd; entry++)
            if (!isSparse || bits.Read(1) != 0)
                bits.Read(5);
        return null;
    }

    private static void SkipTable(ref Bits bits, long dimensions, long entries)
    {
        uint kind = bits.Read(4);
        if (kind == 0)
            return;
        bits.Skip(64);
        int width = (int)bits.Read(4) + 1;
        bits.Skip(1);
        bits.Skip(width * (kind == 1 ? Root(entries, dimensions) : entries * dimensions));
    }

    /// <summary>The largest number whose power is not above the entries.</summary>
    private static long Root(long entries, long dimensions)
    {
        long root = 1;
        while (Math.Round(Math.Pow(root + 1, dimensions)) <= entries)
            root++;
        return root;
    }

    /// <summary>Bits, the lowest of each byte first.</summary>
    private ref struct Bits(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;
        private long _at;

        public readonly bool IsPastEnd => _at > 8L * _bytes.Length;

        public void Skip(long count) => _at += count;

        public uint Read(int count)
        {
            uint value = 0;
            for (int i = 0; i < count; i++, _at++)
                if (_at / 8 < _bytes.Length && (_bytes[(int)(_at / 8)] >> (int)(_at % 8) & 1) != 0)
                    value |= 1u << i;
            return value;
        }
    }
}
