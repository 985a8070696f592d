using Dia.Generation;

namespace Dia.Modeling;

/// <summary>
/// The network as generation sees it: the items that run together, each at its place. An item owns its caches, so what it gets does
/// not depend on the other items or on when they come and end.
/// </summary>
public interface IDecoderSession : IDisposable
{
    /// <summary>Runs the prompt rows of one item and gives the raw logits of the last row.</summary>
    /// <param name="item">The item's place.</param>
    /// <param name="rows">Ids [rowCount, channels]: valid rows only, left padding already removed.</param>
    /// <param name="rowCount">Number of rows, at least 1.</param>
    /// <param name="conditional">Receives the logits [channels, vocabulary] of the row that has the text.</param>
    /// <param name="unconditional">Receives those of the row without the text, same shape; empty where guidance is off.</param>
    void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> conditional, Span<float> unconditional);

    /// <summary>Runs one further row for each of the listed items.</summary>
    /// <param name="items">Places of the items that are not finished, ascending.</param>
    /// <param name="rows">Ids [items.Length, channels].</param>
    /// <param name="conditional">Receives the logits [items.Length, channels, vocabulary].</param>
    /// <param name="unconditional">Those without the text of the items with guidance, in the same order [guided items, channels, vocabulary].</param>
    void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> conditional, Span<float> unconditional);

    /// <summary>Steps that pick their ids where the logits are, for a device that can; null: logits are for the host.</summary>
    /// <param name="places">Most items at a time.</param>
    internal IGenerationSteps? CreateSteps(int places) => null;
}
