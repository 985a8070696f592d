using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>A group of operations that is emitted as one method: the embedding, a layer, the final norm.</summary>
/// <param name="Name">The method's name, behind the function's.</param>
/// <param name="Summary">What the method's comment says.</param>
/// <param name="Operations">In order.</param>
/// <param name="LeastCodebooks">It is left out where fewer codebooks are in use.</param>
internal sealed record Stage(string Name, string Summary, List<Operation> Operations, int LeastCodebooks = 0);

/// <summary>A function: its stages in order. Functions that are built together share an arena.</summary>
internal sealed record FunctionGraph(Function Function, List<Stage> Stages)
{
    /// <summary>All operations in order.</summary>
    public IEnumerable<Operation> Operations => Stages.SelectMany(s => s.Operations);
}

/// <summary>Writes functions down, operation by operation.</summary>
internal sealed class GraphBuilder
{
    private readonly List<FunctionGraph> _functions = [];
    private string? _remark;
    private int _values;

    /// <summary>What was written.</summary>
    public IReadOnlyList<FunctionGraph> Functions => _functions;

    /// <summary>Starts a function.</summary>
    public void Function(Function function) => _functions.Add(new FunctionGraph(function, []));

    /// <summary>Starts a stage.</summary>
    public void Stage(string name, string summary, int leastCodebooks = 0) =>
        _functions[_functions.Count - 1].Stages.Add(new Stage(name, summary, [], leastCodebooks));

    /// <summary>Says what the next operations compute.</summary>
    public void Remark(string text) => _remark = text;

    /// <summary>Adds an operation.</summary>
    /// <returns>Its first result.</returns>
    /// <exception cref="InvalidOperationException">Its operands do not fit each other.</exception>
    public Value Add(Operation operation)
    {
        if (!operation.Fits)
            throw new InvalidOperationException(
                $"{operation.Kind} of {string.Join(", ", operation.Inputs.Select(i => $"{i.Name} [{i.Width}]"))}: the shapes do not fit.");
        foreach (Value value in operation.Outputs)
            value.Number = _values++;
        List<Stage> stages = _functions[_functions.Count - 1].Stages;
        stages[stages.Count - 1].Operations.Add(operation with { Remark = _remark });
        _remark = null;
        return operation.Outputs.FirstOrDefault() ?? operation.Inputs[0];
    }
}
