namespace Dia.Generation;

/// <summary>Sees what generation does while it runs. The spans are valid during the call only.</summary>
public interface IGenerationObserver
{
    /// <summary>The scores a row is picked from.</summary>
    /// <param name="item">The item's index in the batch.</param>
    /// <param name="step">The row counted from the first generated one.</param>
    /// <param name="conditional">The model's logits [channels, vocabulary].</param>
    /// <param name="unconditional">Those without the text, same shape; empty where guidance is off.</param>
    /// <param name="scores">The scores after all processors, same shape; negative infinity is "not a candidate".</param>
    void Scored(int item, int step, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, ReadOnlySpan<float> scores)
    {
    }

    /// <summary>A row is final: nothing changes it any more, so a streaming consumer may use it at once.</summary>
    /// <param name="item">The item's index in the batch.</param>
    /// <param name="row">The row's index in the item's sequence, prompt (and its left padding) included.</param>
    /// <param name="ids">The row [channels], still delayed.</param>
    void RowAdded(int item, int row, ReadOnlySpan<int> ids)
    {
    }
}
