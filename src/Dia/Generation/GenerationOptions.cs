namespace Dia.Generation;

/// <summary>Says after each row whether an item ends with it: then it keeps its rows, and has PAD where the others of its batch go on.</summary>
/// <param name="item">The item's index in the batch.</param>
/// <param name="rows">Its rows so far [rows, channels], prompt and left padding included, still delayed; valid during the call only.</param>
public delegate bool StoppingCriterion(int item, ReadOnlySpan<int> rows);

/// <summary>What a call of the reference's <c>generate</c> is given beside a configuration.</summary>
public sealed record GenerationOptions
{
    /// <summary>Sees the rows as they come; an <see cref="IScoreObserver"/> the scores too.</summary>
    public IGenerationObserver? Observer { get; init; }

    /// <summary>Any of them ends an item.</summary>
    public IReadOnlyList<StoppingCriterion> StoppingCriteria { get; init; } = [];

    /// <summary>They work on the scores after the configuration's controls, before the temperature and all that follows, in this order.</summary>
    public IReadOnlyList<ILogitsProcessor> LogitsProcessors { get; init; } = [];

    /// <summary>Whether every item draws as if it ran alone.</summary>
    public bool DrawAlone { get; init; }
}
