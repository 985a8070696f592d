using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Checks;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>Steps of AdamW with clipped gradients, against the formulas written out in double.</summary>
public sealed unsafe class AdamWTests
{
    private const int Count = 37, Steps = 6;
    private const double Rate = 0.002, Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-8, Decay = 0.1, MaxNorm = 1;

    [Fact]
    public void Plain_loops_follow_the_formulas() => Follows<ScalarBackend>(default);

    [Fact]
    public void The_processor_follows_the_formulas()
    {
        using CpuBackend cpu = new(2);
        Follows(cpu);
    }

    [Fact]
    public void Gradients_are_clipped_as_by_the_reference()
    {
        Assert.Equal(1, AdamWStep.Clipping(0, 1));
        Assert.Equal(1, AdamWStep.Clipping(0.25, 1));
        Assert.Equal(0.5 / (2 + 1e-6), AdamWStep.Clipping(4, 0.5));
        Assert.Equal(0, AdamWStep.Clipping(double.PositiveInfinity, 1));
        Assert.True(double.IsNaN(AdamWStep.Clipping(double.NaN, 1)));
    }

    private static void Follows<TBackend>(TBackend backend)
        where TBackend : struct, ITrainingBackend
    {
        using var memory = new CheckMemory<TBackend>(backend, 3);
        Mirrored<float> w = memory.Floats(Count), m = memory.Floats(Count, 0), v = memory.Floats(Count, 0);
        double[] weights = [.. w.Values.ToArray().Select(x => (double)x)], means = new double[Count], squares = new double[Count];
        for (int step = 1; step <= Steps; step++)
        {
            // The last steps' gradients are small: they are not clipped.
            Mirrored<float> g = memory.Floats(Count, step > 4 ? 0.01f : 3);
            double squaredNorm = backend.SquaredNorm(g.OnDevice, Count), norm = Math.Sqrt(g.Values.ToArray().Sum(x => (double)x * x));
            Assert.Equal(norm, Math.Sqrt(squaredNorm), 1e-12);
            double clipped = Math.Min(1, MaxNorm / (norm + 1e-6));
            Assert.Equal(step > 4, clipped == 1);
            backend.AdamW(w.OnDevice, m.OnDevice, v.OnDevice, g.OnDevice, Count,
                new AdamWStep(step, Rate, Beta1, Beta2, Epsilon, Decay, AdamWStep.Clipping(squaredNorm, MaxNorm)));
            for (int i = 0; i < Count; i++)
            {
                double gradient = g.Values[i] * clipped;
                means[i] = Beta1 * means[i] + (1 - Beta1) * gradient;
                squares[i] = Beta2 * squares[i] + (1 - Beta2) * gradient * gradient;
                double mean = means[i] / (1 - Math.Pow(Beta1, step)), square = squares[i] / (1 - Math.Pow(Beta2, step));
                weights[i] = weights[i] * (1 - Rate * Decay) - Rate * mean / (Math.Sqrt(square) + Epsilon);
            }
        }

        // Six steps' roundings of float32.
        float[] actual = memory.Download(w);
        for (int i = 0; i < Count; i++)
            Assert.Equal(weights[i], actual[i], 1e-6);
    }
}
