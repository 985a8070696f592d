namespace Dia.Configuration;

/// <summary>
/// Reads the members of one JSON object. Every getter reports what is wrong and then answers the default it was given, or null, so that one
/// pass finds all problems; <see cref="Finish"/> reports the keys nobody asked for.
/// </summary>
internal sealed class ObjectReader : Fields
{
    private readonly JsonValue _object;
    private readonly string _prefix;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly HashSet<string> _required = new(StringComparer.Ordinal);
    private readonly HashSet<string> _ignored = new(StringComparer.Ordinal);
    private readonly HashSet<string> _wrong = new(StringComparer.Ordinal);
    private readonly Dictionary<string, JsonMember> _members = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ObjectReader> _sections = new(StringComparer.Ordinal);

    /// <param name="value">The object; null reads as an empty one.</param>
    /// <param name="path">The object's own path; empty for the file's.</param>
    /// <param name="problems">Where problems go.</param>
    public ObjectReader(JsonValue? value, string path, ProblemList problems)
    {
        _object = value ?? new JsonValue(JsonKind.Object, new JsonPosition(1, 1, 1));
        _prefix = path.Length == 0 ? "" : path + ".";
        Problems = problems;
        foreach (JsonMember member in _object.Members)
            _members.Add(member.Key, member);
    }

    public override ObjectReader File => this;

    public ProblemList Problems { get; }

    /// <summary>The keys, in the order of the file.</summary>
    public IEnumerable<string> Keys => _object.Members.Select(m => m.Key);

    public bool Has(string key) => _members.ContainsKey(key);

    /// <summary>Whether a list was reported.</summary>
    public bool IsWrong(string key) => _wrong.Contains(key);

    /// <summary>The key's path in the file.</summary>
    public string Path(string key) => _prefix + key;

    /// <summary>Where the key's value is; where the object begins if it has no such key.</summary>
    public JsonPosition Position(string key) => _members.TryGetValue(key, out JsonMember? member) ? member.Value.Position : _object.Position;

    /// <summary>Reports a problem at the key's value.</summary>
    public void Error(string id, string key, string message) => Problems.Error(id, Position(key), $"{Path(key)}: {message}");

    /// <summary>The key's value, null where the key is missing. From here on the key is known.</summary>
    public JsonValue? Get(string key)
    {
        _known.Add(key);
        return _members.TryGetValue(key, out JsonMember? member) ? member.Value : null;
    }

    /// <summary>The same, with null for a JSON null too.</summary>
    public JsonValue? GetNotNull(string key) => Get(key) is { Kind: not JsonKind.Null } value ? value : null;

    public override void ModelType(string name) => IsModelType(name);

    /// <summary>Whether model_type is as expected, or missing.</summary>
    public bool IsModelType(string expected)
    {
        string? actual = String("model_type");
        if (actual is not null && actual != expected)
            Error(ProblemIds.UnsupportedValue, "model_type", $"must be \"{expected}\" here, not {JsonValue.Quote(actual)}");
        return !Has("model_type") || actual == expected;
    }

    public override T Value<T>(string key, T value, FieldType<T> type, bool isComputed = true) => Get(key) is { } given ? Read(key, given, type)
        ?? value : value;

    public override T? Optional<T>(string key, T? value, FieldType<T> type)
        where T : struct => GetOptional(key) is { } given ? Read(key, given, type) : Has(key) ? null : value;

    public override EquatableArray<T> List<T>(string key, EquatableArray<T> value, FieldType<T> type)
    {
        if (_ignored.Contains(key) || Get(key) is not { } given)
            return value;
        if (given.Kind != JsonKind.Array)
            WrongType(key, given, "a list");
        T?[] items = [.. given.Items.Select(item => Read(key, item, type))];
        if (given.Kind == JsonKind.Array && items.All(item => item is not null))
            return Array.ConvertAll(items, item => item.GetValueOrDefault());
        _wrong.Add(key);
        return value;
    }

    public override T Name<T>(string key, T value, (string Name, T Value)[] names)
    {
        if (String(key) is not { } name)
            return value;
        int index = Array.FindIndex(names, n => n.Name == name);
        if (index >= 0)
            return names[index].Value;
        Error(ProblemIds.UnsupportedValue, key, $"{JsonValue.Quote(name)} is none of {string.Join(", ", names.Select(n => n.Name))}");
        return value;
    }

    public override string Text(string key, string value) => GetNotNull(key) is null ? value : String(key) ?? value;

    public override void Constant(string key, string json, bool isChecked = true)
    {
        if (Get(key) is { } value && isChecked && !value.Is(json))
            Error(ProblemIds.UnsupportedValue, key, $"must be {json} here, not {value.Describe()}");
    }

    public override T Part<T>(string key, T? value, Func<Fields, T> fields)
        where T : class => fields(Section(key));

    /// <summary>Reads the object under a key; an empty one where it is missing or null, or its value no object.</summary>
    public ObjectReader Section(string key) =>
        _sections.TryGetValue(key, out ObjectReader? section) ? section : _sections[key] = new ObjectReader(Object(key), Path(key), Problems);

    /// <summary>The object under a key; null where the key is missing or null, or its value no object.</summary>
    public JsonValue? Object(string key) => OfKind(JsonKind.Object, key, GetNotNull(key), "an object");

    /// <summary>From here on null is no value of this key. Reports where it is missing, where the object begins.</summary>
    public void Require(string key)
    {
        _required.Add(key);
        if (!Has(key))
            Problems.Error(ProblemIds.MissingKey, _object.Position, $"{Path(key)} is missing");
    }

    /// <summary>From here on this key has no value. Warns where it is there.</summary>
    public void Ignore(string key, string why)
    {
        _ignored.Add(key);
        if (Get(key) is { } value)
            Problems.Warning(ProblemIds.NoEffect, value.Position, $"{Path(key)} {why}");
    }

    /// <summary>Reports every key that nobody asked for and that does not pass <paramref name="passes"/>.</summary>
    /// <param name="passes">Whether a key means nothing here.</param>
    /// <param name="computed">Whether keys of this object say what is computed: then one that is unknown is an error at run time too.</param>
    public void Finish(Func<string, bool> passes, bool computed = false)
    {
        foreach (JsonMember member in _object.Members)
            if (!_known.Contains(member.Key) && !passes(member.Key))
                Problems.UnknownKey(member.KeyPosition, UnknownKey(member.Key, computed), computed);
    }

    private string UnknownKey(string key, bool computed) =>
        $"{Path("")}{JsonValue.Quote(key)} is no key of this configuration{(computed ? ", and what it says might change what is computed" : "")}; remove it or correct its name";

    private void WrongType(string key, JsonValue value, string expected) =>
        Problems.Error(ProblemIds.WrongType, value.Position, $"{Path(key)} must be {expected}, not {value.Describe()}");

    /// <summary>The value of a key that may be null.</summary>
    private JsonValue? GetOptional(string key) => _ignored.Contains(key) ? null : _required.Contains(key) ? Get(key) : GetNotNull(key);

    private T? Read<T>(string key, JsonValue value, FieldType<T> type)
        where T : struct
    {
        if (!type.IsKind(value))
            WrongType(key, value, type.Kind);
        else if (type.Read(value) is { } read)
            return read;
        else
            Problems.Error(ProblemIds.OutOfRange, value.Position, $"{Path(key)} must be {type.Range}, not {value.Describe()}");
        return null;
    }

    private string? String(string key) => OfKind(JsonKind.String, key, Get(key), "a string")?.Text;

    private JsonValue? OfKind(JsonKind kind, string key, JsonValue? value, string expected)
    {
        if (value is null || value.Kind == kind)
            return value;
        WrongType(key, value, expected);
        return null;
    }
}
