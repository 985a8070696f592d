namespace Dia.Configuration;

internal enum JsonKind
{
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

/// <summary>Where a token is: 1-based line, 1-based first column, 1-based column after the end.</summary>
internal readonly record struct JsonPosition(int Line, int Column, int EndColumn);

/// <summary>A parsed value and where it stood. Numbers keep their text: whether it fits is for who knows the type.</summary>
internal sealed class JsonValue(JsonKind kind, JsonPosition position)
{
    public JsonKind Kind { get; } = kind;

    /// <summary>The token; of an array or object the opening bracket.</summary>
    public JsonPosition Position { get; } = position;

    public bool Boolean { get; init; }

    /// <summary>A string's value, a number's text.</summary>
    public string Text { get; init; } = "";

    public List<JsonValue> Items { get; init; } = [];

    public List<JsonMember> Members { get; init; } = [];

    /// <summary>A number without fraction and exponent.</summary>
    public bool IsInteger => Kind == JsonKind.Number && Text.IndexOfAny(['.', 'e', 'E']) < 0;

    /// <summary>What a message calls this value.</summary>
    public string Describe() => Kind switch
    {
        JsonKind.Null => "null",
        JsonKind.Boolean => Boolean ? "true" : "false",
        JsonKind.Number => "the number " + Shorten(Text),
        JsonKind.String => "the string " + Quote(Text),
        JsonKind.Array => "a list",
        _ => "an object",
    };

    /// <summary>Text from outside as it can stand in a message: one line, printable, not long.</summary>
    public static string Quote(string text) => $"\"{string.Concat(Shorten(text).Select(c => IsPrintable(c) ? c : '?'))}\"";

    /// <summary>Whether it is what <paramref name="json"/> says. Of lists and objects only empty ones can be; those and null mean the same.</summary>
    public bool Is(string json) => Kind switch
    {
        JsonKind.String => json == Write(Text),
        JsonKind.Boolean => json == (Boolean ? "true" : "false"),
        JsonKind.Number => json == Text,
        _ => Items.Count == 0 && Members.Count == 0 && json is "null" or "[]" or "{}",
    };

    /// <summary>A text as JSON writes it.</summary>
    public static string Write(string text)
    {
        var json = new StringBuilder("\"");
        foreach (char c in text)
        {
            if (c is '"' or '\\')
                json.Append('\\').Append(c);
            else if (c < ' ')
                json.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            else
                json.Append(c);
        }
        return json.Append('"').ToString();
    }

    private static bool IsPrintable(char c) => !char.IsControl(c) && !char.IsSurrogate(c) && c is not ('\u2028' or '\u2029');

    private static string Shorten(string text) => text.Length <= 60 ? text : text.Substring(0, 57) + "...";
}

internal sealed record JsonMember(string Key, JsonPosition KeyPosition, JsonValue Value);
