using System.Buffers.Binary;
using Concentus;
using Concentus.Structs;

namespace Dia.Audio.Formats;

/// <summary>
/// Decodes an Opus stream of an Ogg (RFC 7845) with Concentus: mapping families 0 and 1, output gain; the samples that the header says to skip and those
/// behind the end that the last page names are left out.
/// </summary>
internal sealed class OpusReader : IOggDecoder
{
    /// <summary>The rate that Opus is decoded at.</summary>
    public const int Rate = 48000;

    /// <summary>Most samples of a channel in a packet: 120 ms.</summary>
    private const int MostInPacket = Rate * 120 / 1000;

    private const int HeadBytes = 19, MappingAt = 21;

    private readonly CompressedAudio _audio;
    private readonly OpusMSDecoder _decoder;
    private readonly float _gain;
    private readonly float[] _decoded;
    private int _skip;
    private long _taken;
    private long? _beforeFirst;

    public OpusReader(CompressedAudio audio, OggPacket head)
    {
        _audio = audio;
        ReadOnlySpan<byte> bytes = head.Data.Span;
        if (bytes.Length < HeadBytes || bytes[8] >= 16)
            throw audio.Error(head.Offset, "an OpusHead of another version, or cut off.");
        Channels = bytes[9];
        audio.CheckForm(head.Offset, Rate, Channels);
        _skip = BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]);
        _gain = (float)Math.Pow(10, BinaryPrimitives.ReadInt16LittleEndian(bytes[16..]) / (20.0 * 256));
        (int streams, int coupled, byte[] mapping) = ReadMapping(bytes, head.Offset);
        // The factory's would look for a native library.
#pragma warning disable CS0618
        _decoder = new OpusMSDecoder(Rate, Channels, streams, coupled, mapping);
#pragma warning restore CS0618
        _decoded = new float[MostInPacket * Channels];
    }

    public int SamplingRate => Rate;

    public int Channels { get; }

    public void Read(OggPackets packets, DecodedSamples samples)
    {
        packets.NextOfStream(); // names, pictures
        while (packets.NextOfStream() is { } packet)
        {
            // A packet without a byte stands for nothing.
            int count = packet.Data.IsEmpty ? 0 : Decode(packet);
            _taken += count;
            long surplus = 0;
            if (packet.Granule is { } granule)
            {
                // A stream that was cut out of another begins later; where the first page is the last one too, it is shorter than its packets.
                _beforeFirst ??= packet.IsLast ? 0 : Math.Max(0, granule - _taken);
                surplus = packet.IsLast ? Math.Clamp(_taken - (granule - _beforeFirst.Value), 0, count) : 0;
            }

            Keep(samples, count - (int)surplus);
        }
    }

    private int Decode(OggPacket packet)
    {
        try
        {
            int count = _decoder.DecodeMultistream(packet.Data.Span, _decoded, MostInPacket, decode_fec: false);
            if (count is >= 0 and <= MostInPacket)
                return count;
        }
        catch (Exception e) when (CodecFailure.Is(e))
        {
            throw _audio.Error(packet.Offset, "a packet of this page cannot be decoded: the file is damaged.", e);
        }

        throw _audio.Error(packet.Offset, "a packet of this page cannot be decoded: the file is damaged.");
    }

    private void Keep(DecodedSamples samples, int count)
    {
        int skip = Math.Min(_skip, count);
        _skip -= skip;
        Span<float> kept = _decoded.AsSpan(skip * Channels, (count - skip) * Channels);
        foreach (ref float sample in kept)
            sample *= _gain;
        samples.AddClipped(kept);
    }

    private (int Streams, int Coupled, byte[] Mapping) ReadMapping(ReadOnlySpan<byte> head, int offset)
    {
        int family = head[18];
        if (family == 0 && Channels <= 2)
            return (1, Channels - 1, Channels == 1 ? [0] : [0, 1]);
        if (family == 1 && head.Length < MappingAt + Channels)
            throw _audio.Error(offset, "an Opus header that is too short for its channels: the file is damaged.");
        if (family != 1)
            throw _audio.Error(offset, $"an Opus stream of {Channels} channels and mapping family {family}; 0 and 1 are read. Convert it, for example with: ffmpeg -i IN -ac 1 OUT.wav");
        int streams = head[19], coupled = head[20];
        byte[] mapping = head.Slice(MappingAt, Channels).ToArray();
        if (streams == 0 || coupled > streams || streams + coupled > 255 || mapping.Any(m => m >= streams + coupled && m != 255))
            throw _audio.Error(offset, "an OpusHead whose channels lead to no stream: the file is damaged.");
        return (streams, coupled, mapping);
    }
}

/// <summary>What codecs of others throw on data that they do not expect.</summary>
internal static class CodecFailure
{
    /// <summary>Whether an exception means that the data is damaged.</summary>
    public static bool Is(Exception e) => e is OpusException or IndexOutOfRangeException or ArgumentException or NullReferenceException
        or InvalidOperationException or ArithmeticException or InvalidDataException or EndOfStreamException or NotSupportedException or InvalidCastException;
}
