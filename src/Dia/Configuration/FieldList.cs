using System.Collections;

namespace Dia.Configuration;

/// <summary>A field of a configuration as it is.</summary>
/// <param name="Key">Its key in JSON.</param>
/// <param name="Text">Its value as messages write it.</param>
/// <param name="Value">Its value; null where there is none, or none that can be set.</param>
/// <param name="IsComputed">Whether it changes what is computed.</param>
/// <param name="Parts">The fields of an object; where it is null, those of one that says nothing.</param>
internal sealed record Field(string Key, string Text, object? Value, bool IsComputed = true, IReadOnlyList<Field>? Parts = null)
{
    /// <summary>The text of a null.</summary>
    public const string Null = "null";

    /// <summary>Whether it has a value.</summary>
    public bool IsStated => Text is not (Null or "[]");
}

/// <summary>The fields of a configuration, in the order in which it states them.</summary>
internal sealed class FieldList : Fields
{
    private readonly List<Field> _fields = [];

    private FieldList()
    {
    }

    public static IReadOnlyList<Field> Of(DiaConfig config) => Of(fields => new DiaConfig(config, fields));

    public static IReadOnlyList<Field> Of(DacConfig config) => Of(fields => new DacConfig(config, fields));

    public static IReadOnlyList<Field> Of(RopeScaling scaling) => Of(fields => new RopeScaling(scaling, fields));

    /// <summary>The fields that <paramref name="state"/> states.</summary>
    public static IReadOnlyList<Field> Of(Func<Fields, object> state)
    {
        var list = new FieldList();
        state(list);
        return list._fields;
    }

    public override void ModelType(string name) => _fields.Add(new Field("model_type", $"\"{name}\"", null, IsComputed: false));

    public override void Architecture(string name) => _fields.Add(new Field("architectures", $"[\"{name}\"]", null, IsComputed: false));

    public override T Value<T>(string key, T value, FieldType<T> type, bool isComputed = true) => Add(key, value, isComputed);

    public override T? Optional<T>(string key, T? value, FieldType<T> type)
        where T : struct => Add(key, value);

    public override EquatableArray<T> List<T>(string key, EquatableArray<T> value, FieldType<T> type) => Add(key, value);

    public override T Name<T>(string key, T value, (string Name, T Value)[] names)
    {
        _fields.Add(new Field(key, $"\"{names.First(n => n.Value.Equals(value)).Name}\"", value));
        return value;
    }

    public override string Text(string key, string value)
    {
        _fields.Add(new Field(key, JsonValue.Write(value), value));
        return value;
    }

    public override void Constant(string key, string json, bool isChecked = true) => _fields.Add(new Field(key, json, null, IsComputed: false));

    public override T Part<T>(string key, T? value, Func<Fields, T> fields)
        where T : class
    {
        var part = new FieldList();
        T result = fields(part);
        _fields.Add(new Field(key, value is null ? Field.Null : "{}", value, Parts: part._fields));
        return result;
    }

    public override void Derived(string key, Func<object> value) => _fields.Add(new Field(key, TextOf(value()), null, IsComputed: false));

    private T Add<T>(string key, T value, bool isComputed = true)
    {
        _fields.Add(new Field(key, TextOf(value), value, isComputed));
        return value;
    }

    private static string TextOf(object? value) => value switch
    {
        null => Field.Null,
        bool flag => flag ? "true" : "false",
        double number => TextOf(number),
        IEnumerable list => $"[{string.Join(", ", list.Cast<object>().Select(TextOf))}]",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    // The shortest of "R" and 17 digits that reads back the same: "R" alone is not exact on the older runtimes a compiler may run on.
    private static string TextOf(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        return double.Parse(text, CultureInfo.InvariantCulture) == value ? text : value.ToString("G17", CultureInfo.InvariantCulture);
    }
}
