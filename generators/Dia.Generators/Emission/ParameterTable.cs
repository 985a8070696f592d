using Dia.Generators.Graph;

namespace Dia.Generators.Emission;

/// <summary>Numbers the parameters of a graph and gives each the identifier that emitted code uses.</summary>
internal sealed class ParameterTable
{
    private readonly string _className;
    private readonly Parameter[] _parameters;
    private readonly Dictionary<string, string> _identifiers = [];

    public ParameterTable(string className, IEnumerable<FunctionGraph> functions)
    {
        _className = className;
        _parameters = [.. functions.SelectMany(f => f.Operations).SelectMany(o => o.Parameters).Distinct()];
        foreach (Parameter parameter in _parameters)
            _identifiers.Add(parameter.Name, Identifier(parameter.Name));
    }

    /// <summary>The class that holds them: W in the emitted code that uses them.</summary>
    public (string Alias, string ClassName) Alias => ("W", _className);

    /// <summary>The expression for a parameter's weight in emitted code.</summary>
    public string this[Parameter parameter] => $"Weights[{Index(parameter)}]";

    /// <summary>The expression for its number.</summary>
    public string Index(Parameter parameter) => "W." + _identifiers[parameter.Name];

    /// <summary>Writes the class: one constant a parameter, and the table of names, shapes and uses.</summary>
    public string Write(string about)
    {
        var code = new CodeWriter(about);
        code.Summary("The parameters: index, name in the checkpoint, shape and use of each.");
        using (code.Open($"internal static class {_className}"))
        {
            for (int i = 0; i < _parameters.Length; i++)
                code.Line($"public const int {_identifiers[_parameters[i].Name]} = {CodeWriter.Number(i)};");
            code.Line();
            code.Line("public static WeightSpec[] Specs() =>");
            code.Line("[");
            foreach (Parameter p in _parameters)
            {
                string shape = string.Join(", ", p.Shape.Select(d => CodeWriter.Number(d)));
                code.Line($"    new(\"{p.Name}\", [{shape}], WeightRole.{p.Role}),");
            }

            code.Line("];");
        }

        return code.ToString();
    }

    /// <summary>model.decoder.layers.7.mlp.down_proj.weight → DecoderLayers7MlpDownProj.</summary>
    private static string Identifier(string name)
    {
        string[] parts = name.Split('.', '_');
        int first = parts[0] == "model" ? 1 : 0;
        int last = parts[parts.Length - 1] == "weight" ? parts.Length - 1 : parts.Length;
        var text = new StringBuilder();
        for (int i = first; i < last; i++)
            text.Append(char.ToUpperInvariant(parts[i][0])).Append(parts[i], 1, parts[i].Length - 1);
        return text.ToString();
    }
}
