using System.Buffers.Binary;
using Dia.IO;

namespace Dia.Audio.Formats;

/// <summary>What a FLAC says of all its frames: the block STREAMINFO (RFC 9639, 8.2).</summary>
/// <param name="MaxBlock">Most samples of a channel in a frame.</param>
/// <param name="SamplingRate">Samples of a channel in a second.</param>
/// <param name="Channels">1 to 8.</param>
/// <param name="Bits">Bits of a sample, 4 to 32.</param>
/// <param name="Total">Samples of a channel; 0: not known.</param>
internal readonly record struct FlacInfo(int MaxBlock, int SamplingRate, int Channels, int Bits, long Total)
{
    /// <summary>Bytes of the block.</summary>
    public const int Size = 34;

    /// <summary>Where the MD5 of all samples lies in it.</summary>
    public const int HashAt = 18;

    /// <summary>Reads the block.</summary>
    public static FlacInfo Parse(ReadOnlySpan<byte> block)
    {
        ulong packed = BinaryPrimitives.ReadUInt64BigEndian(block[10..]);
        return new FlacInfo(BinaryPrimitives.ReadUInt16BigEndian(block[2..]), (int)(packed >> 44), (int)(packed >> 41 & 7) + 1, (int)(packed >> 36 & 31) + 1,
            (long)(packed & 0xF_FFFF_FFFF));
    }
}

/// <summary>Reads FLAC (RFC 9639): every kind of subframe, 4 to 32 bits. Each frame's checks and the MD5 of all samples must be right.</summary>
/// <param name="audio">The recording.</param>
/// <param name="start">Where it begins, behind tags.</param>
internal sealed class FlacReader(CompressedAudio audio, int start)
{
    private const int BlockHeaderBytes = 4;

    private readonly DecodedSamples _samples = new(audio);
    private readonly Md5 _md5 = new();
    private byte[] _hashed = [];

    /// <summary>Reads all of it; one that was cut off up to its last whole frame, with a warning.</summary>
    /// <exception cref="DiaException">Input: damaged, or nothing of it is there.</exception>
    public AudioBuffer Read()
    {
        int at = ReadMetadata(out FlacInfo info, out ReadOnlySpan<byte> hash);
        _samples.Check(info.Total * info.Channels);
        var frame = new FlacFrame(info);
        long done = 0;
        bool isCut = false;
        while (at < audio.Bytes.Length && (info.Total == 0 || done < info.Total))
        {
            ReadOnlySpan<byte> rest = audio.Bytes.AsSpan(at);
            if (info.Total == 0 && FrontTags.Follows(rest))
                break;
            if (frame.TryRead(rest, out int length, out bool atEnd) is string wrong)
            {
                isCut = atEnd;
                if (!atEnd || done == 0)
                    throw audio.Error(at, $"{wrong}: the file is damaged{(atEnd ? " or was cut off" : "")}.");
                break;
            }

            Keep(frame, info, at);
            done += frame.Count;
            at += length;
        }

        if (done < info.Total || isCut)
            audio.Warn($"it holds {done} samples{(info.Total > 0 ? $" of {info.Total}" : "")}: its recorder was cut off, or the file is. Everything up to the last whole frame is read.");
        else if (done > info.Total && info.Total > 0)
            throw audio.Error(at, $"{done} samples where the file says {info.Total}: it is damaged.");
        else if (hash.ContainsAnyExcept((byte)0) && !hash.SequenceEqual(_md5.Finish()))
            throw audio.Error(start, "the samples are not those that its MD5 is of: the file is damaged.");
        if (!isCut)
            WarnOfRest(at);
        return new AudioBuffer(_samples.From(0), info.SamplingRate, info.Channels);
    }

    /// <summary>What lies behind the last frame and is no tag is not read: of files that were joined only the first one is.</summary>
    private void WarnOfRest(int at)
    {
        ReadOnlySpan<byte> rest = audio.Bytes.AsSpan(at);
        if (rest.StartsWith("fLaC"u8))
            audio.Warn($"offset {at}: another FLAC begins where this one ends: files were joined, and the first alone is read. Join their sound, for example with: sox A.flac B.flac BOTH.flac");
        else if (!rest.IsEmpty && !FrontTags.Follows(rest))
            audio.Warn($"offset {at}: {rest.Length} bytes behind its last frame are no part of it, and are not read: something was added to the file, or it is damaged.");
    }

    /// <summary>Passes over the blocks in front of the frames; the first says what the frames are.</summary>
    /// <returns>Where the frames begin.</returns>
    private int ReadMetadata(out FlacInfo info, out ReadOnlySpan<byte> hash)
    {
        ReadOnlySpan<byte> bytes = audio.Bytes;
        int at = start + BlockHeaderBytes; // behind `fLaC`
        info = default;
        hash = default;
        for (bool isFirst = true, isLast = false; !isLast; isFirst = false)
        {
            if (bytes.Length - at < BlockHeaderBytes)
                throw audio.Error(at, "the file ends among its metadata: it is truncated.");
            uint header = BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
            int size = (int)(header & 0xFFFFFF), kind = (int)(header >> 24 & 127);
            isLast = (int)header < 0;
            if (size > bytes.Length - at - BlockHeaderBytes)
                throw audio.Error(at, $"the file ends inside a block of {size} bytes of metadata: it is truncated.");
            at += BlockHeaderBytes;
            if (kind == 0 != isFirst || (isFirst && size != FlacInfo.Size))
                throw audio.Error(at - BlockHeaderBytes, isFirst ? "it does not begin with STREAMINFO: it is damaged." : "a second STREAMINFO: it is damaged.");
            if (isFirst)
            {
                info = FlacInfo.Parse(bytes[at..]);
                hash = bytes.Slice(at + FlacInfo.HashAt, 16);
                Check(info, at);
            }

            at += size;
        }

        return at;
    }

    private void Check(FlacInfo info, int at)
    {
        audio.CheckForm(at, info.SamplingRate, info.Channels);
        if (info.Bits < 4 || info.MaxBlock < 16)
            throw audio.Error(at, $"{info.Bits} bits a sample in blocks of {info.MaxBlock}: the file is damaged.");
    }

    /// <summary>Keeps the samples of a frame, and adds them to the hash: little-endian, in whole bytes.</summary>
    private void Keep(FlacFrame frame, FlacInfo info, int at)
    {
        int channels = info.Channels, bytes = (info.Bits + 7) / 8, count = frame.Count * channels;
        float scale = 1f / (1L << (info.Bits - 1));
        long limit = 1L << (info.Bits - 1);
        Span<float> room = _samples.Add(count);
        if (_hashed.Length < count * bytes + sizeof(int))
            _hashed = new byte[count * bytes + sizeof(int)];
        for (int i = 0; i < count; i++)
        {
            long value = frame.Channel(i % channels)[i / channels];
            if (value >= limit || value < -limit)
                throw audio.Error(at, $"a sample of more than {info.Bits} bits: the file is damaged.");
            room[i] = value * scale;
            BinaryPrimitives.WriteInt32LittleEndian(_hashed.AsSpan(i * bytes), (int)value);
        }

        _md5.Add(_hashed.AsSpan(0, count * bytes));
    }
}
