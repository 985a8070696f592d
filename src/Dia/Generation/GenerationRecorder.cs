using Dia.Configuration;

namespace Dia.Generation;

/// <summary>Keeps the scores and logits of each step, as the reference lists them, and hands them on.</summary>
/// <param name="batch">Number of items.</param>
/// <param name="config">What is asked for.</param>
/// <param name="next">Who sees them too, or null.</param>
internal sealed class GenerationRecorder(int batch, GenerationConfig config, IScoreObserver? next) : IScoreObserver
{
    /// <summary>Scores after all processors, each step's [B·C, V]; null: they are not asked for.</summary>
    public List<float[]>? Scores { get; } = config.OutputScores ? [] : null;

    /// <summary>The model's logits, each step's [B·C, V], with guidance [2B·C, V]; null: they are not asked for.</summary>
    public List<float[]>? Logits { get; } = config.OutputLogits ? [] : null;

    /// <summary>Whether it keeps any.</summary>
    public bool Records => config.OutputScores || config.OutputLogits;

    /// <summary>Whether anybody sees them.</summary>
    public bool IsNeeded => Records || next is not null;

    /// <inheritdoc/>
    public void Scored(int item, int step, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, ReadOnlySpan<float> scores)
    {
        Keep(Scores, batch, item, step, scores);
        Keep(Logits, unconditional.IsEmpty ? batch : 2 * batch, item, step, conditional);
        if (!unconditional.IsEmpty)
            Keep(Logits, 2 * batch, batch + item, step, unconditional);
        next?.Scored(item, step, conditional, unconditional, scores);
    }

    private static void Keep(List<float[]>? steps, int rows, int row, int step, ReadOnlySpan<float> values)
    {
        if (steps is null)
            return;
        if (steps.Count == step)
            steps.Add(new float[checked(rows * values.Length)]);
        values.CopyTo(steps[step].AsSpan(row * values.Length));
    }
}
