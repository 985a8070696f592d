namespace Dia.Generation;

/// <summary>Changes the scores that a channel's next id is picked from. The spans are valid during the call only.</summary>
public interface ILogitsProcessor
{
    /// <summary>Changes them in place; negative infinity is "not a candidate".</summary>
    /// <param name="item">The item's index in the batch.</param>
    /// <param name="channel">The channel.</param>
    /// <param name="inputIds">The channel's ids so far, prompt and left padding included, as the result has them.</param>
    /// <param name="scores">The scores [vocabulary].</param>
    void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores);
}
