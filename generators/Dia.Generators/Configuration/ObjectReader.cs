using System.Globalization;

namespace Dia.Configuration;

/// <summary>
/// Typed access to the members of one JSON object. Every getter reports what is wrong and then answers the default, so
/// that one pass finds all problems; <see cref="Finish"/> reports the keys nobody asked for.
/// </summary>
internal sealed class ObjectReader
{
    private readonly JsonValue _object;
    private readonly string _prefix;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly Dictionary<string, JsonMember> _members = new(StringComparer.Ordinal);

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

    public ProblemList Problems { get; }

    public bool Has(string key) => _members.ContainsKey(key);

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

    public bool Boolean(string key, bool missing)
    {
        JsonValue? value = Get(key);
        if (value is null or { Kind: JsonKind.Boolean })
            return value?.Boolean ?? missing;
        WrongType(key, value, "true or false");
        return missing;
    }

    public string? String(string key)
    {
        JsonValue? value = Get(key);
        if (value is null or { Kind: JsonKind.String })
            return value?.Text;
        WrongType(key, value, "a string");
        return null;
    }

    /// <summary>A whole number from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public int Integer(string key, int missing, int min, int max) => Get(key) is { } value ? Integer(key, value, min, max) ?? missing : missing;

    /// <summary>The same where null is allowed and stands, like a missing key, for null.</summary>
    public int? OptionalInteger(string key, int min, int max) => GetNotNull(key) is { } value ? Integer(key, value, min, max) : null;

    /// <summary>A number that passes <paramref name="valid"/>, described by <paramref name="range"/>.</summary>
    public double Number(string key, double missing, Func<double, bool> valid, string range) =>
        Get(key) is { } value ? Number(key, value, valid, range) ?? missing : missing;

    /// <summary>The same where null is allowed and stands, like a missing key, for null.</summary>
    public double? OptionalNumber(string key, Func<double, bool> valid, string range) =>
        GetNotNull(key) is { } value ? Number(key, value, valid, range) : null;

    /// <summary>A list of whole numbers; null where the key is missing or wrong.</summary>
    public int[]? Integers(string key, int min, int max) => List(key, Get(key), value => Integer(key, value, min, max));

    /// <summary>A list of numbers; null where the key is missing, null or wrong.</summary>
    public double[]? Numbers(string key, Func<double, bool> valid, string range) => List(key, GetNotNull(key), value => Number(key, value, valid, range));

    /// <summary>The object under a key; null where the key is missing or null, or its value no object.</summary>
    public JsonValue? Object(string key)
    {
        JsonValue? value = GetNotNull(key);
        if (value is null or { Kind: JsonKind.Object })
            return value;
        WrongType(key, value, "an object");
        return null;
    }

    /// <summary>Reports a required key that is missing, where the object begins.</summary>
    public void Require(string key)
    {
        if (!Has(key))
            Problems.Error(ProblemIds.MissingKey, _object.Position, $"{Path(key)} is missing");
    }

    public void WrongType(string key, JsonValue value, string expected) =>
        Problems.Error(ProblemIds.WrongType, value.Position, $"{Path(key)} must be {expected}, not {value.Describe()}");

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

    private T[]? List<T>(string key, JsonValue? value, Func<JsonValue, T?> read)
        where T : struct
    {
        if (value is null)
            return null;
        if (value.Kind != JsonKind.Array)
        {
            WrongType(key, value, "a list");
            return null;
        }
        var items = new T[value.Items.Count];
        bool complete = true;
        for (int i = 0; i < items.Length; i++)
        {
            T? item = read(value.Items[i]);
            complete &= item is not null;
            items[i] = item.GetValueOrDefault();
        }
        return complete ? items : null;
    }

    private int? Integer(string key, JsonValue value, int min, int max)
    {
        if (!value.IsInteger)
        {
            WrongType(key, value, "a whole number");
            return null;
        }
        if (long.TryParse(value.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number >= min && number <= max)
            return (int)number;
        Problems.Error(ProblemIds.OutOfRange, value.Position, FormattableString.Invariant($"{Path(key)} must be from {min} to {max}, not {value.Describe()}"));
        return null;
    }

    private double? Number(string key, JsonValue value, Func<double, bool> valid, string range)
    {
        if (value.Kind != JsonKind.Number)
        {
            WrongType(key, value, "a number");
            return null;
        }
        // Some runtimes refuse an overflow, others answer infinity. What float32 cannot hold is refused too: the program computes in it.
        if (double.TryParse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && Math.Abs(number) <= float.MaxValue && valid(number))
            return number;
        Problems.Error(ProblemIds.OutOfRange, value.Position, $"{Path(key)} must be {range}, not {value.Describe()}");
        return null;
    }
}
