namespace Dia.Audio.Formats;

/// <summary>Writes bits, the highest of each byte first.</summary>
internal sealed class BitWriter
{
    private readonly List<byte> _bytes = [];
    private ulong _window;
    private int _open;

    /// <summary>The whole bytes.</summary>
    public ReadOnlySpan<byte> Bytes => CollectionsMarshal.AsSpan(_bytes);

    /// <summary>The lowest bits of a number, at most 32.</summary>
    public void Write(long value, int count)
    {
        if (count == 0)
            return;
        _window = _window << count | ((ulong)value & ulong.MaxValue >> (64 - count));
        _open += count;
        for (; _open >= 8; _open -= 8)
            _bytes.Add((byte)(_window >> (_open - 8)));
    }

    /// <summary>Zeros, then a one.</summary>
    public void WriteUnary(uint zeros)
    {
        for (; zeros > 31; zeros -= 31)
            Write(0, 31);
        Write(1, (int)zeros + 1);
    }

    /// <summary>Zeros up to a whole byte.</summary>
    public void Align() => Write(0, (8 - _open) % 8);

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _bytes.Clear();
        _open = 0;
    }
}
