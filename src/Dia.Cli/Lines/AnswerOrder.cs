namespace Dia.Cli.Lines;

/// <summary>
/// Puts answers into the order of their lines. What waits for its turn is bounded: a line is taken only while few are unanswered, so a
/// slow first line holds up the lines behind it, and not their answers in memory.
/// </summary>
/// <param name="ordered">Input order; false: as they come.</param>
/// <param name="window">Lines that may be taken and not answered, at least 1.</param>
internal sealed class AnswerOrder(bool ordered, int window)
{
    private readonly Dictionary<long, Action> _waiting = [];
    private long _taken;
    private long _answered;

    /// <summary>Whether another line may be taken.</summary>
    public bool HasRoom => _taken - _answered < window;

    /// <summary>Whether a place is the next to be answered, in input order.</summary>
    public bool IsNext(long place) => ordered && place == _answered;

    /// <summary>Takes a line: its place in the order.</summary>
    public long Take() => _taken++;

    /// <summary>Gives the answer of a place; those whose turn it is are made.</summary>
    /// <param name="place">From <see cref="Take"/>.</param>
    /// <param name="answer">Makes the answer.</param>
    public void Give(long place, Action answer)
    {
        _waiting.Add(ordered ? place : _answered, answer); // Without an order every answer is the next.
        while (_waiting.Remove(_answered, out Action? next))
        {
            _answered++;
            next();
        }
    }
}
