using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Dia.Fuzz;

/// <summary>What is done to real files. All work on a list of bytes in place.</summary>
internal static class Mutations
{
    private const int Longest = 1 << 16;

    private static readonly ulong[] Lengths =
    [
        0, 1, 2, 3, 7, 8, 16, 40, 255, 256, 4096, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000, 0x7FFF0000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF,
        0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF,
    ];

    private static readonly byte[][] Numbers = Bytes(
        "0", "1", "2", "3", "9", "64", "1023", "1024", "65535", "65536", "1048576", "2147483647", "2147483648", "4294967296", "1099511627776",
            "9223372036854775807", "9223372036854775808",
        "18446744073709551615", "99999999999999999999", "-1", "-0", "-9223372036854775808", "1e6", "1e-6", "1.0000001", "1e38", "1e-45", "0.0", "1e400",
            "-1e400", "00", "0x1", "1.", ".5", "null", "NaN", "Infinity", "\"1\"", "[1]", "{}");

    private static readonly byte[][] Pieces = Bytes(
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "\\udc00\\ud800", "\\u0000", "null", "true", "false",
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":{\"a\":",
        "\uFEFF", "\u2028", "\0", "\r", "\n", "//", "/*", "..", "/", "\"\":0,", "\"a\":1,\"a\":2,", "\"__metadata__\":{\"a\":\"b\"},",
            "\"rope_scaling\":null,", "\"type\": \"longrope\",");

    private static readonly byte[][] NotUtf8 = [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0x80], [0xF0, 0x9F]];

    /// <summary>Bits, bytes, lengths, blocks. Half of what is done hits the first hundred bytes, where headers are.</summary>
    public static void Binary(Randomness random, List<byte> bytes, byte[] other)
    {
        for (int n = 1 + random.Below(4); n > 0; n--)
        {
            int at = random.Below(random.OneIn(2) ? Math.Min(bytes.Count, 100) : bytes.Count);
            switch (random.Below(10))
            {
                case 0 when bytes.Count > 0:
                    bytes[at] ^= (byte)(1 << random.Below(8));
                    break;
                case 1 when bytes.Count > 0:
                    bytes[at] = (byte)random.Below(256);
                    break;
                case 2 when random.OneIn(3):
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 3:
                    Block(random, bytes, at);
                    break;
                case 4:
                    bytes.InsertRange(at, other.AsSpan(random.Below(other.Length + 1)));
                    break;
                case 5:
                    if (random.OneIn(3))
                        Splice(random, bytes, other);
                    break;
                default:
                    Length(random, CollectionsMarshal.AsSpan(bytes)[at..]);
                    break;
            }
        }

        Limit(bytes);
    }

    /// <summary>Tokens of JSON: numbers, braces, strings, members; and bytes that are no text.</summary>
    public static void Json(Randomness random, List<byte> bytes, byte[] other)
    {
        for (int n = 1 + random.Below(3); n > 0; n--)
        {
            int at = random.Below(bytes.Count);
            switch (random.Below(12))
            {
                case 0 when bytes.Count > 0:
                    bytes[at] = (byte)random.Below(random.OneIn(4) ? 256 : 128);
                    break;
                case 1:
                    bytes.RemoveRange(at, random.Below(Math.Min(30, bytes.Count - at)));
                    break;
                case 2:
                    Block(random, bytes, at);
                    break;
                case 3:
                    bytes.InsertRange(at, random.Of(Pieces));
                    break;
                case 4:
                    bytes.InsertRange(at, random.Of(NotUtf8));
                    break;
                case 5:
                    if (random.OneIn(3))
                        Splice(random, bytes, other);
                    break;
                case 6:
                    SwapMembers(random, bytes);
                    break;
                case 7:
                    RepeatOften(random, bytes, at);
                    break;
                default:
                    Number(random, bytes, at);
                    break;
            }
        }

        Limit(bytes);
    }

    /// <summary>One of some texts, changed with another of them.</summary>
    public static byte[] OfText(Randomness random, IReadOnlyList<byte[]> seeds, byte[][] pieces)
    {
        List<byte> text = [.. random.Of(seeds)];
        Text(random, text, random.Of(seeds), pieces);
        return [.. text];
    }

    /// <summary>Text: pieces of other texts, bytes that are no text, repetition.</summary>
    public static void Text(Randomness random, List<byte> bytes, byte[] other, byte[][] pieces)
    {
        for (int n = 1 + random.Below(4); n > 0; n--)
        {
            int at = random.Below(bytes.Count + 1);
            switch (random.Below(6))
            {
                case 0:
                    bytes.InsertRange(at, random.Of(pieces));
                    break;
                case 1:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(new Rune(random.Below(0xD800)).ToString()));
                    break;
                case 2:
                    bytes.InsertRange(at, random.OneIn(3) ? random.Of(NotUtf8) : random.Of(pieces));
                    break;
                case 3:
                    Splice(random, bytes, other);
                    break;
                case 4:
                    bytes.RemoveRange(at, random.Below(bytes.Count - at + 1));
                    break;
                default:
                    RepeatOften(random, bytes, at);
                    break;
            }
        }

        Limit(bytes);
    }

    /// <summary>A value in place of 2, 4 or 8 bytes: one of those where programs break, or a neighbour of what was there.</summary>
    private static void Length(Randomness random, Span<byte> at)
    {
        int size = random.Of([2, 4, 4, 8]);
        if (at.Length < size)
            return;
        ulong value = random.OneIn(4) ? BinaryPrimitives.ReadUInt16LittleEndian(at) + random.Next() % 17 - 8 : random.Of(Lengths);
        if (size == 2)
            BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)value);
        else if (size == 4)
            BinaryPrimitives.WriteUInt32LittleEndian(at, (uint)value);
        else
            BinaryPrimitives.WriteUInt64LittleEndian(at, value);
    }

    /// <summary>A block is removed, doubled, or moved elsewhere.</summary>
    private static void Block(Randomness random, List<byte> bytes, int at)
    {
        int length = Math.Min(1 + random.Below(random.OneIn(2) ? 16 : 400), bytes.Count - at);
        byte[] block = bytes.GetRange(at, length).ToArray();
        int kind = random.Below(3);
        if (kind != 1)
            bytes.RemoveRange(at, length);
        if (kind != 0)
            bytes.InsertRange(random.Below(bytes.Count + 1), block);
    }

    /// <summary>The beginning of one file and the end of another.</summary>
    private static void Splice(Randomness random, List<byte> bytes, byte[] other)
    {
        int at = random.Below(bytes.Count + 1);
        bytes.RemoveRange(at, bytes.Count - at);
        bytes.AddRange(other.AsSpan(random.Below(other.Length + 1)));
    }

    /// <summary>Another number in place of the next one: keeps the file JSON, so that the checks of values are reached.</summary>
    private static void Number(Randomness random, List<byte> bytes, int at)
    {
        while (at < bytes.Count && bytes[at] is < (byte)'0' or > (byte)'9')
            at++;
        int end = at;
        while (end < bytes.Count && (bytes[end] is >= (byte)'0' and <= (byte)'9' || bytes[end] is (byte)'.' or (byte)'e' or (byte)'-'))
            end++;
        if (at == end)
            return;
        bytes.RemoveRange(at, end - at);
        bytes.InsertRange(at, random.Of(Numbers));
    }

    /// <summary>Two stretches between commas change places.</summary>
    private static void SwapMembers(Randomness random, List<byte> bytes)
    {
        (int a, int aEnd) = Member(random, bytes, 0);
        (int b, int bEnd) = Member(random, bytes, aEnd);
        if (b <= aEnd)
            return;
        byte[] first = bytes.GetRange(a, aEnd - a).ToArray(), second = bytes.GetRange(b, bEnd - b).ToArray();
        bytes.RemoveRange(b, bEnd - b);
        bytes.InsertRange(b, first);
        bytes.RemoveRange(a, aEnd - a);
        bytes.InsertRange(a, second);
    }

    private static (int Start, int End) Member(Randomness random, List<byte> bytes, int from)
    {
        int start = bytes.IndexOf((byte)',', Math.Min(bytes.Count, from + random.Below((bytes.Count - from) / 2))) + 1;
        int end = bytes.IndexOf((byte)',', start);
        return start <= from || end < 0 ? (0, 0) : (start, end);
    }

    /// <summary>A short stretch many times: what costs more than its length shows.</summary>
    private static void RepeatOften(Randomness random, List<byte> bytes, int at)
    {
        if (!random.OneIn(4))
            return;
        byte[] block = bytes.GetRange(at, Math.Min(1 + random.Below(24), bytes.Count - at)).ToArray();
        for (int n = random.Below(200); n > 0; n--)
            bytes.InsertRange(at, block);
    }

    private static void Limit(List<byte> bytes)
    {
        if (bytes.Count > Longest)
            bytes.RemoveRange(Longest, bytes.Count - Longest);
    }

    private static byte[][] Bytes(params string[] texts) => [.. texts.Select(Encoding.UTF8.GetBytes)];
}
