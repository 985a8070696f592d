using System.Buffers.Binary;
using NLayer;

namespace Dia.Audio.Formats;

/// <summary>
/// Reads MP3: finds the frames, which NLayer decodes, and removes the samples that the encoder put in front and behind, as its tag says (the tag of
/// Xing with LAME's extension; what ffmpeg removes).
/// </summary>
/// <param name="audio">The recording.</param>
/// <param name="start">Where it begins, behind tags.</param>
internal sealed class Mp3Reader(CompressedAudio audio, int start)
{
    /// <summary>Samples by which a decoder is late.</summary>
    private const int DecoderDelay = 529;

    // What is passed over in front of the first frame.
    private const int MaxJunk = 1 << 16;

    private readonly DecodedSamples _samples = new(audio);
    private readonly MpegFrameDecoder _decoder = new();
    private readonly float[] _decoded = new float[2 * 1152];

    /// <summary>Reads all of it; a last frame that was cut off is left out.</summary>
    /// <exception cref="DiaException">Input: no MP3, one whose form changes, or damaged.</exception>
    public AudioBuffer Read()
    {
        int at = FindFirst();
        Mp3Frame first = Mp3Frame.TryParse(audio.Bytes.AsMemory(at))!;
        (int delay, long? total, int padding) = ReadTag(first, out bool isTag);
        if (isTag)
            at += first.FrameLength;
        bool warned = false;
        while (at < audio.Bytes.Length)
        {
            if (Mp3Frame.TryParse(audio.Bytes.AsMemory(at)) is { } frame && frame.IsLike(first))
            {
                if (frame.IsWhole)
                    Decode(frame, at);
                at += frame.FrameLength;
                continue;
            }

            // A tag behind the last frame, or between files that were joined.
            bool isTagged = FrontTags.Follows(audio.Bytes.AsSpan(at));
            int next = FindNext(at, first);
            if (!warned && !isTagged)
                audio.Warn(next < audio.Bytes.Length
                    ? $"offset {at}: {next - at} bytes that are no frame of it are passed over: the file is damaged."
                    : $"offset {at}: {next - at} bytes behind its last frame are no part of it, and are not read: something was added to the file, or it is damaged.");
            warned |= !isTagged;
            at = next;
        }

        int channels = first.Channels;
        long there = _samples.Count / channels, end = End(there, total is { } length ? delay + length : there, padding, first.SampleCount);
        if (there == 0)
            throw audio.Error(at, "no frame of it is whole: the file was cut off.");
        _samples.Drop((int)(there - end) * channels);
        return new AudioBuffer(_samples.From((int)Math.Min(delay, end) * channels), first.SampleRate, channels);
    }

    // Where the sound ends that the tag says. More than its padding behind that is sound, of a file that was joined to this one.
    private long End(long there, long said, int padding, int frame)
    {
        if (there < said - frame)
            audio.Warn($"it holds {there} samples of {said}: the file was cut off. Everything up to the last whole frame is read.");
        if (there <= said + padding + frame)
            return Math.Min(there, said);
        audio.Warn($"its header says {said} samples, and {there} are there: files were joined, or it is damaged. All of it is read.");
        return there;
    }

    /// <summary>The first frame: one that another follows, or the file's end.</summary>
    private int FindFirst()
    {
        for (int at = start; at < Math.Min(audio.Bytes.Length, start + MaxJunk); at++)
            if (Mp3Frame.TryParse(audio.Bytes.AsMemory(at)) is { } frame && IsFollowed(frame, at))
                return at;
        throw audio.Error(start, "no frame of an MP3: the file is damaged, or of a kind that is not read (MPEG audio of free bit rate or of layer I or II). Convert it, for example with: ffmpeg -i IN -ac 1 OUT.wav");
    }

    private int FindNext(int at, Mp3Frame first)
    {
        while (++at < audio.Bytes.Length)
            if (Mp3Frame.TryParse(audio.Bytes.AsMemory(at)) is { } frame && frame.IsLike(first) && IsFollowed(frame, at))
                return at;
        return at;
    }

    private bool IsFollowed(Mp3Frame frame, int at)
    {
        int end = at + frame.FrameLength;
        return end >= audio.Bytes.Length || FrontTags.Follows(audio.Bytes.AsSpan(end))
            || (Mp3Frame.TryParse(audio.Bytes.AsMemory(end)) is { } next && next.IsLike(frame));
    }

    private void Decode(Mp3Frame frame, int at)
    {
        int count;
        try
        {
            count = _decoder.DecodeFrame(frame, _decoded, 0);
        }
        catch (Exception e) when (CodecFailure.Is(e))
        {
            throw audio.Error(at, "a frame that cannot be decoded: the file is damaged.", e);
        }

        // What the first frames lack, since a file was cut in front, is silence.
        _decoded.AsSpan(count).Clear();
        Span<float> decoded = _decoded.AsSpan(0, frame.SampleCount * frame.Channels);
        foreach (ref float sample in decoded)
            if (!float.IsFinite(sample))
                throw audio.Error(at, "a frame with a sample that is not a finite number: the file is damaged.");
        _samples.AddClipped(decoded);
    }

    /// <summary>The tag in a first frame without sound.</summary>
    /// <returns>Samples to drop at the start, how many then follow (null: up to the end), and how many of padding.</returns>
    private static (int Delay, long? Total, int Padding) ReadTag(Mp3Frame frame, out bool isTag)
    {
        ReadOnlySpan<byte> tag = frame.AfterSideInformation;
        isTag = frame.IsWhole && (tag.StartsWith("Xing"u8) || tag.StartsWith("Info"u8)) && tag.Length >= 8;
        if (!isTag)
            return (0, null, 0);
        uint flags = BinaryPrimitives.ReadUInt32BigEndian(tag[4..]);
        long? frames = (flags & 1) != 0 && tag.Length >= 12 ? BinaryPrimitives.ReadUInt32BigEndian(tag[8..]) : null;
        // Counts of frames and bytes, a table of contents, the quality; then the encoder, and 21 bytes on the samples.
        int encoder = 8 + ((flags & 1) != 0 ? 4 : 0) + ((flags & 2) != 0 ? 4 : 0) + ((flags & 4) != 0 ? 100 : 0) + ((flags & 8) != 0 ? 4 : 0);
        if (tag.Length < encoder + 24)
            return (0, null, 0);
        tag = tag[encoder..];
        if (!tag.StartsWith("LAME"u8) && !tag.StartsWith("Lavf"u8) && !tag.StartsWith("Lavc"u8))
            return (0, null, 0);
        int front = tag[21] << 4 | tag[22] >> 4, behind = (tag[22] & 15) << 8 | tag[23];
        return (front + DecoderDelay, frames is { } count ? Math.Max(0, count * frame.SampleCount - front - behind) : null, behind);
    }
}
