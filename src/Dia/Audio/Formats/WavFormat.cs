using System.Buffers.Binary;

namespace Dia.Audio.Formats;

/// <summary>A WAV's <c>fmt </c> chunk: how bytes become samples.</summary>
internal readonly record struct WavFormat(bool IsFloat, int BytesPerSample, int Channels, int SamplingRate)
{
    private const int Pcm = 1;
    private const int Float = 3;
    private const int Extensible = 0xFFFE;
    private const int MaxChannels = 256;

    /// <summary>Bytes in one frame.</summary>
    public int BlockAlign => BytesPerSample * Channels;

    /// <summary>The end of every extensible sub-format whose first two bytes are an ordinary format tag.</summary>
    private static ReadOnlySpan<byte> SubFormatTail => [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

    /// <summary>Reads a chunk of at least 16 bytes; returns what is wrong with it, or null.</summary>
    public static string? TryParse(ReadOnlySpan<byte> chunk, out WavFormat format)
    {
        format = default;
        int tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk);
        int channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
        uint rate = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
        int blockAlign = BinaryPrimitives.ReadUInt16LittleEndian(chunk[12..]);
        int bits = BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]);
        // Which loudspeaker a channel is for does not matter, so neither does the mask.
        if (tag == Extensible)
        {
            if (chunk.Length < 40)
                return "an extensible format of less than 40 bytes";
            if (!chunk[26..40].SequenceEqual(SubFormatTail))
                return "an extensible format whose sub-format is unknown";
            tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk[24..]);
        }

        // PCM of, say, 20 bits fills the upper bits of whole bytes.
        bool supported = tag == Pcm ? bits is >= 8 and <= 32 : tag == Float && bits is 32 or 64;
        if (!supported)
            return $"format tag {tag}{Name(tag)} with {bits} bits a sample";
        if (channels is < 1 or > MaxChannels)
            return $"{channels} channels (1 to {MaxChannels} are read)";
        if (rate is < AudioBuffer.MinSamplingRate or > AudioBuffer.MaxSamplingRate)
            return $"a sampling rate of {rate} Hz ({AudioBuffer.MinSamplingRate} to {AudioBuffer.MaxSamplingRate} Hz are read)";
        format = new WavFormat(tag == Float, (bits + 7) / 8, channels, (int)rate);
        // Some programs leave it 0; any other value says that the samples lie otherwise.
        return blockAlign == format.BlockAlign || blockAlign == 0
            ? null : $"{blockAlign} bytes a frame where {channels} channels of {bits} bits make {format.BlockAlign}";
    }

    private static string Name(int tag) => tag switch
    {
        2 or 17 => " (ADPCM)",
        6 => " (A-law)",
        7 => " (µ-law)",
        49 => " (GSM)",
        80 => " (MPEG)",
        85 => " (MP3)",
        _ => "",
    };

    /// <summary>Turns bytes into samples in [-1, 1); full scale is that of the container, 8 bits are unsigned.</summary>
    /// <param name="data">Whole samples.</param>
    /// <param name="samples">As many as the bytes hold.</param>
    public void Decode(ReadOnlySpan<byte> data, Span<float> samples)
    {
        for (int i = 0; i < samples.Length; i++)
        {
            ReadOnlySpan<byte> b = data.Slice(i * BytesPerSample, BytesPerSample);
            samples[i] = (BytesPerSample, IsFloat) switch
            {
                (1, _) => (b[0] - 128) / 128f,
                (2, _) => BinaryPrimitives.ReadInt16LittleEndian(b) / 32768f,
                (3, _) => ((b[0] << 8 | b[1] << 16 | b[2] << 24) >> 8) / 8388608f,
                (4, false) => BinaryPrimitives.ReadInt32LittleEndian(b) / 2147483648f,
                (4, true) => BinaryPrimitives.ReadSingleLittleEndian(b),
                _ => (float)BinaryPrimitives.ReadDoubleLittleEndian(b),
            };
        }
    }
}
