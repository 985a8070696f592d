using System.Buffers.Binary;
using NLayer;

namespace Dia.Audio.Formats;

/// <summary>A frame of layer III (ISO/IEC 11172-3, 13818-3, and MPEG 2.5), as NLayer wants it.</summary>
internal sealed class Mp3Frame : IMpegFrame
{
    private const int HeaderBytes = 4, CheckBytes = 2;

    private static readonly int[] Rates = [44100, 48000, 32000];
    private static readonly short[][] BitRates =
    [
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];

    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly uint _header;
    private ulong _window;
    private int _at, _windowBits;

    private Mp3Frame(uint header, ReadOnlyMemory<byte> bytes) => (_header, _bytes) = (header, bytes);

    public MpegVersion Version => (_header >> 19 & 3) switch { 3 => MpegVersion.Version1, 2 => MpegVersion.Version2, _ => MpegVersion.Version25 };

    public MpegLayer Layer => MpegLayer.LayerIII;

    public bool HasCrc => (_header >> 16 & 1) == 0;

    public int BitRateIndex => (int)(_header >> 12 & 15);

    public int BitRate => 1000 * BitRates[Version == MpegVersion.Version1 ? 0 : 1][BitRateIndex];

    public int SampleRateIndex => (int)(_header >> 10 & 3);

    public int SampleRate => Rates[SampleRateIndex] >> (Version switch { MpegVersion.Version1 => 0, MpegVersion.Version2 => 1, _ => 2 });

    public MpegChannelMode ChannelMode => (MpegChannelMode)(_header >> 6 & 3);

    public int ChannelModeExtension => (int)(_header >> 4 & 3);

    public bool IsCopyrighted => (_header >> 3 & 1) != 0;

    // Players do not look at the check, and some encoders write a wrong one.
    public bool IsCorrupted => false;

    /// <summary>Samples of a channel.</summary>
    public int SampleCount => Version == MpegVersion.Version1 ? 1152 : 576;

    /// <summary>Channels.</summary>
    public int Channels => ChannelMode == MpegChannelMode.Mono ? 1 : 2;

    /// <summary>Its bytes, the header's too.</summary>
    public int FrameLength => SampleCount / 8 * BitRate / SampleRate + (int)(_header >> 9 & 1);

    /// <summary>Behind the header and the side information, where the first frame may have a tag of its encoder.</summary>
    public ReadOnlySpan<byte> AfterSideInformation
    {
        get
        {
            int side = (Version == MpegVersion.Version1, Channels) switch { (true, 2) => 32, (false, 1) => 9, _ => 17 };
            return _bytes.Span[Math.Min(HeaderBytes + side, _bytes.Length)..];
        }
    }

    /// <summary>Whether another frame may belong to the same recording.</summary>
    public bool IsLike(Mp3Frame other) => SampleRate == other.SampleRate && Channels == other.Channels;

    /// <summary>The frame at the start of some bytes, whole or not; null: there is none.</summary>
    public static Mp3Frame? TryParse(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length < HeaderBytes)
            return null;
        uint header = BinaryPrimitives.ReadUInt32BigEndian(bytes.Span);
        bool isFrame = header >> 21 == 0x7FF && (header >> 19 & 3) != 1 && (header >> 17 & 3) == 1
            && (header >> 12 & 15) is not (0 or 15) && (header >> 10 & 3) != 3;
        if (!isFrame)
            return null;
        var whole = new Mp3Frame(header, bytes);
        return new Mp3Frame(header, bytes[..Math.Min(bytes.Length, whole.FrameLength)]);
    }

    /// <summary>Whether all of it is there.</summary>
    public bool IsWhole => _bytes.Length == FrameLength;

    public void Reset() => (_at, _window, _windowBits) = (HeaderBytes + (HasCrc ? CheckBytes : 0), 0, 0);

    public int ReadBits(int bitCount)
    {
        while (_windowBits < bitCount)
        {
            if (_at >= _bytes.Length)
                throw new EndOfStreamException();
            _window = _window << 8 | _bytes.Span[_at++];
            _windowBits += 8;
        }

        _windowBits -= bitCount;
        return (int)(_window >> _windowBits & ((1UL << bitCount) - 1));
    }
}
