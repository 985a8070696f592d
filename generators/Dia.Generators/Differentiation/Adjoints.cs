using Dia.Generators.Graph;

namespace Dia.Generators.Differentiation;

/// <summary>
/// The derivatives of the loss by the values of functions that are walked backwards, each of its value's shape: an operation finds those of its results
/// here and leaves those of its operands.
/// </summary>
/// <param name="g">Where the operations of the walk are written.</param>
internal sealed class Adjoints(GraphBuilder g)
{
    private readonly HashSet<Value> _constants = [.. g.Functions.SelectMany(f => f.Operations)
        .Where(o => o.Inputs.Length == 0 && o.Parameters.Length == 0).SelectMany(o => o.Outputs)];
    private readonly Dictionary<Value, Value> _gradients = [];
    private readonly Dictionary<Value, (Value Keys, Value Values)> _caches = [];

    /// <summary>A value's gradient; null: the loss does not depend on it.</summary>
    public Value? Of(Value value) => _gradients.TryGetValue(value, out Value? gradient) ? gradient : null;

    /// <summary>The gradients of what was appended to a cache; null: the loss does not depend on it.</summary>
    public (Value Keys, Value Values)? OfCache(Value cache) => _caches.TryGetValue(cache, out var gradients) ? gradients : null;

    /// <summary>Writes an operation that leaves no value's gradient.</summary>
    public Value Add(Operation operation) => g.Add(operation);

    /// <summary>Says what the gradient of a value is that nothing else reads.</summary>
    /// <exception cref="InvalidOperationException">It has one.</exception>
    public void Set(Value value, Value gradient) => _gradients.Add(value, gradient);

    /// <summary>The same of a cache.</summary>
    public void Set(Value cache, Value keys, Value values) => _caches.Add(cache, (keys, values));

    /// <summary>Adds to a value's gradient, unless no parameter has a part in the value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="part">The operation that computes what is added, from the name of its result and from what the gradient is so far (null: nothing).</param>
    public void Add(Value value, Func<string, Value?, Operation> part)
    {
        if (!_constants.Contains(value))
            _gradients[value] = g.Add(part(NameOf(value), Of(value)));
    }

    /// <summary>What a gradient is called: dHidden.</summary>
    public static string NameOf(Value value) => "d" + char.ToUpperInvariant(value.Name[0]) + value.Name.Substring(1);
}
