using System.Buffers.Binary;
using Dia.IO;

namespace Dia.Audio.Formats;

/// <summary>Writes FLAC (RFC 9639): mono, 16 bits, blocks of about 0.1 s. On a pipe length and MD5 are left out, as the format allows.</summary>
internal sealed class FlacWriter : AudioWriter
{
    private const int Bits = 16, HeaderBytes = 4;

    private readonly int _samplingRate;
    private readonly long _start;
    private readonly short[] _block;
    private readonly FlacEncoder _encoder;
    private readonly Md5 _md5 = new();
    private int _held;
    private long _total;
    private int _smallest = int.MaxValue, _largest;

    public FlacWriter(Stream stream, int samplingRate, AudioTags? tags)
    {
        Target = stream;
        _samplingRate = samplingRate;
        _encoder = new FlacEncoder(samplingRate);
        _block = new short[_encoder.BlockSize];
        _start = stream.CanSeek ? stream.Position : 0;
        stream.Write(Header([], isLast: tags is null));
        if (tags?.ToVorbisComment() is not { } comment)
            return;
        byte[] header = new byte[HeaderBytes];
        BinaryPrimitives.WriteUInt32BigEndian(header, 0x84000000 | (uint)comment.Length); // the last block of metadata
        stream.Write([.. header, .. comment]);
        HasTags = true;
    }

    private protected override Stream Target { get; }

    private bool HasTags { get; }

    private protected override void Append(ReadOnlySpan<float> samples)
    {
        foreach (float sample in samples)
        {
            _block[_held++] = WavWriter.ToInt16(sample);
            if (_held == _block.Length)
                WriteBlock();
        }
    }

    private protected override void Complete()
    {
        if (_held > 0)
            WriteBlock();
        if (Target.CanSeek)
            Rewrite(Target, _start, Header(_md5.Finish(), !HasTags));
    }

    private void WriteBlock()
    {
        ReadOnlySpan<short> block = _block.AsSpan(0, _held);
        ReadOnlySpan<byte> frame = _encoder.Encode(block);
        Target.Write(frame);
        _md5.Add(MemoryMarshal.AsBytes(block));
        (_smallest, _largest) = (Math.Min(_smallest, frame.Length), Math.Max(_largest, frame.Length));
        _total += _held;
        _held = 0;
    }

    /// <summary>The name and STREAMINFO; without an MD5 nothing is known yet but the form.</summary>
    private byte[] Header(ReadOnlySpan<byte> hash, bool isLast)
    {
        byte[] bytes = new byte[HeaderBytes + HeaderBytes + FlacInfo.Size];
        "fLaC"u8.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(HeaderBytes), (isLast ? 0x80000000 : 0) | FlacInfo.Size);
        Span<byte> info = bytes.AsSpan(HeaderBytes + HeaderBytes);
        BinaryPrimitives.WriteUInt16BigEndian(info, (ushort)_block.Length);
        BinaryPrimitives.WriteUInt16BigEndian(info[2..], (ushort)_block.Length);
        ulong packed = (ulong)_samplingRate << 44 | (Bits - 1UL) << 36;
        if (!hash.IsEmpty && _total > 0)
        {
            // Sizes of frames, 24 bits each.
            BinaryPrimitives.WriteUInt64BigEndian(info[4..], (ulong)_smallest << 40 | (ulong)_largest << 16);
            packed |= _total < 1L << 36 ? (ulong)_total : 0;
            hash.CopyTo(info[FlacInfo.HashAt..]);
        }

        BinaryPrimitives.WriteUInt64BigEndian(info[10..], packed);
        return bytes;
    }
}
