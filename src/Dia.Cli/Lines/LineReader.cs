namespace Dia.Cli.Lines;

/// <summary>A line of the input.</summary>
/// <param name="Number">Its number, from 1; empty lines count.</param>
/// <param name="Bytes">What it holds, without its end (\n or \r\n, or \r alone where that is one); of a line that is too long nothing.</param>
/// <param name="TooLong">Whether it has more than <see cref="LineReader.MaxBytes"/> bytes.</param>
internal readonly record struct InputLine(long Number, byte[] Bytes, bool TooLong = false);

/// <summary>Cuts a stream into lines, as they come. A line of any length takes a bounded amount of memory.</summary>
/// <param name="stream">Where to read.</param>
/// <param name="returns">Whether \r alone ends a line too, as in texts of old systems.</param>
/// <param name="start">Looks at the first bytes before they are cut; null: nobody does.</param>
internal sealed class LineReader(Stream stream, bool returns = false, Action<ReadOnlySpan<byte>>? start = null)
{
    /// <summary>Most bytes of a line: thousands of times what a model can say, and little enough to hold a few of them.</summary>
    public const int MaxBytes = 1 << 20;

    private readonly byte[] _buffer = new byte[1 << 16];
    private readonly MemoryStream _line = new();
    private readonly byte[] _ends = returns ? "\n\r"u8.ToArray() : "\n"u8.ToArray();
    private bool _afterReturn;
    private int _start;
    private int _end;
    private long _number;

    /// <summary>The next line; null after the last. The last one needs no newline.</summary>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public InputLine? Next()
    {
        _line.SetLength(0);
        bool any = false, tooLong = false;
        while (true)
        {
            if (_start == _end)
            {
                (_start, _end) = (0, stream.Read(_buffer));
                if (_end > 0)
                    Interlocked.Exchange(ref start, null)?.Invoke(_buffer.AsSpan(0, _end));
                if (_end == 0)
                    return any ? Finish(tooLong) : null;
            }

            // The line ended at the \r already: its \n may be long in coming.
            if (_afterReturn && _buffer[_start] == '\n')
                _start++;
            bool skipped = _afterReturn && _start == _end;
            _afterReturn = false;
            if (skipped)
                continue;
            any = true;
            ReadOnlySpan<byte> rest = _buffer.AsSpan(_start, _end - _start);
            int newline = rest.IndexOfAny(_ends), count = newline < 0 ? rest.Length : newline;
            // One byte more is kept, since a \r at the end does not count.
            tooLong |= _line.Length + count > MaxBytes + 1;
            if (!tooLong)
                _line.Write(rest[..count]);
            _start += newline < 0 ? count : count + 1;
            _afterReturn = returns && newline >= 0 && rest[newline] == '\r';
            if (newline >= 0)
                return Finish(tooLong);
        }
    }

    private InputLine Finish(bool tooLong)
    {
        _number++;
        int length = (int)_line.Length;
        if (length > 0 && _line.GetBuffer()[length - 1] == '\r')
            length--;
        return tooLong || length > MaxBytes
            ? new InputLine(_number, [], TooLong: true)
            : new InputLine(_number, _line.GetBuffer().AsSpan(0, length).ToArray());
    }
}
