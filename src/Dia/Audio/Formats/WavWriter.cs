using System.Buffers.Binary;

namespace Dia.Audio.Formats;

/// <summary>
/// Writes mono 16-bit PCM as it comes. On a stream that can seek the header's sizes are made true at the end; on a pipe
/// they stay 0xFFFFFFFF, which readers take as "until the end".
/// </summary>
internal sealed class WavWriter : AudioWriter
{
    private const int HeaderBytes = 44;
    private const uint UnknownSize = 0xFFFFFFFF;

    private readonly bool _headerless;
    private readonly int _samplingRate;
    private readonly long _start;
    private readonly byte[] _buffer = new byte[16384];
    private readonly byte[] _info;
    private long _dataBytes;

    /// <summary>Starts a file at the stream's position; the header is written at once.</summary>
    /// <param name="stream">Where to write.</param>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="headerless">Raw little-endian samples, no header at all.</param>
    /// <param name="tags">What stands in a chunk of its own, in front of the samples; null: there is none.</param>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public WavWriter(Stream stream, int samplingRate, bool headerless = false, AudioTags? tags = null)
    {
        Target = stream;
        _samplingRate = samplingRate;
        _headerless = headerless;
        _info = tags?.ToInfoChunk() ?? [];
        if (headerless)
            return;
        _start = stream.CanSeek ? stream.Position : 0;
        stream.Write(Header(UnknownSize));
    }

    private protected override Stream Target { get; }

    private protected override void Append(ReadOnlySpan<float> samples)
    {
        while (!samples.IsEmpty)
        {
            int count = Math.Min(samples.Length, _buffer.Length / 2);
            for (int i = 0; i < count; i++)
                BinaryPrimitives.WriteInt16LittleEndian(_buffer.AsSpan(2 * i), ToInt16(samples[i]));
            Target.Write(_buffer, 0, 2 * count);
            _dataBytes += 2 * count;
            samples = samples[count..];
        }
    }

    private protected override void Complete()
    {
        // A size that 32 bits cannot hold stays "until the end".
        if (!_headerless && Target.CanSeek && _dataBytes + _info.Length + HeaderBytes - 8 < UnknownSize)
            Rewrite(Target, _start, Header((uint)_dataBytes));
    }

    /// <summary>
    /// A sample as 16 bits the way libsndfile does it: scaled by 2^31, rounded to an integer (halves to even), the low 16
    /// bits dropped, clipped. NaN becomes 0.
    /// </summary>
    internal static short ToInt16(float sample)
    {
        double scaled = Math.Round(sample * 2147483648.0);
        return scaled >= int.MaxValue ? short.MaxValue
            : scaled <= int.MinValue ? short.MinValue
            : double.IsNaN(scaled) ? (short)0
            : (short)((int)scaled >> 16);
    }

    private byte[] Header(uint dataBytes)
    {
        byte[] start = new byte[HeaderBytes];
        Span<byte> header = start;
        "RIFF"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], dataBytes == UnknownSize ? UnknownSize : dataBytes + (uint)_info.Length + HeaderBytes - 8);
        "WAVEfmt "u8.CopyTo(header[8..]);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], 16);
        BinaryPrimitives.WriteUInt16LittleEndian(header[20..], 1); // PCM
        BinaryPrimitives.WriteUInt16LittleEndian(header[22..], 1); // channels
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], _samplingRate);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], _samplingRate * 2); // bytes a second
        BinaryPrimitives.WriteUInt16LittleEndian(header[32..], 2); // bytes a frame
        BinaryPrimitives.WriteUInt16LittleEndian(header[34..], 16); // bits a sample
        "data"u8.CopyTo(header[36..]);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], dataBytes);
        return _info.Length == 0 ? start : [.. start[..36], .. _info, .. start[36..]];
    }
}
