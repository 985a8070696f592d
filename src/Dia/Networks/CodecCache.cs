using Dia.Graph;

namespace Dia.Networks;

/// <summary>
/// What a window of a sound leaves for the next one: of every operand the last rows, which convolutions read again. So each row is made once, however short
/// the windows are. For one sound, of the same codes, in the processor's memory. A window that begins elsewhere than the last one ended makes all its rows.
/// </summary>
public sealed class CodecCache
{
    private const long Nowhere = -1;

    private readonly float[]?[] _rows;
    private readonly long[] _ends;
    private bool _continues;
    private long _next = Nowhere;

    /// <summary>Before a first window.</summary>
    /// <param name="layout">The codec's rows.</param>
    /// <param name="encoding">Whether the sound is encoded, not decoded.</param>
    internal CodecCache(CodecLayout layout, bool encoding)
    {
        (Layout, IsEncoding, _ends) = (layout, encoding, new long[layout.ValueCount(encoding)]);
        _rows = new float[]?[2 * _ends.Length];
    }

    /// <summary>The codec's rows.</summary>
    internal CodecLayout Layout { get; }

    /// <summary>Whether the sound is encoded.</summary>
    internal bool IsEncoding { get; }

    /// <summary>One past the last row of each value that has been made; nothing for a window that does not continue the last.</summary>
    internal ReadOnlySpan<long> Ends => _continues ? _ends : [];

    /// <summary>Says that a window begins. Until it is complete there is nothing to continue.</summary>
    internal void Begin(RowRange window) => (_continues, _next) = (window.Start == _next, Nowhere);

    /// <summary>Says that it is complete.</summary>
    internal void Complete(RowRange window, ReadOnlySpan<CodecValue> values)
    {
        for (int v = 0; v < _ends.Length; v++)
            _ends[v] = values[v].Range.End;
        _next = window.End;
    }

    /// <summary>Gives an operand's last rows of the window before, and keeps those that the next window reads again.</summary>
    /// <param name="operand">Twice the number of the result; of what that is added to, one more.</param>
    /// <param name="earlier">Receives the former.</param>
    /// <param name="last">The latter, some of the former among them where the window is short.</param>
    internal void Exchange(int operand, Span<float> earlier, ReadOnlySpan<float> last)
    {
        ref float[]? rows = ref _rows[operand];
        if (_continues)
            rows.AsSpan(0, earlier.Length).CopyTo(earlier);
        if (rows is null || rows.Length < last.Length)
            rows = new float[last.Length];
        last.CopyTo(rows);
    }
}
