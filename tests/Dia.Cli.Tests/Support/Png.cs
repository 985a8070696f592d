using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Dia.Cli.Tests.Support;

/// <summary>A PNG taken apart, independent of the program's own writer: RGB of 8 bits, as it writes them.</summary>
public sealed record Png(int Width, int Height, byte[] Pixels)
{
    /// <summary>Takes one apart; every checksum and every chunk's length must be true.</summary>
    public static Png Parse(byte[] bytes)
    {
        Assert.Equal([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], bytes[..8]);
        var names = new List<string>();
        byte[] header = [], data = [];
        for (int at = 8; at < bytes.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at));
            string name = Encoding.ASCII.GetString(bytes, at + 4, 4);
            byte[] content = bytes[(at + 8)..(at + 8 + length)];
            Assert.Equal(Crc(bytes.AsSpan(at + 4, 4 + length)), BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at + 8 + length)));
            names.Add(name);
            if (name == "IHDR")
                header = content;
            else if (name == "IDAT")
                data = content;
            at += 12 + length;
        }

        Assert.Equal(["IHDR", "IDAT", "IEND"], names);
        Assert.Equal([8, 2, 0, 0, 0], header[8..]);
        return Unpack(BinaryPrimitives.ReadInt32BigEndian(header), BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4)), data);
    }

    /// <summary>A pixel as 0xRRGGBB.</summary>
    public int At(int x, int y) => (Pixels[(y * Width + x) * 3] << 16) | (Pixels[(y * Width + x) * 3 + 1] << 8) | Pixels[(y * Width + x) * 3 + 2];

    private static Png Unpack(int width, int height, byte[] data)
    {
        using var stream = new ZLibStream(new MemoryStream(data), CompressionMode.Decompress);
        byte[] pixels = new byte[width * height * 3], line = new byte[width * 3 + 1];
        for (int y = 0; y < height; y++)
        {
            stream.ReadExactly(line);
            Assert.Equal(2, line[0]); // the filter "up"
            for (int i = 0; i < width * 3; i++)
                pixels[y * width * 3 + i] = (byte)(line[i + 1] + (y == 0 ? 0 : pixels[(y - 1) * width * 3 + i]));
        }

        Assert.Equal(-1, stream.ReadByte());
        return new Png(width, height, pixels);
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint state = uint.MaxValue;
        foreach (byte value in bytes)
        {
            state ^= value;
            for (int bit = 0; bit < 8; bit++)
                state = (state >> 1) ^ ((state & 1) * 0xEDB88320);
        }

        return ~state;
    }
}
