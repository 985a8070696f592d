
namespace Dia.Modeling;

/// <summary>
/// The network as generation sees it: the items that run together, each in its slot. An item owns its caches, so what it gets does
/// not depend on the other items or on when they come and end.
/// </summary>
public interface IDecoderSession : IDisposable
{
    /// <summary>Runs the prompt rows of one item and gives the raw logits of the last row.</summary>
    /// <param name="item">The item's slot.</param>
    /// <param name="rows">Ids [rowCount, channels]: valid rows only, left padding already removed.</param>
    /// <param name="rowCount">Number of rows, at least 1.</param>
    /// <param name="logits">Receives the logits [channels, vocabulary] of the row that has the text, and with guidance behind them those without it.</param>
    void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> logits);

    /// <summary>Runs one further row for each of the listed items.</summary>
    /// <param name="items">Slots of the items that are not finished, ascending.</param>
    /// <param name="rows">Ids [items.Length, channels].</param>
    /// <param name="logits">Receives the logits [items.Length, channels, vocabulary], and behind them those without the text of the items with guidance, in the
    /// same order.</param>
    void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> logits);
}
