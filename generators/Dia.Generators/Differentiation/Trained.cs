using Dia.Generators.Fusion;
using Dia.Generators.Graph;
using Dia.Generators.Planning;

namespace Dia.Generators.Differentiation;

/// <summary>Functions and their backward functions, ready to be planned as one: what the one keeps, the other reads.</summary>
internal static class Trained
{
    /// <summary>Differentiates, fuses, decides what is computed again, and copies what is needed twice.</summary>
    /// <param name="g">The functions.</param>
    /// <param name="results">Values that are read after all of them.</param>
    /// <param name="budget">Values of a row that may be kept.</param>
    public static IReadOnlyList<FunctionGraph> Of(GraphBuilder g, Value[] results, long budget)
    {
        Backward.Differentiate(g);
        IReadOnlyList<FunctionGraph> functions = Copies.Insert(Recomputation.Apply(Rewrites.Apply(g.Functions, training: true), results, budget), results);
        int number = 0;
        foreach (Value value in functions.SelectMany(f => f.Operations).SelectMany(o => o.Outputs))
            value.Number = number++;
        return functions;
    }
}
