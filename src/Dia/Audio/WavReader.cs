using Dia.IO;

namespace Dia.Audio;

/// <summary>
/// Reads WAV: PCM of 8 to 32 bits, float of 32 and 64, plain or extensible, chunks in any order; also RF64, BW64 and Sony's Wave64; from files
/// and from pipes (where the sizes may be unknown). A size that is not true is no error: the file is read to its end. What is allocated grows
/// with the bytes that are there, never with a size that a header claims.
/// </summary>
public static class WavReader
{
    /// <summary>Most bytes of samples read (at 44.1 kHz in stereo and 16 bits: 50 minutes).</summary>
    public const int MaxDataBytes = 1 << 29;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="warnings">Takes what is strange and passes, such as a size that is not true.</param>
    /// <exception cref="DiaException">Input: it cannot be opened, is no WAV, or has an encoding not read here; the message names file and offset.</exception>
    public static AudioBuffer Read(string path, ICollection<string>? warnings = null)
    {
        FileContent.RefuseFolder(path, "a WAV", DiaErrorKind.Input);
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new DiaException(DiaErrorKind.Input, $"{path}: cannot open the audio file: {e.Message}", e);
        }
        using (stream)
            return Read(stream, path, warnings);
    }

    /// <summary>Reads from the stream's position; a pipe will do. The stream stays open.</summary>
    /// <param name="stream">Where to read.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <param name="warnings">Takes what is strange and passes.</param>
    /// <exception cref="DiaException">Input: as for a file.</exception>
    public static AudioBuffer Read(Stream stream, string name, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        try
        {
            return new WavParser(stream, name).Parse(warnings);
        }
        catch (IOException e)
        {
            throw new DiaException(DiaErrorKind.Input, $"{name}: reading failed: {e.Message}", e);
        }
    }
}
