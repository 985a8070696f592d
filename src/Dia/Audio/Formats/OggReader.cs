namespace Dia.Audio.Formats;

/// <summary>Decodes one stream of an Ogg.</summary>
internal interface IOggDecoder
{
    /// <summary>Samples of a channel in a second.</summary>
    int SamplingRate { get; }

    /// <summary>Channels.</summary>
    int Channels { get; }

    /// <summary>Decodes all packets behind the first one.</summary>
    /// <param name="packets">The packets.</param>
    /// <param name="samples">Gets the samples.</param>
    /// <exception cref="DiaException">Input: it is damaged.</exception>
    void Read(OggPackets packets, DecodedSamples samples);
}

/// <summary>Reads Opus and Vorbis in Ogg; chained streams follow each other, and must have the same form.</summary>
/// <param name="audio">The recording.</param>
/// <param name="start">Where it begins, behind tags.</param>
internal sealed class OggReader(CompressedAudio audio, int start)
{
    private readonly DecodedSamples _samples = new(audio);

    /// <summary>Reads all of it.</summary>
    /// <exception cref="DiaException">Input: damaged, another codec, or streams of different forms.</exception>
    public AudioBuffer Read()
    {
        var packets = new OggPackets(audio, start);
        IOggDecoder? decoder = null;
        while (packets.Next() is { } head)
        {
            decoder = Begin(head, decoder);
            decoder.Read(packets, _samples);
        }

        if (decoder is null)
            throw audio.Error(start, $"an Ogg {(packets.Other is { } other ? $"of {other}" : "without Opus or Vorbis in it")}. Convert it, for example with: ffmpeg -i IN -ac 1 OUT.wav");
        return new AudioBuffer(_samples.From(0), decoder.SamplingRate, decoder.Channels);
    }

    private IOggDecoder Begin(OggPacket head, IOggDecoder? before)
    {
        IOggDecoder next = head.Data.Span.StartsWith("OpusHead"u8) ? new OpusReader(audio, head) : new VorbisReader(audio, head);
        if (before is not null && (before.SamplingRate != next.SamplingRate || before.Channels != next.Channels))
            throw audio.Error(head.Offset,
                $"a stream of {next.SamplingRate} Hz and {next.Channels} channels behind one of {before.SamplingRate} Hz and {before.Channels}. Make one of them, for example with: ffmpeg -i IN -ac 1 -ar 48000 OUT.wav");
        return next;
    }
}
