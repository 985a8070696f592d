using System.Buffers.Binary;

namespace Dia.Audio.Formats;

/// <summary>Tags in front of the sound, with names and cover pictures: ID3v2 (id3.org, 2.2 to 2.4) and APE (versions 1 and 2).</summary>
internal static class FrontTags
{
    private const int Id3HeaderBytes = 10, ApeHeaderBytes = 32;

    /// <summary>Where they end; zeros that follow are passed over too.</summary>
    /// <exception cref="DiaException">Input: a tag that the file ends in.</exception>
    public static int End(CompressedAudio audio)
    {
        ReadOnlySpan<byte> bytes = audio.Bytes;
        int at = 0;
        while (Length(bytes[at..]) is { } length)
        {
            if (length > bytes.Length - at)
                throw audio.Error(at, $"the file ends inside a tag of {length} bytes: it is truncated.");
            at += (int)length;
            int zeros = bytes[at..].IndexOfAnyExcept((byte)0);
            at += zeros < 0 ? bytes.Length - at : zeros;
        }

        return at;
    }

    /// <summary>Whether what follows the sound is a tag: ID3v1, ID3v2, APE or Lyrics3.</summary>
    public static bool Follows(ReadOnlySpan<byte> rest) =>
        rest.StartsWith("TAG"u8) || rest.StartsWith("ID3"u8) || rest.StartsWith("APETAGEX"u8) || rest.StartsWith("LYRICSBEGIN"u8);

    private static long? Length(ReadOnlySpan<byte> rest)
    {
        if (rest.StartsWith("ID3"u8) && rest.Length >= Id3HeaderBytes)
        {
            // Seven bits of each byte; a footer repeats the header.
            long size = (rest[6] & 127) << 21 | (rest[7] & 127) << 14 | (rest[8] & 127) << 7 | (rest[9] & 127);
            return size + Id3HeaderBytes + ((rest[5] & 0x10) != 0 ? Id3HeaderBytes : 0);
        }

        // The size is that of all but the header.
        return rest.StartsWith("APETAGEX"u8) && rest.Length >= ApeHeaderBytes ? ApeHeaderBytes + (long)BinaryPrimitives.ReadUInt32LittleEndian(rest[12..]) : null;
    }
}
