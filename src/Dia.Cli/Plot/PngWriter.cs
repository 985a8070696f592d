using System.Buffers.Binary;
using System.IO.Compression;

namespace Dia.Cli.Plot;

/// <summary>
/// Writes a picture as PNG (ISO/IEC 15948): 8 bits a channel, RGB, one IDAT chunk.
/// </summary>
/// <remarks>
/// Written here since no library fits. ScottPlot 5 and OxyPlot.SkiaSharp publish as native executables, but with libSkiaSharp.so and
/// libHarfBuzzSharp.so beside them, 11 MB that one file cannot carry; ImageSharp.Drawing needs a licence for larger companies from
/// version 2 on, and Magick.NET and NetVips bring native libraries too. StbImageWriteSharp and BigGustave are managed and survive
/// NativeAOT, but only encode pixels, which is these few lines: the drawing would still be ours.
/// </remarks>
internal static class PngWriter
{
    /// <summary>Writes a picture.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="width">Pixels in a row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="pixels">Red, green, blue of each pixel, row by row from the top: [height, width, 3].</param>
    public static void Write(Stream stream, int width, int height, ReadOnlySpan<byte> pixels)
    {
        stream.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        Span<byte> header = stackalloc byte[13];
        header.Clear();
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        header[8] = 8; // bits a channel
        header[9] = 2; // RGB
        Chunk(stream, "IHDR"u8, header);
        Chunk(stream, "IDAT"u8, Compress(width * 3, height, pixels));
        Chunk(stream, "IEND"u8, []);
    }

    private static ReadOnlySpan<byte> Compress(int stride, int height, ReadOnlySpan<byte> pixels)
    {
        const byte up = 2; // Each byte less the one above: pictures of panels and bars repeat downwards.
        var packed = new MemoryStream();
        using (var compressor = new ZLibStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            byte[] line = new byte[stride + 1];
            line[0] = up;
            for (int y = 0; y < height; y++)
            {
                ReadOnlySpan<byte> row = pixels.Slice(y * stride, stride);
                for (int i = 0; i < stride; i++)
                    line[i + 1] = (byte)(row[i] - (y == 0 ? 0 : pixels[(y - 1) * stride + i]));
                compressor.Write(line);
            }
        }

        return packed.GetBuffer().AsSpan(0, (int)packed.Length);
    }

    private static void Chunk(Stream stream, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        stream.Write(number);
        stream.Write(type);
        stream.Write(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, ~Checksum(Checksum(uint.MaxValue, type), data));
        stream.Write(number);
    }

    /// <summary>CRC-32, bit by bit: what is packed is short.</summary>
    private static uint Checksum(uint state, ReadOnlySpan<byte> bytes)
    {
        const uint polynomial = 0xEDB88320; // lowest bit first
        foreach (byte value in bytes)
        {
            state ^= value;
            for (int bit = 0; bit < 8; bit++)
                state = (state & 1) != 0 ? polynomial ^ (state >> 1) : state >> 1;
        }

        return state;
    }
}
