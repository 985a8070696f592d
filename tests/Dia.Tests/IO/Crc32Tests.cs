using Dia.IO;
using Xunit;

namespace Dia.Tests.IO;

public sealed class Crc32Tests
{
    [Fact]
    public void The_check_of_the_digits_is_the_published_one() => Assert.Equal(0xCBF43926u, Crc32.Of("123456789"u8));

    [Fact]
    public void Every_length_in_pieces_is_what_bit_by_bit_gives()
    {
        byte[] data = new byte[100];
        new Random(1).NextBytes(data);
        for (int length = 0; length <= data.Length; length++)
            Assert.Equal(BitByBit(data.AsSpan(0, length)), Crc32.Of(data.AsSpan(length / 3, length - length / 3), Crc32.Of(data.AsSpan(0, length / 3))));
    }

    private static uint BitByBit(ReadOnlySpan<byte> bytes)
    {
        uint value = uint.MaxValue;
        foreach (byte b in bytes)
        {
            value ^= b;
            for (int bit = 0; bit < 8; bit++)
                value = (value & 1) != 0 ? 0xEDB88320 ^ value >> 1 : value >> 1;
        }

        return ~value;
    }
}
