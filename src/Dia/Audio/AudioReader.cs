using Dia.Audio.Formats;
using Dia.IO;

namespace Dia.Audio;

/// <summary>
/// Reads recordings, known by their contents: WAV (PCM of 8 to 32 bits, float of 32 and 64; RF64, BW64 and Wave64 too), FLAC, MP3, Opus and Vorbis in
/// Ogg, behind ID3 and APE tags; from files and from pipes. What is allocated grows with the bytes that are there and the samples that come of them,
/// never with a size that a header claims.
/// </summary>
public static class AudioReader
{
    /// <summary>Most bytes of samples read (at 44.1 kHz in stereo and 16 bits: 50 minutes), and most bytes of a compressed recording.</summary>
    public const int MaxDataBytes = 1 << 29;

    /// <summary>Most samples that a compressed recording becomes, all channels together: those of as much WAV of 16 bits.</summary>
    public const int MaxSamples = MaxDataBytes / 2;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="warnings">Takes what is strange and passes, such as a size that is not true.</param>
    /// <exception cref="DiaException">
    /// Input: it cannot be opened, is no recording, has an encoding not read here, or is damaged; the message names file and offset.
    /// </exception>
    public static AudioBuffer Read(string path, ICollection<string>? warnings = null)
    {
        FileContent.RefuseFolder(path, FileContent.Recordings, DiaErrorKind.Input);
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
            var source = new AudioSource(stream, name);
            return FileContent.Recognise(source.Peek(FileContent.HeadBytes), name) is { Kind: FileContentKind.Recording, Format: not RecordingFormat.Wav }
                ? Decompress(new CompressedAudio(source.TakeAll(MaxDataBytes), name, warnings))
                : new WavParser(source, warnings).Parse();
        }
        catch (IOException e)
        {
            throw new DiaException(DiaErrorKind.Input, $"{name}: reading failed: {e.Message}", e);
        }
    }

    private static AudioBuffer Decompress(CompressedAudio audio)
    {
        int start = FrontTags.End(audio);
        return FileContent.FormatOf(audio.Bytes.AsSpan(start)) switch
        {
            RecordingFormat.Flac => new FlacReader(audio, start).Read(),
            RecordingFormat.Ogg => new OggReader(audio, start).Read(),
            RecordingFormat.Wav => throw audio.Error(start, "a WAV behind a tag of another format: strip the tag."),
            _ => new Mp3Reader(audio, start).Read(),
        };
    }
}
