namespace Dia.Backends.Cpu;

/// <summary>
/// The rows of a cache that come later, or of each row those heads that are needed: a walk that asks for them in the order in which they lie in memory.
/// Tiles read some keys of one head and then of the next; asked for in that order, 3000 keys of four heads took 1.3 to 1.5 times as long (AMD's Zen 4, two
/// threads). All at once before a tile was as slow: a walk goes on a little in each step of a tile's loop. It passes at most one end of a run in a step: heads
/// of fewer bytes than a step asks for are missed in part, where a row's heads are divided among threads.
/// </summary>
/// <param name="first">The first row.</param>
/// <param name="farther">Bytes, whole rows, from what comes next to what comes much later.</param>
/// <param name="run">Bytes of a row that are needed.</param>
/// <param name="row">Bytes from a row to the next.</param>
internal unsafe struct AskedRows(byte* first, nint farther, nint run, nint row)
{
    /// <summary>The most bytes of a step.</summary>
    public const int Most = 4 * Line;

    private const int Line = 64;

    private readonly nint _farther = farther, _run = run, _gap = row - run;
    private byte* _next = first;
    private nint _left = run;

    /// <summary>
    /// Asks for the next bytes, into all caches, and for what is farther, into all but the first. Their number is a constant where this is called, so that
    /// nothing is left of the conditions; the compiler would keep a loop.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Next(int bytes)
    {
        Ask(_next);
        if (bytes > Line)
            Ask(_next + Line);
        if (bytes > 2 * Line)
            Ask(_next + 2 * Line);
        if (bytes > 3 * Line)
            Ask(_next + 3 * Line);
        _next += bytes;
        _left -= bytes;
        if (_left <= 0)
        {
            _next += _gap;
            _left += _run;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Ask(byte* line)
    {
        VectorMath.Prefetch(line);
        VectorMath.PrefetchSecond(line + _farther);
    }
}
