using System.Buffers.Binary;

namespace Dia.IO;

/// <summary>The CRC-32 of ZIP and PNG: the lowest bit first, inverted before and behind (ISO 3309).</summary>
internal static class Crc32
{
    private const uint Polynomial = 0xEDB88320;

    // Bytes that are taken at a time, each through a table of its own: checkpoints are gigabytes.
    private const int Step = 8;

    private static readonly uint[] Tables = MakeTables();

    /// <summary>The check of some bytes.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="before">That of the bytes before them.</param>
    public static uint Of(ReadOnlySpan<byte> bytes, uint before = 0)
    {
        ReadOnlySpan<uint> tables = Tables;
        uint value = ~before;
        for (; bytes.Length >= Step; bytes = bytes[Step..])
        {
            ulong eight = BinaryPrimitives.ReadUInt64LittleEndian(bytes) ^ value;
            value = 0;
            for (int i = 0; i < Step; i++)
                value ^= tables[(Step - 1 - i) * 256 + (byte)(eight >> (8 * i))];
        }

        foreach (byte b in bytes)
            value = value >> 8 ^ tables[(byte)(value ^ b)];
        return ~value;
    }

    /// <summary>Table k: what a byte comes to that k bytes follow.</summary>
    private static uint[] MakeTables()
    {
        uint[] tables = new uint[Step * 256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
                value = value >> 1 ^ ((value & 1) != 0 ? Polynomial : 0);
            tables[i] = value;
        }

        for (int i = 256; i < tables.Length; i++)
            tables[i] = tables[i - 256] >> 8 ^ tables[(byte)tables[i - 256]];
        return tables;
    }
}
