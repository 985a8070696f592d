using Dia.Audio.Formats;
using Dia.IO;

namespace Dia.Audio;

/// <summary>What sound is written as. All are mono.</summary>
public enum AudioFormat
{
    /// <summary>WAV of 16 bits.</summary>
    Wav,

    /// <summary>The samples alone: 16 bits, little-endian.</summary>
    Raw,

    /// <summary>FLAC of 16 bits: half the size, the same samples.</summary>
    Flac,

    /// <summary>Opus in Ogg, 48 kbit/s at 48 kHz: a fifteenth of the size, and no difference that is heard.</summary>
    Opus,
}

/// <summary>
/// Writes sound as it comes. On a stream that can seek the header is made true at the end; on a pipe it says that the length is not known. The bytes do
/// not depend on how the samples were cut into calls.
/// </summary>
public abstract class AudioWriter : IDisposable
{
    private bool _disposed;

    /// <summary>Where it goes.</summary>
    private protected abstract Stream Target { get; }

    /// <summary>Begins a file at the stream's position. The stream stays the caller's to close.</summary>
    /// <param name="stream">Where to write.</param>
    /// <param name="format">As what.</param>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="tags">What the file says of the sound; null: nothing. <see cref="AudioFormat.Raw"/> has no place for it.</param>
    /// <exception cref="DiaException">Input: a rate outside of <see cref="AudioBuffer"/>'s range.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public static AudioWriter Create(Stream stream, AudioFormat format, int samplingRate, AudioTags? tags = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        AudioBuffer.CheckSamplingRate(samplingRate);
        return format switch
        {
            AudioFormat.Wav => new WavWriter(stream, samplingRate, headerless: false, tags),
            AudioFormat.Raw => new WavWriter(stream, samplingRate, headerless: true),
            AudioFormat.Flac => new FlacWriter(stream, samplingRate, tags),
            AudioFormat.Opus => new OpusWriter(stream, samplingRate, tags),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such format."),
        };
    }

    /// <summary>The format that a name's ending says: .wav, .flac, .opus; null: another ending, or none.</summary>
    public static AudioFormat? FormatOf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".wav" or ".wave" => AudioFormat.Wav,
            ".flac" => AudioFormat.Flac,
            ".opus" => AudioFormat.Opus,
            _ => null,
        };
    }

    /// <summary>Writes a whole file in the format of its ending (WAV where it has none), which appears when it is complete.</summary>
    /// <exception cref="DiaException">Usage: a name whose ending promises another format. Output: the file cannot be written.</exception>
    public static void Save(string path, ReadOnlySpan<float> samples, int samplingRate)
    {
        AudioFormat format = FormatOf(path) ?? AudioFormat.Wav;
        string ending = Path.GetExtension(path);
        // Devices and FIFOs may be called anything.
        if (ending.Length > 0 && FormatOf(path) is null && !AtomicFile.IsWrittenInPlace(path))
        {
            throw new DiaException(DiaErrorKind.Usage,
                $"{path} ends in {ending}, but audio is written as WAV, FLAC or Opus: name it {Path.ChangeExtension(path, ".wav")}, .flac or .opus. Other formats are made of these by other programs.");
        }

        using var file = AtomicFile.Create(path);
        using (AudioWriter writer = Create(file.Stream, format, samplingRate))
            writer.Write(samples);
        file.Commit();
    }

    /// <summary>Appends samples.</summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Write(ReadOnlySpan<float> samples)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Append(samples);
    }

    /// <summary>Hands everything that is complete to the stream's other end: of FLAC whole blocks, of Opus whole pages.</summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Flush() => Target.Flush();

    /// <summary>Completes the file, with the true header where the stream can seek, and flushes.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Complete();
        Target.Flush();
        GC.SuppressFinalize(this);
    }

    private protected abstract void Append(ReadOnlySpan<float> samples);

    private protected abstract void Complete();

    /// <summary>Writes again what lies at the file's start; the position stays.</summary>
    private protected static void Rewrite(Stream stream, long start, ReadOnlySpan<byte> bytes)
    {
        long end = stream.Position;
        stream.Position = start;
        stream.Write(bytes);
        stream.Position = end;
    }
}
