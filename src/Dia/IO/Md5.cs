using System.Buffers.Binary;

namespace Dia.IO;

/// <summary>
/// MD5 (RFC 1321) of bytes as they come: what FLAC checks its samples with. Written here for the reason that <see cref="Sha256"/> is.
/// </summary>
internal sealed class Md5
{
    private const int BlockSize = 64;

    private readonly byte[] _block = new byte[BlockSize];
    private readonly uint[] _state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476];
    private long _length;

    private static ReadOnlySpan<byte> Shifts => [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];

    // floor(2^32 · |sin(i + 1)|)
    private static readonly uint[] Sines = [.. Enumerable.Range(1, 64).Select(i => (uint)(4294967296.0 * Math.Abs(Math.Sin(i))))];

    /// <summary>The next bytes.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int at = (int)(_length % BlockSize), count = Math.Min(bytes.Length, BlockSize - at);
            bytes[..count].CopyTo(_block.AsSpan(at));
            _length += count;
            bytes = bytes[count..];
            if (at + count == BlockSize)
                Compress();
        }
    }

    /// <summary>The hash of all of them, 16 bytes; nothing can be added then.</summary>
    public byte[] Finish()
    {
        long bits = 8 * _length;
        Add([0x80]);
        while (_length % BlockSize != BlockSize - sizeof(long))
            Add([0]);
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, bits);
        Add(length);
        byte[] hash = new byte[16];
        for (int i = 0; i < _state.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(hash.AsSpan(i * sizeof(uint)), _state[i]);
        return hash;
    }

    private void Compress()
    {
        (uint a, uint b, uint c, uint d) = (_state[0], _state[1], _state[2], _state[3]);
        for (int i = 0; i < 64; i++)
        {
            (uint mixed, int word) = (i / 16) switch
            {
                0 => ((b & c) | (~b & d), i),
                1 => ((d & b) | (~d & c), 5 * i + 1),
                2 => (b ^ c ^ d, 3 * i + 5),
                _ => (c ^ (b | ~d), 7 * i),
            };
            mixed += a + Sines[i] + BinaryPrimitives.ReadUInt32LittleEndian(_block.AsSpan(word % 16 * sizeof(uint)));
            (a, d, c, b) = (d, c, b, b + BitOperations.RotateLeft(mixed, Shifts[i / 16 * 4 + i % 4]));
        }

        _state[0] += a;
        _state[1] += b;
        _state[2] += c;
        _state[3] += d;
    }
}
