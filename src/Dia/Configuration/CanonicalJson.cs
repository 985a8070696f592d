namespace Dia.Configuration;

/// <summary>
/// A configuration as JSON with every field spelled out, in the reference's names and sorted: the same whatever a file's spacing, order and
/// omissions were. It is read back by the same parser.
/// </summary>
public static class CanonicalJson
{
    /// <summary>A model's config.json.</summary>
    public static string Write(DiaConfig config) => Write(FieldList.Of(config));

    /// <summary>The config.json of a checkpoint of a whole model.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="dtype">The reference's name of the weights' format.</param>
    internal static string Write(DiaConfig config, string dtype) => Write([.. FieldList.Of(config), DType(dtype)]);

    /// <summary>The config.json of a checkpoint.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="architecture">The reference's name of the model's class.</param>
    /// <param name="dtype">The reference's name of the weights' format.</param>
    internal static string Write(DiaConfig config, string architecture, string dtype) =>
        Write([.. FieldList.Of(config).Select(f => f.Key == "architectures" ? f with { Text = $"[\"{architecture}\"]" } : f),
            DType(dtype)]);

    /// <summary>The config.json of a codec's checkpoint.</summary>
    /// <param name="config">The codec's configuration.</param>
    /// <param name="dtype">The reference's name of the weights' format.</param>
    internal static string Write(DacConfig config, string dtype) => Write([.. FieldList.Of(config), DType(dtype)]);

    /// <summary>A codec's config.json.</summary>
    public static string Write(DacConfig config) => Write(FieldList.Of(config));

    /// <summary>A field's value, but not that of an object: numbers that need not be whole show it.</summary>
    internal static string Value(Field field) => field.Value switch
    {
        double => Number(field.Text),
        EquatableArray<double> => $"[{string.Join(", ", field.Text.Trim('[', ']').Split([", "], StringSplitOptions.None).Select(Number))}]",
        _ => field.Text,
    };

    private static Field DType(string name) => new("dtype", JsonValue.Write(name), null, IsComputed: false);

    private static string Number(string text) => text.IndexOfAny(['.', 'e', 'E']) < 0 ? text + ".0" : text;

    /// <summary>The fields of any file.</summary>
    internal static string Write(IReadOnlyList<Field> fields)
    {
        var json = new StringBuilder();
        Write(json, fields, 2);
        return json.Append('\n').ToString();
    }

    private static void Write(StringBuilder json, IReadOnlyList<Field> fields, int indent)
    {
        string before = "{\n";
        foreach (Field field in fields.Where(f => f.IsStated || f.Parts is not null).OrderBy(f => f.Key, StringComparer.Ordinal))
        {
            json.Append(before).Append(' ', indent).Append('"').Append(field.Key).Append("\": ");
            if (field is { IsStated: true, Parts: { } parts })
                Write(json, parts, indent + 2);
            else
                json.Append(Value(field));
            before = ",\n";
        }

        json.Append('\n').Append(' ', indent - 2).Append('}');
    }
}
