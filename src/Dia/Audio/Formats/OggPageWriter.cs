using System.Buffers.Binary;

namespace Dia.Audio.Formats;

/// <summary>Writes the pages of one Ogg stream (RFC 3533).</summary>
/// <param name="stream">Where to.</param>
/// <param name="serial">The stream's number.</param>
internal sealed class OggPageWriter(Stream stream, uint serial)
{
    private const int HeaderBytes = 27, CrcAt = 22, MostParts = 255;
    private const byte Begins = 2, Ends = 4;

    private readonly List<byte> _lacing = [], _body = [];
    private uint _number;

    /// <summary>Adds a packet to the page, which must have room: fewer than 255 parts of 255 bytes with those before.</summary>
    public void Add(ReadOnlySpan<byte> packet)
    {
        for (int rest = packet.Length; ; rest -= byte.MaxValue)
        {
            _lacing.Add((byte)Math.Min(rest, byte.MaxValue));
            if (rest < byte.MaxValue)
                break;
        }

        if (_lacing.Count > MostParts)
            throw new InvalidOperationException($"{_lacing.Count} parts do not fit one page.");
        _body.AddRange(packet);
    }

    /// <summary>Writes the page.</summary>
    /// <param name="granule">Samples up to its end.</param>
    /// <param name="isLast">Whether the stream ends with it.</param>
    public void Write(long granule, bool isLast = false)
    {
        byte[] header = new byte[HeaderBytes];
        "OggS"u8.CopyTo(header);
        header[5] = (byte)((_number == 0 ? Begins : 0) | (isLast ? Ends : 0));
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(6), granule);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(14), serial);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(18), _number++);
        header[26] = (byte)_lacing.Count;
        byte[] page = [.. header, .. _lacing, .. _body];
        BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(CrcAt), Crc.Ogg.Of(page));
        stream.Write(page);
        _lacing.Clear();
        _body.Clear();
    }
}
