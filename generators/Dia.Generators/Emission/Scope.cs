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

    /// <summary>Whether values are CodecRows, which know how many rows they are.</summary>
    public bool HasCodecRows { get; init; }

    /// <summary>What values of a stage are called there, whose own names are others' too.</summary>
    public IReadOnlyDictionary<Value, string>? Locals { get; private init; }

    /// <summary>The same for a stage.</summary>
    public Scope For(IReadOnlyDictionary<Value, string> locals) => new(parameters, rows, phase, elsewhere) { Locals = locals, HasCodecRows = HasCodecRows };

    public string this[Value value] => elsewhere(value) ?? (Locals?.TryGetValue(value, out string? local) == true ? local : value.Name);

    /// <summary>Whether a value is where no local variable points.</summary>
    public bool IsElsewhere(Value value) => elsewhere(value) is not null;

    public string this[Parameter parameter] => parameters[parameter];

    /// <summary>The expression for a parameter's number.</summary>
    public string Index(Parameter parameter) => parameters.Index(parameter);

    /// <summary>The expression for a parameter's gradient: null where it is not trained.</summary>
    public string Gradient(Parameter parameter) => $"g[{Index(parameter)}]";

    /// <summary>A statement for a parameter that is trained.</summary>
    public string IfTrained(Parameter parameter, string statement) => $"if ({Gradient(parameter)} != null) {statement}";

    public string this[Rows which] => which switch
    {
        Rows.Conditional => "p.ConditionalRows",
        Rows.Unconditional => "p.Rows - p.ConditionalRows",
        _ => rows,
    };
}
