using System.Buffers.Binary;

namespace Dia.Audio.Formats;

/// <summary>A packet of an Ogg stream.</summary>
/// <param name="Data">Its bytes.</param>
/// <param name="Offset">Where the page lies that it ends in.</param>
/// <param name="Granule">Samples up to the end of that page, of the last packet that ends there; of others null.</param>
/// <param name="IsFirst">Whether a stream begins with it: the first one, or the next of a chain.</param>
/// <param name="IsLast">Whether it is the last of its stream.</param>
internal readonly record struct OggPacket(ReadOnlyMemory<byte> Data, int Offset, long? Granule, bool IsFirst, bool IsLast);

/// <summary>
/// Packets of the Opus or Vorbis streams of an Ogg (RFC 3533), one stream after the other where they are chained. Of streams side by side the first that
/// is read counts. Pages must be whole, in order, and their checks right; at the end of a file that was cut off they need not.
/// </summary>
/// <param name="audio">The recording.</param>
/// <param name="start">Where it begins, behind tags.</param>
internal sealed class OggPackets(CompressedAudio audio, int start)
{
    private const int HeaderBytes = 27, CrcAt = 22;
    private const int Continued = 1, Begins = 2, Ends = 4;
    private const long NoGranule = -1;

    private readonly Queue<OggPacket> _ready = new();
    private readonly List<byte> _open = []; // a packet that goes on
    private int _at = start;
    private uint? _serial;
    private uint _number;
    private bool _amongFirst, _isFirst, _isOpen;
    private bool _isEnded = true; // nothing has begun yet

    /// <summary>What else is in it, for the message where nothing is read.</summary>
    public string? Other { get; private set; }

    /// <summary>The next one; null: there are no more.</summary>
    /// <exception cref="DiaException">Input: a page is damaged.</exception>
    public OggPacket? Next()
    {
        while (_ready.Count == 0)
            if (!ReadPage())
                return null;
        return _ready.Dequeue();
    }

    /// <summary>The next one of the same stream; null: there are no more.</summary>
    /// <exception cref="DiaException">Input: a page is damaged.</exception>
    public OggPacket? NextOfStream()
    {
        while (_ready.Count == 0)
            if (!ReadPage())
                return null;
        return _ready.Peek().IsFirst ? null : _ready.Dequeue();
    }

    private bool ReadPage()
    {
        ReadOnlySpan<byte> rest = audio.Bytes.AsSpan(_at);
        if (rest.IsEmpty || FrontTags.Follows(rest))
            return End();
        if (!rest.StartsWith("OggS"u8))
        {
            if (rest.Length >= 4)
                throw audio.Error(_at, "no page of an Ogg where one must begin: the file is damaged.");
            return CutOff();
        }

        if (rest.Length < HeaderBytes || rest.Length < HeaderBytes + rest[26])
            return CutOff();
        ReadOnlySpan<byte> lacing = rest.Slice(HeaderBytes, rest[26]);
        int body = HeaderBytes + lacing.Length, length = body;
        foreach (byte part in lacing)
            length += part;
        if (rest.Length < length)
            return CutOff();
        uint check = Crc.Ogg.Of(rest[(CrcAt + 4)..length], Crc.Ogg.Of([0, 0, 0, 0], Crc.Ogg.Of(rest[..CrcAt])));
        if (check != BinaryPrimitives.ReadUInt32LittleEndian(rest[CrcAt..]))
            throw audio.Error(_at, "a page whose check is wrong: the file is damaged.");
        if (Belongs(rest[..length], body))
            Take(rest[..length], body);
        _at += length;
        return true;
    }

    private bool CutOff()
    {
        audio.Warn($"offset {_at}: the file ends inside a page: it was cut off. Everything before is read.");
        (_at, _isEnded) = (audio.Bytes.Length, true);
        return false;
    }

    /// <summary>There are no more pages; the last of a stream says that it is the last.</summary>
    private bool End()
    {
        if (!_isEnded)
            audio.Warn($"offset {_at}: its last page does not say that it is the last: the file was cut off, or its recorder. Everything that is there is read.");
        _isEnded = true;
        return false;
    }

    /// <summary>Whether a page is of the stream that is read; the first pages of streams say what they are.</summary>
    private bool Belongs(ReadOnlySpan<byte> page, int body)
    {
        uint serial = BinaryPrimitives.ReadUInt32LittleEndian(page[14..]);
        bool begins = (page[5] & Begins) != 0;
        if (begins && !_amongFirst)
            (_serial, _isOpen) = (null, false); // the next of a chain
        _amongFirst = begins;
        if (begins && _serial is null)
        {
            ReadOnlySpan<byte> first = page[body..];
            if (first.StartsWith("OpusHead"u8) || first.StartsWith("\u0001vorbis"u8))
                (_serial, _number, _isFirst) = (serial, BinaryPrimitives.ReadUInt32LittleEndian(page[18..]), true);
            else
                Other ??= first.StartsWith("Speex"u8) ? "Speex" : first.StartsWith("\u007FFLAC"u8) ? "FLAC" : first.StartsWith((ReadOnlySpan<byte>)[0x80, .. "theora"u8]) ? "video" : null;
        }

        return _serial == serial;
    }

    /// <summary>The packets that end in a page, and what begins in it.</summary>
    private void Take(ReadOnlySpan<byte> page, int body)
    {
        _isEnded = (page[5] & Ends) != 0;
        if (BinaryPrimitives.ReadUInt32LittleEndian(page[18..]) != _number++)
            throw audio.Error(_at, "pages are missing before this one: the file is damaged.");
        if ((page[5] & Continued) != 0 != _isOpen)
            throw audio.Error(_at, "a packet without a beginning or an end: the file is damaged.");
        ReadOnlySpan<byte> lacing = page[HeaderBytes..body];
        int last = lacing.LastIndexOfAnyExcept((byte)255); // the last packet that ends here
        long granule = BinaryPrimitives.ReadInt64LittleEndian(page[6..]);
        for (int i = 0, from = body, at = body; i < lacing.Length; i++)
        {
            at += lacing[i];
            if (lacing[i] < 255)
            {
                ReadOnlyMemory<byte> data = audio.Bytes.AsMemory(_at + from, at - from);
                if (_open.Count > 0)
                {
                    _open.AddRange(data.Span);
                    data = _open.ToArray();
                    _open.Clear();
                }

                _ready.Enqueue(new OggPacket(data, _at, i == last && granule != NoGranule ? granule : null, _isFirst, i == last && (page[5] & Ends) != 0));
                _isFirst = false;
                from = at;
            }
            else if (i == lacing.Length - 1)
                _open.AddRange(page[from..at]);
        }

        if (!lacing.IsEmpty)
            _isOpen = lacing[^1] == 255;
    }
}
