using Dia.Generators.Graph;

namespace Dia.Generators.Fusion;

/// <summary>What two neighbouring operations are together, for backends that do them at once.</summary>
internal static class Rewrites
{
    /// <summary>All of them, in order; a backend may ask for others.</summary>
    private static readonly Func<Operation, Operation, Operation?>[] All = [ResidualIntoProduct, RotationIntoAppend];

    /// <summary>The functions after all rewrites.</summary>
    public static IReadOnlyList<FunctionGraph> Apply(IReadOnlyList<FunctionGraph> functions)
    {
        var uses = functions.SelectMany(f => f.Operations).SelectMany(o => o.Inputs.Distinct()).GroupBy(v => v).ToDictionary(g => g.Key, g => g.Count());
        return [.. functions.Select(f => f with { Stages = [.. f.Stages.Select(s => s with { Operations = Apply(s.Operations, uses) })] })];
    }

    private static List<Operation> Apply(List<Operation> operations, Dictionary<Value, int> uses)
    {
        var result = new List<Operation>();
        foreach (Operation next in operations)
        {
            Operation? last = result.LastOrDefault();
            bool onlyHere = last?.Outputs.Length == 1 && next.Inputs.Contains(last.Outputs[0]) && uses[last.Outputs[0]] == 1;
            Operation? both = onlyHere ? All.Select(rewrite => rewrite(last!, next)).FirstOrDefault(o => o is not null) : null;
            if (both is not null)
                result[result.Count - 1] = both;
            else
                result.Add(next);
        }

        return result;
    }

    /// <summary>a + product(x) is a product that starts from a.</summary>
    private static Operation? ResidualIntoProduct(Operation product, Operation next) => (product, next) switch
    {
        (Linear p, Add add) when add.X == p.Y => p with { Inputs = [p.X, add.A], Outputs = [add.Y] },
        (Convolution p, Add add) when add.X == p.Y => p with { Inputs = [p.X, add.A], Outputs = [add.Y] },
        _ => null,
    };

    /// <summary>Keys are turned on their way into the cache.</summary>
    private static Operation? RotationIntoAppend(Operation rotation, Operation next) =>
        rotation is Rotation r && next is AppendKeyValues append && append.Keys == r.Y
            ? append with { Inputs = [append.Cache, r.X, append.Values, r.Cos, r.Sin], Remark = r.Remark }
            : null;
}
