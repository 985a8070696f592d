using Dia.Generators.Graph;

namespace Dia.Generators.Differentiation;

/// <summary>
/// What a backward pass reads of the forward pass is kept until then or computed again (Chen et al. 2016). Computed again is what costs next to
/// nothing: norms, gates, look-ups. Where the rest is more than the budget, products and attention too, the cheapest for their size first.
/// </summary>
internal sealed class Recomputation
{
    /// <summary>Operations for each value up to which it is not worth its memory.</summary>
    private const long CheapFlops = 8;

    /// <summary>Keys of an attention, where its cost is to be compared.</summary>
    private const long TypicalKeys = 512;

    private readonly Dictionary<Value, Operation> _producers = [];
    private readonly HashSet<Value> _again = [];
    private readonly Value[] _read;
    private readonly Value[] _results;

    private Recomputation(IReadOnlyList<FunctionGraph> functions, Value[] results)
    {
        _results = results;
        foreach (Operation operation in functions.Where(f => !Backward.Is(f.Function)).SelectMany(f => f.Operations))
            foreach (Value value in operation.Outputs.Where(v => v.Home == Home.Arena))
                _producers.Add(value, operation);
        _read = [.. functions.Where(f => Backward.Is(f.Function)).SelectMany(f => f.Operations).SelectMany(o => o.Inputs).Distinct()
            .Where(_producers.ContainsKey)];
    }

    /// <summary>The functions, with what is to be computed again written before what reads it.</summary>
    /// <param name="functions">Functions and their backward functions.</param>
    /// <param name="results">Values that are kept in any case.</param>
    /// <param name="budget">Values of a row that may be kept.</param>
    /// <exception cref="InvalidOperationException">The budget is less than what cannot be computed again.</exception>
    public static IReadOnlyList<FunctionGraph> Apply(IReadOnlyList<FunctionGraph> functions, Value[] results, long budget)
    {
        var recomputation = new Recomputation(functions, results);
        recomputation.Choose(budget);
        return [.. functions.Select(f => !Backward.Is(f.Function) ? f : f with { Stages = [.. f.Stages.Select(recomputation.Apply)] })];
    }

    private void Choose(long budget)
    {
        _again.UnionWith(_producers.Where(p => IsRepeatable(p.Value) && FlopsOfValue(p.Value) <= CheapFlops).Select(p => p.Key).Except(_results));
        Value[] others =
            [.. _producers.Where(p => IsRepeatable(p.Value) && !_results.Contains(p.Key) && !_again.Contains(p.Key)).OrderBy(p => FlopsOfValue(p.Value))
            .ThenByDescending(p => p.Key.Width).ThenBy(p => p.Key.Number).Select(p => p.Key)];
        int next = 0;
        long needed;
        while ((needed = Kept().Sum(v => (long)v.Width)) > budget)
            if (next < others.Length)
                _again.Add(others[next++]);
            else
                throw new InvalidOperationException($"A row keeps {needed} values at least; the budget is {budget}.");
    }

    /// <summary>What works in the memory of its operand would find its own result there.</summary>
    private static bool IsRepeatable(Operation operation) => !operation.MustBeInPlace && operation.Outputs.Length == 1;

    private static long FlopsOfValue(Operation operation) => (operation.Cost.Flops + TypicalKeys * operation.Cost.FlopsOfKey) / operation.Y.Width;

    private HashSet<Value> Kept()
    {
        var kept = new HashSet<Value>();
        var seen = new HashSet<Value>();
        var open = new Stack<Value>(_read);
        while (open.Count > 0)
        {
            Value value = open.Pop();
            if (!seen.Add(value) || !_producers.TryGetValue(value, out Operation? producer))
                continue;
            if (_again.Contains(value))
                foreach (Value input in producer.Inputs)
                    open.Push(input);
            else
                kept.Add(value);
        }

        return kept;
    }

    /// <summary>A stage that computes what it reads again, once.</summary>
    private Stage Apply(Stage stage)
    {
        var operations = new List<Operation>();
        var copies = new Dictionary<Value, Value>();
        foreach (Operation operation in stage.Operations)
            operations.Add(operation with { Inputs = [.. operation.Inputs.Select(v => Again(v, operations, copies))] });
        return stage with { Operations = operations };
    }

    private Value Again(Value value, List<Operation> operations, Dictionary<Value, Value> copies)
    {
        if (!_again.Contains(value))
            return value;
        if (!copies.TryGetValue(value, out Value? copy))
        {
            Operation producer = _producers[value];
            copy = copies[value] = value.Next();
            operations.Add(producer with { Inputs = [.. producer.Inputs.Select(v => Again(v, operations, copies))], Outputs = [copy], Remark = null });
        }

        return copy;
    }
}
