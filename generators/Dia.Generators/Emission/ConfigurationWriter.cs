using Dia.Configuration;

namespace Dia.Generators.Emission;

/// <summary>A configuration as the C# that makes it: a program has it without reading a file.</summary>
internal static class ConfigurationWriter
{
    /// <summary>The property that has it.</summary>
    public static void Write(CodeWriter code, string type, IReadOnlyList<Field> fields)
    {
        using (code.Open($"public override {type} Config {{ get; }} = new()", "};"))
            Write(code, fields);
        code.Line();
    }

    private static void Write(CodeWriter code, IReadOnlyList<Field> fields)
    {
        foreach (Field field in fields.Where(f => f is { IsStated: true, Value: not null }))
        {
            string name = PropertyName(field.Key), text = CanonicalJson.Value(field);
            if (field.Parts is { } parts)
            {
                using CodeWriter.Block block = code.Open($"{name} = new()", "},");
                Write(code, parts);
            }
            else
            {
                code.Line(
                    $"{name} = {(field.Value is Enum value ? $"{value.GetType().Name}.{value}" : text[0] == '[' ? $"new({text.Trim('[', ']')})" : text)},");
            }
        }
    }

    /// <summary>num_hidden_layers → NumHiddenLayers: the name that every field's property has.</summary>
    private static string PropertyName(string key) => string.Concat(key.Split('_').Select(word => char.ToUpperInvariant(word[0]) + word.Substring(1)));
}
