namespace Dia.Audio.Formats;

/// <summary>A cyclic redundancy check of up to 32 bits: the highest bit first, from zero, nothing inverted.</summary>
internal sealed class Crc
{
    private readonly uint[] _table = new uint[256];
    private readonly int _bits;

    private Crc(int bits, uint polynomial)
    {
        _bits = bits;
        for (uint i = 0; i < _table.Length; i++)
        {
            uint value = i << 24;
            for (int bit = 0; bit < 8; bit++)
                value = value << 1 ^ ((int)value < 0 ? polynomial << (32 - bits) : 0);
            _table[i] = value;
        }
    }

    /// <summary>Of the header of a FLAC frame.</summary>
    public static Crc FlacHeader { get; } = new(8, 0x07);

    /// <summary>Of a FLAC frame.</summary>
    public static Crc FlacFrame { get; } = new(16, 0x8005);

    /// <summary>Of an Ogg page.</summary>
    public static Crc Ogg { get; } = new(32, 0x04C11DB7);

    /// <summary>The check of some bytes.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="before">That of the bytes before them.</param>
    public uint Of(ReadOnlySpan<byte> bytes, uint before = 0)
    {
        uint value = before << (32 - _bits);
        foreach (byte b in bytes)
            value = value << 8 ^ _table[value >> 24 ^ b];
        return value >> (32 - _bits);
    }
}
