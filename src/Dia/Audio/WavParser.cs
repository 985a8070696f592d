using System.Buffers.Binary;

namespace Dia.Audio;

/// <summary>Walks the chunks of one WAV. Counts offsets from where it started, for the messages.</summary>
internal sealed class WavParser(Stream stream, string name)
{
    /// <summary>Sizes from here on are what programs write on a pipe for "until the end": 0xFFFFFFFF (ffmpeg), a little below 2^31 (sox).</summary>
    private const uint OpenEnded = 0x7FFF0000;

    /// <summary>Most bytes before the samples (pictures and the like); an endless pipe of chunks must end somewhere.</summary>
    private const int MaxOtherBytes = 1 << 26;

    private const int FirstBuffer = 1 << 16;

    private readonly byte[] _small = new byte[40];
    private long _offset;
    private long _otherBytes;

    /// <summary>Reads up to the point where both format and samples are known.</summary>
    /// <exception cref="DiaException">Input: not a WAV that is read here.</exception>
    public AudioBuffer Parse()
    {
        ReadOnlySpan<byte> riff = Take(12);
        if (riff.Length < 12 || !riff[..4].SequenceEqual("RIFF"u8) || !riff[8..].SequenceEqual("WAVE"u8))
            throw Error(0, "not a WAV file (it does not start with RIFF and WAVE). Convert it, for example with: ffmpeg -i IN OUT.wav");

        WavFormat? format = null;
        ReadOnlyMemory<byte>? data = null;
        long dataOffset = 0;
        while (format is null || data is null)
        {
            long start = _offset;
            ReadOnlySpan<byte> header = Take(8);
            if (header.Length < 8)
                throw Error(start, $"the file ends without a '{(format is null ? "fmt " : "data")}' chunk: it is truncated or damaged.");
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            bool isFormat = header[..4].SequenceEqual("fmt "u8), isData = header[..4].SequenceEqual("data"u8);
            if ((isFormat && format is not null) || (isData && data is not null))
                throw Error(start, "a second chunk of the same kind; only files with one 'fmt ' and one 'data' chunk are read.");
            if (isFormat)
                format = ReadFormat(size, start);
            else if (isData)
                (data, dataOffset) = (ReadData(size), start + 8);
            else
                Skip(8 + (long)size, size);
            // Chunks start at even offsets; after the last chunk the padding byte is often missing.
            if (size % 2 == 1)
                Skip(1, 1);
        }
        return Decode(format.Value, data.Value.Span, dataOffset);
    }

    private WavFormat ReadFormat(uint size, long start)
    {
        if (size < 16)
            throw Error(start, $"the 'fmt ' chunk has {size} bytes; it must have at least 16.");
        int wanted = (int)Math.Min(size, 40);
        ReadOnlySpan<byte> chunk = Take(wanted);
        if (chunk.Length < wanted)
            throw Error(start, "the file ends inside the 'fmt ' chunk: it is truncated.");
        if (WavFormat.TryParse(chunk, out WavFormat format) is string wrong)
        {
            throw Error(
                start,
                $"{wrong}. Read are PCM of 8, 16, 24 and 32 bits and float of 32 and 64; convert it, for example with: ffmpeg -i IN -c:a pcm_s16le OUT.wav");
        }
        Skip(size, size - wanted);
        return format;
    }

    private ReadOnlyMemory<byte> ReadData(uint size)
    {
        long start = _offset;
        bool openEnded = size >= OpenEnded;
        long expected = size;
        if (stream.CanSeek)
        {
            long rest = stream.Length - stream.Position;
            if (openEnded)
                expected = Math.Min(expected, rest);
            else if (size > rest)
                throw Error(start, $"the 'data' chunk says {size} bytes but {rest} follow: the file is truncated.");
        }
        if (expected > WavReader.MaxDataBytes && (!openEnded || stream.CanSeek))
            throw TooLong(start);

        // A pipe's claim is believed only as the bytes arrive.
        byte[] buffer = new byte[stream.CanSeek ? expected : Math.Min(expected, FirstBuffer)];
        int count = Fill(buffer);
        while (count == buffer.Length && count < expected)
        {
            if (count >= WavReader.MaxDataBytes)
                throw TooLong(start);
            Array.Resize(ref buffer, (int)Math.Min(expected, 2L * count));
            count += Fill(buffer.AsSpan(count));
        }
        if (count < expected && !openEnded)
            throw Error(start, $"the 'data' chunk says {size} bytes but {count} follow: the file is truncated.");
        return buffer.AsMemory(0, count);
    }

    private AudioBuffer Decode(WavFormat format, ReadOnlySpan<byte> data, long dataOffset)
    {
        // A rest of a frame at the end (an interrupted recording) is dropped.
        var samples = new float[data.Length / format.BlockAlign * format.Channels];
        format.Decode(data, samples);
        for (int i = 0; format.IsFloat && i < samples.Length; i++)
        {
            if (!float.IsFinite(samples[i]))
                throw Error(dataOffset + (long)i * format.BytesPerSample, "a sample that is not a finite number: the file is damaged.");
        }
        return new AudioBuffer(samples, format.SamplingRate, format.Channels);
    }

    /// <summary>Passes over bytes, of which <paramref name="counted"/> count against the limit. The end of the file may come first.</summary>
    private void Skip(long counted, long bytes)
    {
        _otherBytes += counted;
        if (_otherBytes > MaxOtherBytes)
            throw Error(_offset, $"more than {MaxOtherBytes >> 20} MiB that are not samples; strip them, for example with: ffmpeg -i IN -map_metadata -1 OUT.wav");
        if (stream.CanSeek)
        {
            bytes = Math.Clamp(bytes, 0, stream.Length - stream.Position);
            stream.Position += bytes;
            _offset += bytes;
            return;
        }
        Span<byte> discarded = stackalloc byte[4096];
        while (bytes > 0)
        {
            int count = Fill(discarded[..(int)Math.Min(bytes, discarded.Length)]);
            if (count == 0)
                return;
            bytes -= count;
        }
    }

    /// <summary>The next bytes (at most 40), fewer at the end; valid until the next call.</summary>
    private ReadOnlySpan<byte> Take(int count) => _small.AsSpan(0, Fill(_small.AsSpan(0, count)));

    private int Fill(Span<byte> buffer)
    {
        int count = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        _offset += count;
        return count;
    }

    private DiaException TooLong(long offset) =>
        Error(offset, $"more than {WavReader.MaxDataBytes >> 20} MiB of samples; cut the audio.");

    private DiaException Error(long offset, string message) =>
        new(DiaErrorKind.Input, $"{name}, offset {offset}: {message}");
}
