using System.Buffers.Binary;
using System.Text;

namespace Dia.Cli.Tests.Support;

/// <summary>A WAV taken apart, independent of the program's own reader.</summary>
public sealed record Wav(uint RiffSize, int Rate, uint DataSize, short[] Samples)
{
    /// <summary>Takes one apart: 16 bits, mono, a header of 44 bytes.</summary>
    public static Wav Parse(byte[] bytes)
    {
        Assert.True(bytes.Length >= 44, "shorter than a header");
        Assert.Equal("RIFF", Encoding.ASCII.GetString(bytes, 0, 4));
        Assert.Equal("WAVEfmt ", Encoding.ASCII.GetString(bytes, 8, 8));
        Assert.Equal(16u, UInt32(16));
        Assert.Equal([1, 1], new[] { UInt16(20), UInt16(22) });
        Assert.Equal(UInt32(24) * 2, UInt32(28));
        Assert.Equal([2, 16], new[] { UInt16(32), UInt16(34) });
        Assert.Equal("data", Encoding.ASCII.GetString(bytes, 36, 4));
        return new Wav(UInt32(4), (int)UInt32(24), UInt32(40), Raw(bytes[44..]));

        uint UInt32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));
        int UInt16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at));
    }

    /// <summary>Raw samples.</summary>
    public static short[] Raw(byte[] bytes)
    {
        Assert.Equal(0, bytes.Length % 2);
        return [.. Enumerable.Range(0, bytes.Length / 2).Select(i => BinaryPrimitives.ReadInt16LittleEndian(bytes.AsSpan(2 * i)))];
    }

    /// <summary>A WAV of float samples.</summary>
    public static byte[] OfFloats(int rate, int channels, float[] samples)
    {
        var bytes = new MemoryStream();
        var writer = new BinaryWriter(bytes);
        writer.Write("RIFF"u8);
        writer.Write(36 + 4 * samples.Length);
        writer.Write("WAVEfmt "u8);
        writer.Write(16);
        writer.Write((short)3);
        writer.Write((short)channels);
        writer.Write(rate);
        writer.Write(rate * channels * 4);
        writer.Write((short)(channels * 4));
        writer.Write((short)32);
        writer.Write("data"u8);
        writer.Write(4 * samples.Length);
        foreach (float sample in samples)
            writer.Write(sample);
        return bytes.ToArray();
    }
}
