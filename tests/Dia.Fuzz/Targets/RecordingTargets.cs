using System.Buffers.Binary;
using Dia.Audio;
using Dia.Audio.Formats;

namespace Dia.Fuzz.Targets;

/// <summary>Compressed recordings.</summary>
internal abstract class RecordingTarget(string name, string pattern) : FuzzTarget(name)
{
    public override IReadOnlyList<byte[]> Seeds { get; } = [.. RealFiles.All("tests/fixtures/audio", pattern).OrderBy(f => f.Length).Take(4)];

    // Each is a whole recording to decode.
    public override int ShortRun => 2000;

    // The tables of a decoder, and what little says in much time: a packet of Opus is 0.06 s of eight channels in two bytes.
    public override long AllocationLimit(byte[] input) => (32L << 20) + 200_000L * input.Length;

    public override bool Read(byte[] input)
    {
        AudioBuffer audio = AudioReader.Read(new MemoryStream(input), "input", []);
        if (audio.Samples.Length % audio.Channels != 0 || audio.Samples.Length > AudioReader.MaxSamples || audio.Samples.Any(s => !(Math.Abs(s) <= 1)))
            throw new InvalidOperationException($"{audio.Samples.Length} samples, {audio.Channels} channels, {audio.SamplingRate} Hz");
        return true;
    }

    public override byte[] Mutate(Randomness random)
    {
        List<byte> bytes = RealFiles.ToList(random.Of(Seeds));
        Mutations.Binary(random, bytes, random.Of(Seeds));
        byte[] mutated = [.. bytes];
        if (!random.OneIn(4))
            Mend(mutated);
        return mutated;
    }

    /// <summary>Makes checks right, so that what is behind them is reached.</summary>
    protected abstract void Mend(byte[] bytes);
}

/// <summary>MP3, whose checks nobody reads.</summary>
internal sealed class Mp3Target() : RecordingTarget("mp3", "*.mp3")
{
    protected override void Mend(byte[] bytes)
    {
    }
}

/// <summary>Opus or Vorbis.</summary>
internal sealed class OggTarget(string ending) : RecordingTarget(ending == "ogg" ? "vorbis" : ending, "*." + ending)
{
    protected override void Mend(byte[] bytes)
    {
        for (int at = 0; bytes.AsSpan(at).IndexOf("OggS"u8) is >= 0 and var found; at += 4)
        {
            at += found;
            Span<byte> page = bytes.AsSpan(at);
            if (page.Length < 27 || page.Length < 27 + page[26])
                return;
            int length = 27 + page[26];
            foreach (byte part in page.Slice(27, page[26]))
                length += part;
            if (page.Length < length)
                continue;
            page[22..26].Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(page[22..], Crc.Ogg.Of(page[..length]));
        }
    }
}

/// <summary>FLAC. Within a frame one byte is changed and the checks are made right; else anything.</summary>
internal sealed class FlacTarget() : RecordingTarget("flac", "*.flac")
{
    public override byte[] Mutate(Randomness random)
    {
        if (random.OneIn(3))
            return base.Mutate(random);
        byte[] bytes = [.. random.Of(Seeds)];
        List<Range> frames = Frames(bytes);
        bytes.AsSpan(26, 16).Clear(); // no MD5
        for (int n = 1 + random.Below(3); n > 0; n--)
        {
            Span<byte> frame = bytes.AsSpan(random.Of(frames));
            int header = 4;
            while (header < 16 && Crc.FlacHeader.Of(frame[..header]) != frame[header])
                header++;
            int at = random.OneIn(3) ? 1 + random.Below(header) : random.Below(frame.Length - 2);
            frame[at] ^= (byte)(1 << random.Below(8));
            frame[header] = (byte)Crc.FlacHeader.Of(frame[..header]);
            BinaryPrimitives.WriteUInt16BigEndian(frame[^2..], (ushort)Crc.FlacFrame.Of(frame[..^2]));
        }

        return bytes;
    }

    protected override void Mend(byte[] bytes)
    {
        if (bytes.Length > 42)
            bytes.AsSpan(26, 16).Clear();
    }

    private static List<Range> Frames(byte[] flac)
    {
        int at = 4;
        while (true)
        {
            uint header = BinaryPrimitives.ReadUInt32BigEndian(flac.AsSpan(at));
            at += 4 + (int)(header & 0xFFFFFF);
            if ((int)header < 0)
                break;
        }

        var frame = new FlacFrame(FlacInfo.Parse(flac.AsSpan(8)));
        var frames = new List<Range>();
        for (; at < flac.Length && frame.TryRead(flac.AsSpan(at), out int length, out _) is null; at += length)
            frames.Add(at..(at + length));
        return frames;
    }
}
