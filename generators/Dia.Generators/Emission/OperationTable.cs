using Dia.Generators.Graph;
using Dia.Generators.Planning;

namespace Dia.Generators.Emission;

/// <summary>Writes the table of operations: what programs read in place of the code.</summary>
internal static class OperationTable
{
    /// <summary>One class: NAMEOperations.</summary>
    /// <param name="about">What the file is about.</param>
    /// <param name="className">The class.</param>
    /// <param name="parameters">The names of parameters.</param>
    /// <param name="functions">The functions, with the plan of each.</param>
    /// <param name="numbered">Whether values' numbers are written, which a codec's rows are found by.</param>
    public static string Write(string about, string className, ParameterTable parameters, IEnumerable<(Plan Plan, FunctionGraph Function)> functions,
        bool numbered)
    {
        var code = new CodeWriter(about, parameters.Alias);
        code.Summary("The operations of every function, in order.");
        using (code.Open($"internal static class {className}"))
        {
            code.Line("public static OperationInfo[] All() =>");
            code.Line("[");
            foreach (var (plan, function) in functions)
                foreach (Stage stage in function.Stages)
                    foreach (Operation operation in stage.Operations)
                        Write(code, $"Function.{function.Function}, \"{stage.Name}\", OperationKind.{operation.Kind}", Names(operation, parameters),
                            Numbers(operation, plan, numbered));
            code.Line("];");
        }

        return code.ToString();
    }

    private static void Write(CodeWriter code, string head, IEnumerable<(string, string)> names, IEnumerable<(string, string)> numbers)
    {
        code.Line($"    new({head})");
        code.Line("    {");
        foreach (var line in new[] { names, numbers })
        {
            string text = string.Join(", ", line.Where(p => p.Item2 != "0").Select(p => $"{p.Item1} = {p.Item2}"));
            if (text.Length > 0)
                code.Line($"        {text},");
        }

        code.Line("    },");
    }

    private static IEnumerable<(string, string)> Names(Operation o, ParameterTable parameters)
    {
        if (o.Outputs.Length > 0)
            yield return ("Y", Literal(o.Outputs));
        if (o.Inputs.Length > 0)
            yield return ("X", Literal(o.Inputs));
        if (o.Rows != Dia.Graph.Rows.All)
            yield return ("Rows", "Rows." + o.Rows);
        if (o.Parameters.Length > 0)
            yield return ("Weight", parameters.Index(o.Parameters[0]));
        if (Snake.EndOf(o) is { } snake)
            yield return ("Alpha", parameters.Index(snake.Alpha));
    }

    /// <summary>What is 0 need not be said.</summary>
    private static IEnumerable<(string, string)> Numbers(Operation o, Plan plan, bool numbered)
    {
        Value? y = o.Outputs.FirstOrDefault();
        yield return Number("N", y?.Width ?? o.Inputs[0].Width);
        foreach (var size in o.Sizes)
            yield return size;
        yield return Number("Offset", y is not null && plan.Places(y) ? plan.Buffer(y).Offset : -1);
        Value? snake = Snake.EndOf(o) is { } end && end.Y != y ? end.Y : null;
        yield return Number("SnakeOffset", snake is not null ? plan.Buffer(snake).Offset : 0);
        yield return Number("Flops", o.Cost.Flops);
        yield return Number("Values", o.Cost.Values);
        yield return Number("FlopsOfKey", o.Cost.FlopsOfKey);
        yield return Number("ValuesOfKey", o.Cost.ValuesOfKey);
        yield return Number("TableValues", o.Cost.TableValues);
        if (!numbered)
            yield break;
        yield return Number("Result", 1 + (y?.Number ?? -1));
        yield return Number("SnakeResult", 1 + (snake?.Number ?? -1));
        yield return Number("Operand", 1 + (o.Inputs.FirstOrDefault()?.Number ?? -1));
        yield return Number("Other", 1 + (o.Inputs.ElementAtOrDefault(1)?.Number ?? -1));
    }

    private static (string, string) Number(string name, long number) => (name, CodeWriter.Number(number));

    private static string Literal(Value[] values) => $"\"{string.Join(", ", values.Select(v => v.Name))}\"";
}
