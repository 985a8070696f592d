using System.Buffers.Binary;
using Dia.IO;

namespace Dia.Audio;

/// <summary>
/// Writes mono 16-bit PCM as it comes. On a stream that can seek the header's sizes are made true at the end; on a pipe
/// they stay 0xFFFFFFFF, which readers take as "until the end".
/// </summary>
public sealed class WavWriter : IDisposable
{
    private const int HeaderBytes = 44;
    private const uint UnknownSize = 0xFFFFFFFF;

    private readonly Stream _stream;
    private readonly bool _headerless;
    private readonly int _samplingRate;
    private readonly long _start;
    private readonly byte[] _buffer = new byte[16384];
    private long _dataBytes;
    private bool _disposed;

    /// <summary>Starts a file at the stream's position; the header is written at once. The stream stays the caller's to close.</summary>
    /// <param name="stream">Where to write.</param>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="headerless">Raw little-endian samples, no header at all.</param>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public WavWriter(Stream stream, int samplingRate, bool headerless = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        AudioBuffer.CheckSamplingRate(samplingRate);
        _stream = stream;
        _samplingRate = samplingRate;
        _headerless = headerless;
        if (headerless)
            return;
        _start = stream.CanSeek ? stream.Position : 0;
        WriteHeader(UnknownSize);
    }

    /// <summary>Samples written so far.</summary>
    public long Samples => _dataBytes / 2;

    /// <summary>Writes a whole file, which appears when it is complete.</summary>
    /// <exception cref="DiaException">Usage: a name whose ending promises another format. Output: the file cannot be written.</exception>
    internal static void Save(string path, ReadOnlySpan<float> samples, int samplingRate)
    {
        CheckName(path);
        using var file = AtomicFile.Create(path);
        using (var writer = new WavWriter(file.Stream, samplingRate))
            writer.Write(samples);
        file.Commit();
    }

    /// <summary>Refuses names that promise another format. Devices and FIFOs may be called anything.</summary>
    private static void CheckName(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string ending = Path.GetExtension(path);
        if (ending.ToLowerInvariant() is "" or ".wav" or ".wave" || AtomicFile.IsWrittenInPlace(path))
            return;
        throw new DiaException(DiaErrorKind.Usage,
            $"{path} ends in {ending}, but audio is written as WAV: name it {Path.ChangeExtension(path, ".wav")}. Samples without a header (raw) are written by a headerless WavWriter; other formats are made of these by other programs.");
    }

    /// <summary>Appends samples.</summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Write(ReadOnlySpan<float> samples)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        while (!samples.IsEmpty)
        {
            int count = Math.Min(samples.Length, _buffer.Length / 2);
            for (int i = 0; i < count; i++)
                BinaryPrimitives.WriteInt16LittleEndian(_buffer.AsSpan(2 * i), ToInt16(samples[i]));
            _stream.Write(_buffer, 0, 2 * count);
            _dataBytes += 2 * count;
            samples = samples[count..];
        }
    }

    /// <summary>Hands everything written so far to the stream's other end.</summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Flush() => _stream.Flush();

    /// <summary>Writes the true sizes where the stream can seek, and flushes.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        // A size that 32 bits cannot hold stays "until the end".
        if (!_headerless && _stream.CanSeek && _dataBytes + HeaderBytes - 8 < UnknownSize)
        {
            long end = _stream.Position;
            _stream.Position = _start;
            WriteHeader((uint)_dataBytes);
            _stream.Position = end;
        }
        _stream.Flush();
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

    private void WriteHeader(uint dataBytes)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        "RIFF"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], dataBytes == UnknownSize ? UnknownSize : dataBytes + HeaderBytes - 8);
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
        _stream.Write(header);
    }
}
