using System.Buffers.Binary;
using Concentus.Enums;
using Concentus.Structs;

namespace Dia.Audio.Formats;

/// <summary>
/// Writes Opus in Ogg (RFC 7845) with Concentus' encoder: mono, frames of 20 ms, a page every 0.2 s. The stream's number is made of what the file says, so
/// that the same sound gives the same bytes.
/// </summary>
internal sealed class OpusWriter : AudioWriter
{
    private const int Rate = OpusReader.Rate, FrameSize = Rate / 50, PacketsInPage = 10, BitRate = 48000, MostBytes = 1275;

    // Tags are not to fill the page.
    private const int MostTagBytes = 60_000;

    private readonly OpusEncoder _encoder;
    private readonly StreamResampler? _resampler;
    private readonly OggPageWriter _pages;
    private readonly float[] _frame = new float[FrameSize];
    private readonly byte[] _packet = new byte[MostBytes];
    private readonly int _delay;
    private int _held, _packets;
    private long _samples, _encoded;

    public OpusWriter(Stream stream, int samplingRate, AudioTags? tags)
    {
        Target = stream;
        _resampler = samplingRate == Rate ? null : new StreamResampler(samplingRate, Rate, Encode);
        // The factory's would look for a native library.
#pragma warning disable CS0618
        _encoder = new OpusEncoder(Rate, 1, OpusApplication.OPUS_APPLICATION_AUDIO) { Bitrate = BitRate, Complexity = 10, UseVBR = true };
#pragma warning restore CS0618
        _delay = _encoder.Lookahead;
        byte[] comment = [.. "OpusTags"u8, .. (tags ?? new AudioTags("dia")).ToVorbisComment()];
        if (comment.Length > MostTagBytes)
            throw new DiaException(DiaErrorKind.Usage, $"{comment.Length} bytes of tags; an Opus file takes {MostTagBytes}.");
        _pages = new OggPageWriter(stream, Crc.Ogg.Of(comment));
        _pages.Add(Head(samplingRate));
        _pages.Write(granule: 0);
        _pages.Add(comment);
        _pages.Write(granule: 0);
    }

    private protected override Stream Target { get; }

    private protected override void Append(ReadOnlySpan<float> samples)
    {
        if (_resampler is null)
            Encode(samples);
        else
            _resampler.Write(samples);
    }

    private protected override void Complete()
    {
        _resampler?.Finish();
        // What the encoder still holds comes with silence behind it, which the last page's number cuts off.
        long end = _delay + _samples;
        while (_encoded < end || _packets == 0)
            EncodeFrame();
        _pages.Write(end, isLast: true);
    }

    private void Encode(ReadOnlySpan<float> samples)
    {
        _samples += samples.Length;
        while (!samples.IsEmpty)
        {
            int count = Math.Min(samples.Length, FrameSize - _held);
            samples[..count].CopyTo(_frame.AsSpan(_held));
            _held += count;
            samples = samples[count..];
            if (_held == FrameSize)
                EncodeFrame();
        }
    }

    private void EncodeFrame()
    {
        _frame.AsSpan(_held).Clear();
        int length = _encoder.Encode(_frame, FrameSize, _packet, _packet.Length);
        if (_packets == PacketsInPage)
        {
            _pages.Write(_encoded);
            _packets = 0;
        }

        _pages.Add(_packet.AsSpan(0, length));
        _packets++;
        _encoded += FrameSize;
        _held = 0;
    }

    private byte[] Head(int samplingRate)
    {
        byte[] head = [.. "OpusHead"u8, 1, 1, .. new byte[9]];
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(10), (ushort)_delay);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(12), samplingRate);
        return head;
    }
}
