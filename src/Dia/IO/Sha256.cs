using System.Buffers.Binary;
using System.Numerics;

namespace Dia.IO;

/// <summary>
/// SHA-256 (FIPS 180-4), for names of configurations and of recordings that `sha256sum` can check. Written here since .NET's own loads OpenSSL at run time,
/// which not every system has; System.IO.Hashing has no SHA, and BouncyCastle is a library of megabytes for these lines.
/// </summary>
public static class Sha256
{
    private const int BlockSize = 64;

    // The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    private static ReadOnlySpan<uint> RoundConstants =>
    [
        0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
        0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
        0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
        0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
        0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
        0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
        0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
        0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
    ];

    private static ReadOnlySpan<uint> Initial => [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19];

    /// <summary>The hash of <paramref name="data"/>: 32 bytes.</summary>
    public static byte[] Hash(ReadOnlySpan<byte> data)
    {
        Span<uint> state = [.. Initial];
        return Finish(state, data[CompressAll(state, data)..], data.Length);
    }

    /// <summary>The hash of a stream, to its end: 32 bytes.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static byte[] Hash(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Span<uint> state = [.. Initial];
        byte[] buffer = new byte[1 << 16];
        for (long length = 0; ;)
        {
            int count = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false), done = CompressAll(state, buffer.AsSpan(0, count));
            length += count;
            if (count < buffer.Length)
                return Finish(state, buffer.AsSpan(done, count - done), length);
        }
    }

    /// <summary>Takes all whole blocks.</summary>
    /// <returns>Their bytes.</returns>
    private static int CompressAll(Span<uint> state, ReadOnlySpan<byte> data)
    {
        int whole = data.Length / BlockSize * BlockSize;
        for (int at = 0; at < whole; at += BlockSize)
            Compress(state, data.Slice(at, BlockSize));
        return whole;
    }

    /// <summary>Takes what is left, a one bit, zeros, and the length in bits at the end of a block.</summary>
    private static byte[] Finish(Span<uint> state, ReadOnlySpan<byte> rest, long length)
    {
        Span<byte> last = stackalloc byte[2 * BlockSize];
        last.Clear();
        rest.CopyTo(last);
        last[rest.Length] = 0x80;
        last = last[..(rest.Length + 1 + sizeof(ulong) <= BlockSize ? BlockSize : 2 * BlockSize)];
        BinaryPrimitives.WriteUInt64BigEndian(last[^sizeof(ulong)..], (ulong)length * 8);
        for (int at = 0; at < last.Length; at += BlockSize)
            Compress(state, last.Slice(at, BlockSize));

        byte[] hash = new byte[32];
        for (int i = 0; i < state.Length; i++)
            BinaryPrimitives.WriteUInt32BigEndian(hash.AsSpan(i * sizeof(uint)), state[i]);
        return hash;
    }

    private static void Compress(Span<uint> state, ReadOnlySpan<byte> block)
    {
        Span<uint> w = stackalloc uint[64];
        for (int t = 0; t < 16; t++)
            w[t] = BinaryPrimitives.ReadUInt32BigEndian(block[(t * sizeof(uint))..]);
        for (int t = 16; t < 64; t++)
        {
            uint before = w[t - 15], late = w[t - 2];
            uint sigma0 = BitOperations.RotateRight(before, 7) ^ BitOperations.RotateRight(before, 18) ^ (before >> 3);
            uint sigma1 = BitOperations.RotateRight(late, 17) ^ BitOperations.RotateRight(late, 19) ^ (late >> 10);
            w[t] = w[t - 16] + sigma0 + w[t - 7] + sigma1;
        }

        uint a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; t++)
        {
            uint sum1 = BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25);
            uint sum0 = BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22);
            uint first = h + sum1 + ((e & f) ^ (~e & g)) + RoundConstants[t] + w[t];
            uint second = sum0 + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + first, c, b, a, first + second);
        }

        ReadOnlySpan<uint> mixed = [a, b, c, d, e, f, g, h];
        for (int i = 0; i < mixed.Length; i++)
            state[i] += mixed[i];
    }
}
