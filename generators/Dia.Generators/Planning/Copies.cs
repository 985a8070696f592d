using Dia.Generators.Graph;

namespace Dia.Generators.Planning;

/// <summary>Where an operation must work in the memory of an operand that is read again later, it works in that of a copy.</summary>
internal static class Copies
{
    /// <summary>Functions that run one after the other, with the copies written.</summary>
    /// <param name="functions">In order.</param>
    /// <param name="results">Values that are read after all of them.</param>
    public static IReadOnlyList<FunctionGraph> Insert(IReadOnlyList<FunctionGraph> functions, Value[] results)
    {
        Dictionary<Value, int> last = Plan.LastReads(functions, results);
        int at = 0;
        return [.. functions.Select(f =>
            f with { Stages = [.. f.Stages.Select(s => s with { Operations = [.. s.Operations.SelectMany(o => Insert(o, last, at++))] })] })];
    }

    private static IEnumerable<Operation> Insert(Operation operation, Dictionary<Value, int> last, int at)
    {
        if (!operation.MustBeInPlace || operation.InPlace is not { Home: Home.Arena } input || last[input] <= at)
            return [operation];
        var copy = new Copy(input) { Remark = operation.Remark };
        return [copy, operation with { Inputs = [.. operation.Inputs.Select(v => v == input ? copy.Y : v)], Remark = null }];
    }
}
