using System.Buffers.Binary;
using System.Numerics;

namespace Dia.Audio.Formats;

/// <summary>Reads bits, the highest of each byte first. Past the end there are zeros, and <see cref="IsPastEnd"/> says so.</summary>
internal ref struct BitReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private long _at;

    /// <summary>Whether more bits were read than there are.</summary>
    public readonly bool IsPastEnd => _at > 8L * _bytes.Length;

    /// <summary>Bytes that were begun.</summary>
    public readonly int BytesRead => (int)((_at + 7) / 8);

    /// <summary>The next bits, at most 32.</summary>
    public uint Read(int count)
    {
        if (count == 0)
            return 0;
        uint value = (uint)(Window() >> (64 - count));
        _at += count;
        return value;
    }

    /// <summary>The next bits as a number with a sign, at most 33.</summary>
    public long ReadSigned(int count)
    {
        if (count == 0)
            return 0;
        long value = (long)Window() >> (64 - count);
        _at += count;
        return value;
    }

    /// <summary>Zeros up to the next one, which is read too.</summary>
    public uint ReadUnary()
    {
        uint zeros = 0;
        while (!IsPastEnd)
        {
            int here = Math.Min(BitOperations.LeadingZeroCount(Window()), 56);
            zeros += (uint)here;
            _at += here;
            if (here < 56)
            {
                _at++;
                break;
            }
        }

        return zeros;
    }

    /// <summary>Passes over the rest of a byte.</summary>
    public void Align() => _at = (_at + 7) / 8 * 8;

    /// <summary>The next 57 bits at least, at the top.</summary>
    private readonly ulong Window()
    {
        int at = (int)Math.Min(_at >> 3, _bytes.Length);
        ReadOnlySpan<byte> rest = _bytes[at..];
        if (rest.Length >= sizeof(ulong))
            return BinaryPrimitives.ReadUInt64BigEndian(rest) << (int)(_at & 7);
        ulong value = 0;
        for (int i = 0; i < rest.Length; i++)
            value |= (ulong)rest[i] << (56 - 8 * i);
        return value << (int)(_at & 7);
    }
}
