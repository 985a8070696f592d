using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Emission;

/// <summary>What the emitted text of a function calls things.</summary>
/// <param name="parameters">The names of parameters.</param>
/// <param name="rows">How many rows the function does.</param>
/// <param name="phase">Prefill or decode.</param>
/// <param name="elsewhere">Where values are that the plan does not place.</param>
internal sealed class Scope(ParameterTable parameters, string rows, string phase, Func<Value, string?> elsewhere)
{
    public string Phase => phase;

    public string this[Value value] => elsewhere(value) ?? value.Name;

    /// <summary>Whether a value is where no local variable points.</summary>
    public bool IsElsewhere(Value value) => elsewhere(value) is not null;

    public string this[Parameter parameter] => parameters[parameter];

    public string this[Rows which] => which switch
    {
        Rows.Conditional => "p.ConditionalRows",
        Rows.Unconditional => "p.Rows - p.ConditionalRows",
        _ => rows,
    };
}
