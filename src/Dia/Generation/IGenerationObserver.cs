namespace Dia.Generation;

/// <summary>
/// Sees the rows of a generation while it runs, as the reference's streamer does. The spans are valid during the call only, which comes between two turns
/// on the device: it may use that, and dispose of anything.
/// </summary>
public interface IGenerationObserver
{
    /// <summary>An item's prompt ran.</summary>
    /// <param name="item">The item's index in the batch.</param>
    /// <param name="rows">Its rows [rows, channels], left padding included, still delayed.</param>
    void Started(int item, ReadOnlySpan<int> rows)
    {
    }

    /// <summary>A row is final: nothing changes it any more, so a streaming consumer may use it at once.</summary>
    /// <param name="item">The item's index in the batch.</param>
    /// <param name="row">The row's index in the item's sequence, prompt (and its left padding) included.</param>
    /// <param name="ids">The row [channels], still delayed.</param>
    void RowAdded(int item, int row, ReadOnlySpan<int> ids)
    {
    }

    /// <summary>All items ended. It is not called where generation failed.</summary>
    void Ended()
    {
    }
}

/// <summary>An observer that sees scores too. With one, ids are picked on the host: a device's own sampler keeps its scores.</summary>
public interface IScoreObserver : IGenerationObserver
{
    /// <summary>The scores a row is picked from.</summary>
    /// <param name="item">The item's index in the batch.</param>
    /// <param name="step">The row counted from the first generated one.</param>
    /// <param name="conditional">The model's logits [channels, vocabulary].</param>
    /// <param name="unconditional">Those without the text, same shape; empty where guidance is off.</param>
    /// <param name="scores">The scores after all processors, same shape; negative infinity is "not a candidate".</param>
    void Scored(int item, int step, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, ReadOnlySpan<float> scores);
}
