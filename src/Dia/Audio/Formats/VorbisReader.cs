using System.Buffers.Binary;
using NVorbis;
using NVorbis.Contracts;
using IPacketProvider = NVorbis.Contracts.IPacketProvider;

namespace Dia.Audio.Formats;

/// <summary>
/// Decodes a Vorbis stream of an Ogg with NVorbis. Its headers are looked at first, since NVorbis believes the sizes in them: identification, and the
/// code books of the setup (Vorbis I, 4.2).
/// </summary>
internal sealed class VorbisReader : IOggDecoder, IPacketProvider
{
    private const int BlockSamples = 8192;

    // A comment header that says nothing: the file's own may be long, and is not needed.
    private static readonly byte[] NoComments = [3, .. "vorbis"u8, 0, 0, 0, 0, 0, 0, 0, 0, 1];

    private readonly CompressedAudio _audio;
    private OggPackets? _packets;
    private Packet? _next;
    private long? _end;
    private int _headers = 1, _offset;

    public VorbisReader(CompressedAudio audio, OggPacket head)
    {
        (_audio, _offset) = (audio, head.Offset);
        ReadOnlySpan<byte> bytes = head.Data.Span;
        if (bytes.Length < 30 || BinaryPrimitives.ReadUInt32LittleEndian(bytes[7..]) != 0)
            throw audio.Error(head.Offset, "a Vorbis stream of another version, or cut off.");
        Channels = bytes[11];
        SamplingRate = (int)Math.Min(int.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]));
        audio.CheckForm(head.Offset, SamplingRate, Channels);
        int shorter = bytes[28] & 15, longer = bytes[28] >> 4;
        if (shorter < 6 || longer > 13 || shorter > longer)
            throw audio.Error(head.Offset, "a Vorbis stream with blocks of a size that there is not: the file is damaged.");
        _next = new Packet(head.Data, null);
    }

    public int SamplingRate { get; }

    public int Channels { get; }

    public bool CanSeek => false;

    public int StreamSerial => 0;

    public void Read(OggPackets packets, DecodedSamples samples)
    {
        _packets = packets;
        int before = samples.Count;
        try
        {
            var decoder = new StreamDecoder(this) { ClipSamples = false };
            float[] decoded = new float[Channels * BlockSamples];
            while (decoder.Read(decoded, 0, decoded.Length) is > 0 and var count)
            {
                foreach (float sample in decoded.AsSpan(0, count))
                    if (!float.IsFinite(sample))
                        throw _audio.Error(_offset, "a sample that is not a finite number: the file is damaged.");
                samples.AddClipped(decoded.AsSpan(0, count));
            }

            // Behind the end is the half of a block that fades out. A stream that was cut out of another begins later.
            long there = (samples.Count - before) / Channels, start = Math.Max(0, decoder.SamplePosition - there);
            if (_end is { } end && end - start < there)
                samples.Drop((int)Math.Min(there, there - (end - start)) * Channels);
        }
        catch (Exception e) when (CodecFailure.Is(e))
        {
            throw _audio.Error(_offset, "a packet of this page cannot be decoded: the file is damaged, or cut off among its headers.", e);
        }
    }

    public IPacket? PeekNextPacket() => _next ??= Take();

    public IPacket? GetNextPacket()
    {
        Packet? packet = _next ?? Take();
        _next = null;
        return packet;
    }

    public long SeekTo(long granulePos, int preRoll, GetPacketGranuleCount getPacketGranuleCount) => throw new NotSupportedException();

    public long GetGranuleCount() => throw new NotSupportedException();

    /// <summary>The next packet. The decoder hears nothing of the end, which it would believe: it may lie before the beginning.</summary>
    private Packet? Take()
    {
        if (_packets!.NextOfStream() is not { } packet)
            return null;
        _offset = packet.Offset;
        _headers++;
        if (_headers == 2)
            return new Packet(NoComments, null);
        if (_headers == 3 && VorbisSetup.Check(packet.Data.Span) is string wrong)
            throw _audio.Error(packet.Offset, $"{wrong}: the file is damaged.");
        if (packet.IsLast)
            _end = packet.Granule;
        return new Packet(packet.Data, packet.IsLast ? null : packet.Granule);
    }

    private sealed class Packet : DataPacket
    {
        private readonly ReadOnlyMemory<byte> _data;
        private int _at;

        public Packet(ReadOnlyMemory<byte> data, long? granule)
        {
            _data = data;
            GranulePosition = granule;
        }

        protected override int TotalBits => 8 * _data.Length;

        public override void Reset()
        {
            _at = 0;
            base.Reset();
        }

        protected override int ReadNextByte() => _at < _data.Length ? _data.Span[_at++] : -1;
    }
}
