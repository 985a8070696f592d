namespace Dia.Training;

/// <summary>How a model is trained.</summary>
public sealed record TrainingOptions
{
    /// <summary>Steps of the optimizer in all; at least 1.</summary>
    public required int Steps { get; init; }

    /// <summary>Examples of a pass; at least 1.</summary>
    public int Batch { get; init; } = 4;

    /// <summary>Passes of a step; at least 1. Their labels count alike, as if they were one batch.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>The learning rate after the warm-up; from 0.</summary>
    public double LearningRate { get; init; } = 1e-4;

    /// <summary>What becomes of it then.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Cosine;

    /// <summary>Steps in which it rises, the first of which has the rate 0; at most <see cref="Steps"/>.</summary>
    public int Warmup { get; init; }

    /// <summary>The norm that gradients are scaled down to; null: they are not.</summary>
    public double? Clip { get; init; } = 1;

    /// <summary>The part of each weight that goes in a step, times the learning rate; from 0.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>The share of texts that are zeroed, from 0 to 1: the model learns to speak without a text too, which guidance needs.</summary>
    public double Unconditional { get; init; } = 0.1;

    /// <summary>Decides about the order of the examples and which texts are zeroed.</summary>
    public ulong Seed { get; init; }

    /// <summary>The names and values of what the weights depend on beside the number of steps.</summary>
    internal IEnumerable<(string Name, string Value)> Values => new (string, object?)[]
    {
        ("batch", Batch), ("accumulate", Accumulate), ("lr", LearningRate), ("schedule", Schedule), ("warmup", Warmup), ("clip", Clip),
        ("weight-decay", WeightDecay), ("unconditional", Unconditional), ("seed", Seed),
    }.Select(v => (v.Item1, Convert.ToString(v.Item2, CultureInfo.InvariantCulture) ?? ""));

    /// <summary>Refuses numbers that are out of their range; the others are for what they are given to.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is.</exception>
    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Steps, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Accumulate, 1);
        if (!(Unconditional is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(Unconditional), Unconditional, "It must be from 0 to 1.");
        if (Clip is not (null or > 0))
            throw new ArgumentOutOfRangeException(nameof(Clip), Clip, "It must be above 0.");
    }
}
