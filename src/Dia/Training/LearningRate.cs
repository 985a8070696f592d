namespace Dia.Training;

/// <summary>What becomes of the learning rate once it has risen.</summary>
public enum LearningRateSchedule
{
    /// <summary>It stays.</summary>
    Constant,

    /// <summary>It falls to 0 along half a cosine.</summary>
    Cosine,
}

/// <summary>
/// The learning rate of each step: it rises from 0 in even steps, then stays or falls, as the reference's constant_with_warmup and cosine schedules.
/// </summary>
public sealed class LearningRate
{
    private readonly double _highest;
    private readonly int _warmupSteps, _steps;
    private readonly LearningRateSchedule _schedule;

    /// <summary>A schedule.</summary>
    /// <param name="highest">The rate after the warm-up; at least 0.</param>
    /// <param name="warmupSteps">Steps in which it rises, the first of which has the rate 0; 0: it begins at its highest.</param>
    /// <param name="steps">All steps; at least as many as those.</param>
    /// <param name="schedule">What comes after the warm-up.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public LearningRate(double highest, int warmupSteps, int steps, LearningRateSchedule schedule)
    {
        if (!double.IsFinite(highest) || highest < 0)
            throw new ArgumentOutOfRangeException(nameof(highest), highest, "A learning rate is a number from 0 on.");
        ArgumentOutOfRangeException.ThrowIfNegative(warmupSteps);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, warmupSteps);
        if (!Enum.IsDefined(schedule))
            throw new ArgumentOutOfRangeException(nameof(schedule), schedule, "There is no such schedule.");
        (_highest, _warmupSteps, _steps, _schedule) = (highest, warmupSteps, steps, schedule);
    }

    /// <summary>The rate of a step, counted from 0; 0 after the last of a cosine.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A step before the first.</exception>
    public double At(int step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        if (step < _warmupSteps)
            return _highest * step / _warmupSteps;
        if (_schedule == LearningRateSchedule.Constant)
            return _highest;
        double done = Math.Min(1, (step - _warmupSteps) / Math.Max(1.0, _steps - _warmupSteps));
        return _highest * (1 + Math.Cos(Math.PI * done)) / 2;
    }
}
