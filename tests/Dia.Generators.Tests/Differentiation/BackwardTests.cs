using Dia.Configuration;
using Dia.Generators.Differentiation;
using Dia.Generators.Graph;
using Dia.Generators.Models;
using Xunit;

namespace Dia.Generators.Tests.Differentiation;

/// <summary>Backward functions of drawn configurations, interpreted in double, against finite differences of the functions themselves.</summary>
public sealed class BackwardTests
{
    // Step 1e-5: the differences' own error is the third derivative times 1e-10, and rounding of the loss (about 1e-15 times 100) over the step.
    private const double Step = 1e-5, Bound = 1e-6;

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(1, 16)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Gradients_equal_finite_differences(int seed)
    {
        var drawn = new DrawnConfiguration(seed);
        // Everything that can be kept, and nothing that need not be.
        foreach (long budget in new[] { 1L << 40, drawn.LeastBudget })
        {
            var graph = new DiaGraph(drawn.Config, budget);
            Interpreter pass = Run(graph, drawn, drawn.Parameters, backward: true);
            foreach (var (name, values) in drawn.Parameters)
            {
                double[] direction = drawn.Direction(values.Length);
                double expected = (Loss(graph, drawn, name, direction, Step) - Loss(graph, drawn, name, direction, -Step)) / (2 * Step);
                double actual = direction.Zip(pass.Gradients[name], (d, g) => d * g).Sum();
                double size = Math.Sqrt(direction.Sum(d => d * d) * pass.Gradients[name].Sum(g => g * g));
                Assert.True(Math.Abs(expected - actual) <= Bound * Math.Max(1, size), $"{drawn}, {name}: {actual}, by differences {expected}");
            }
        }
    }

    [Fact]
    public void Every_parameter_of_a_drawn_configuration_has_a_gradient()
    {
        var drawn = new DrawnConfiguration(1);
        Interpreter pass = Run(new DiaGraph(drawn.Config, 1L << 40), drawn, drawn.Parameters, backward: true);
        Assert.All(pass.Gradients, g => Assert.Contains(g.Value, v => v != 0));
    }

    [Fact]
    public void A_budget_that_cannot_be_kept_is_refused() =>
        Assert.Contains("budget", Assert.Throws<InvalidOperationException>(() => new DiaGraph(new DrawnConfiguration(1).Config, 8)).Message,
            StringComparison.Ordinal);

    private static double Loss(DiaGraph graph, DrawnConfiguration drawn, string name, double[] direction, double step) =>
        Run(graph, drawn, new Dictionary<string, double[]>(drawn.Parameters)
        {
            [name] = [.. drawn.Parameters[name].Zip(direction, (p, d) => p + step * d)],
        }, backward: false).Loss;

    private static Interpreter Run(DiaGraph graph, DrawnConfiguration drawn, IReadOnlyDictionary<string, double[]> parameters, bool backward)
    {
        var interpreter = new Interpreter(drawn.Config, drawn.Batch, parameters);
        interpreter.Run(graph.Text.Where(f => !Backward.Is(f.Function)), isText: true);
        interpreter.Run(graph.Audio.Where(f => !Backward.Is(f.Function)), isText: false);
        if (!backward)
            return interpreter;
        interpreter.Run(graph.Audio.Where(f => Backward.Is(f.Function)), isText: false);
        interpreter.Run(graph.Text.Where(f => Backward.Is(f.Function)), isText: true);
        return interpreter;
    }
}
