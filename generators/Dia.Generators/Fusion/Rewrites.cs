using Dia.Generators.Graph;

namespace Dia.Generators.Fusion;

/// <summary>What two neighbouring operations are together, for backends that do them at once.</summary>
internal static class Rewrites
{
    /// <summary>Two neighbours, of which the second reads the first's result, as one operation; null: they are not one.</summary>
    private delegate Operation? Rewrite(Operation first, Operation next, bool isReadElsewhere);

    // In order. A backward pass has Snake computed again rather than kept.
    private static readonly Rewrite[] Training = [ResidualIntoProduct, RotationIntoAppend];
    private static readonly Rewrite[] All = [.. Training, SnakeIntoConvolution];

    /// <summary>The functions after all rewrites.</summary>
    /// <param name="functions">The functions.</param>
    /// <param name="training">Whether backward functions are among them.</param>
    public static IReadOnlyList<FunctionGraph> Apply(IReadOnlyList<FunctionGraph> functions, bool training = false)
    {
        Rewrite[] rewrites = training ? Training : All;
        var uses = functions.SelectMany(f => f.Operations).SelectMany(o => o.Inputs.Distinct()).GroupBy(v => v).ToDictionary(g => g.Key, g => g.Count());
        return [.. functions.Select(f => f with { Stages = Apply(f.Stages, uses, rewrites) })];
    }

    // What a stage begins with may be done at once with the last operation of the one before, unless either of these stages may be left out.
    private static List<Stage> Apply(List<Stage> stages, Dictionary<Value, int> uses, Rewrite[] rewrites)
    {
        var result = new List<Stage>();
        List<Operation>? before = null;
        foreach (Stage stage in stages)
        {
            var operations = new List<Operation>();
            foreach (Operation next in stage.Operations)
            {
                List<Operation>? neighbours = operations.Count > 0 ? operations : stage.LeastCodebooks == 0 ? before : null;
                if (neighbours?.LastOrDefault() is { } last && Both(last, next, uses, rewrites) is { } both)
                    neighbours[neighbours.Count - 1] = both;
                else
                    operations.Add(next);
            }

            result.Add(stage with { Operations = operations });
            before = stage.LeastCodebooks == 0 ? operations : null;
        }

        return result;
    }

    private static Operation? Both(Operation last, Operation next, Dictionary<Value, int> uses, Rewrite[] rewrites) =>
        last.Outputs.Length == 1 && next.Inputs.Contains(last.Y)
            ? rewrites.Select(rewrite => rewrite(last, next, uses[last.Y] > 1)).FirstOrDefault(o => o is not null) : null;

    /// <summary>a + product(x) is a product that starts from a.</summary>
    private static Operation? ResidualIntoProduct(Operation product, Operation next, bool isReadElsewhere) => (product, next) switch
    {
        _ when isReadElsewhere => null,
        (Linear p, Add add) when add.X == p.Y => p with { Inputs = [p.X, add.A], Outputs = [add.Y] },
        (Convolution p, Add add) when add.X == p.Y && Snake.EndOf(p) is null => p with { Inputs = [p.X, add.A], Outputs = [add.Y] },
        _ => null,
    };

    /// <summary>Keys are turned on their way into the cache.</summary>
    private static Operation? RotationIntoAppend(Operation rotation, Operation next, bool isReadElsewhere) =>
        !isReadElsewhere && rotation is Rotation r && next is AppendKeyValues append && append.Keys == r.Y
            ? append with { Inputs = [append.Cache, r.X, append.Values, r.Cos, r.Sin], Remark = r.Remark }
            : null;

    /// <summary>A convolution's results go through Snake while they are at hand, and stay beside that where they are read again.</summary>
    private static Operation? SnakeIntoConvolution(Operation convolution, Operation next, bool isReadElsewhere) =>
        convolution is Convolution or TransposedConvolution && Snake.EndOf(convolution) is null && next is Snake snake ? convolution with
        {
            Outputs = isReadElsewhere ? [convolution.Y, snake.Y] : [snake.Y], Parameters = [.. convolution.Parameters, snake.Alpha],
        } : null;
}
