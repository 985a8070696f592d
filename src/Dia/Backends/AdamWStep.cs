namespace Dia.Backends;

/// <summary>The numbers of a step of <see cref="ITrainingBackend.AdamW"/>.</summary>
/// <param name="Number">Which step it is, counted from 1: the moments' bias is corrected by it.</param>
/// <param name="LearningRate">The rate.</param>
/// <param name="Beta1">How much of the gradients' running mean stays.</param>
/// <param name="Beta2">How much of the running mean of their squares stays.</param>
/// <param name="Epsilon">What is added to the root of that mean.</param>
/// <param name="WeightDecay">The part of a weight that goes, times the rate.</param>
/// <param name="GradientScale">What gradients are multiplied by first: 1, or <see cref="Clipping"/>.</param>
public readonly record struct AdamWStep(long Number, double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay, double GradientScale)
{
    /// <summary>The factor that brings a norm over all gradients down to a maximum, as PyTorch's clip_grad_norm_ has it; at most 1.</summary>
    /// <param name="squaredNorm">The sum of the squares of all gradients.</param>
    /// <param name="maxNorm">The greatest norm.</param>
    public static double Clipping(double squaredNorm, double maxNorm)
    {
        double factor = maxNorm / (Math.Sqrt(squaredNorm) + 1e-6);

        // A norm that is NaN makes every gradient NaN, as there.
        return factor > 1 ? 1 : factor;
    }
}
