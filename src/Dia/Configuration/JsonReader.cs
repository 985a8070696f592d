namespace Dia.Configuration;

/// <summary>
/// A strict reader of JSON (RFC 8259): no comments, no trailing commas, no NaN, no duplicate keys, nothing after the end.
/// It stops at the first error of syntax; duplicate keys are reported and reading goes on with the first of them.
/// </summary>
/// <remarks>Hand-written because the compiler's host offers no JSON reader with columns, and both uses must agree.</remarks>
internal sealed class JsonReader
{
    /// <summary>Most UTF-16 units of a file: a configuration has a few thousand.</summary>
    public const int MaxLength = 1 << 20;

    /// <summary>Most nested lists and objects; bounds the recursion.</summary>
    public const int MaxDepth = 32;

    private readonly string _text;
    private readonly ProblemList _problems;
    private int _at;
    private int _line = 1;
    private int _lineStart;

    private JsonReader(string text, ProblemList problems)
    {
        _text = text;
        _problems = problems;
        if (text.Length > 0 && text[0] == '\uFEFF')
            _at = _lineStart = 1; // A byte order mark is no column.
    }

    /// <summary>The file's value, or null after a problem with its syntax.</summary>
    public static JsonValue? Read(string text, ProblemList problems)
    {
        var reader = new JsonReader(text, problems);
        if (text.Length > MaxLength)
            return reader.Fail(ProblemIds.Limit, FormattableString.Invariant($"the file has more than {MaxLength} characters; this is no configuration"));
        JsonValue? value = reader.ReadValue(1);
        if (value is null)
            return null;
        reader.SkipSpace();
        return reader._at < text.Length ? reader.Fail(ProblemIds.Syntax, $"{reader.Here()} after the end of the value; remove it") : value;
    }

    private JsonValue? ReadValue(int depth)
    {
        SkipSpace();
        if (_at >= _text.Length)
            return Fail(ProblemIds.Syntax, "the file ends where a value is expected");
        switch (_text[_at])
        {
            case '{' or '[' when depth > MaxDepth:
                return Fail(ProblemIds.Limit, FormattableString.Invariant($"nested more than {MaxDepth} deep; this is no configuration"));
            case '{':
                return ReadObject(depth);
            case '[':
                return ReadArray(depth);
            case '"':
                return ReadString();
            case '-' or (>= '0' and <= '9'):
                return ReadNumber();
            default:
                return ReadWord();
        }
    }

    private JsonValue? ReadObject(int depth)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        return ReadItems(JsonKind.Object, '}', value =>
        {
            SkipSpace();
            if (!Peek('"'))
                return Fail(ProblemIds.Syntax, $"{Here()} where a key in double quotes is expected");
            if (ReadString() is not { } key)
                return null;
            if (!Skip(':'))
                return Fail(ProblemIds.Syntax, $"{Here()} where ':' is expected");
            JsonValue? item = ReadValue(depth + 1);
            if (item is not null && keys.Add(key.Text))
                value.Members.Add(new JsonMember(key.Text, key.Position, item));
            else if (item is not null)
                _problems.Error(ProblemIds.DuplicateKey, key.Position, $"the key {JsonValue.Quote(key.Text)} stands twice in its object; remove one");
            return item;
        });
    }

    private JsonValue? ReadArray(int depth) => ReadItems(JsonKind.Array, ']', value =>
    {
        JsonValue? item = ReadValue(depth + 1);
        if (item is not null)
            value.Items.Add(item);
        return item;
    });

    /// <summary>A list or an object, whose items <paramref name="read"/> adds; it answers null after a problem.</summary>
    private JsonValue? ReadItems(JsonKind kind, char close, Func<JsonValue, JsonValue?> read)
    {
        var value = new JsonValue(kind, At(1));
        _at++;
        bool isComplete = Skip(close);
        while (!isComplete)
        {
            if (read(value) is null)
                return null;
            isComplete = Skip(close);
            if (!isComplete && !Skip(','))
                return Fail(ProblemIds.Syntax, $"{Here()} where ',' or '{close}' is expected");
        }
        return value;
    }

    private JsonValue? ReadNumber()
    {
        int start = _at;
        Accept('-');
        bool isNumber = Accept('0') || SkipDigits();
        if (isNumber && Accept('.'))
            isNumber = SkipDigits();
        if (isNumber && (Accept('e') || Accept('E')))
        {
            _ = Accept('+') || Accept('-');
            isNumber = SkipDigits();
        }
        if (!isNumber)
            return Fail(ProblemIds.Syntax, $"{Here()} where a digit is expected");
        if (_at < _text.Length && (char.IsLetterOrDigit(_text[_at]) || _text[_at] is '.' or '_'))
            return Fail(ProblemIds.Syntax, $"{Here()} in a number");
        return new JsonValue(JsonKind.Number, Since(start)) { Text = _text.Substring(start, _at - start) };
    }

    private JsonValue? ReadWord()
    {
        int start = _at;
        int end = _at;
        while (end < _text.Length && (char.IsLetterOrDigit(_text[end]) || _text[end] == '_'))
            end++;
        string word = _text.Substring(start, end - start);
        if (word is not ("true" or "false" or "null"))
        {
            if (word.Length == 0)
                return Fail(ProblemIds.Syntax, _text[_at] is '/' or '#' ? "a comment; JSON has none, remove it" : $"{Here()} where a value is expected");
            return Fail(ProblemIds.Syntax, $"{JsonValue.Quote(word)} is no JSON value", word.Length);
        }
        _at = end;
        return word == "null"
            ? new JsonValue(JsonKind.Null, Since(start))
            : new JsonValue(JsonKind.Boolean, Since(start)) { Boolean = word == "true" };
    }

    /// <summary>The string that starts here; null after a problem.</summary>
    private JsonValue? ReadString()
    {
        int start = _at++;
        var text = new StringBuilder();
        while (!Peek('"'))
        {
            if (_at >= _text.Length)
            {
                _at = start;
                return Fail(ProblemIds.Syntax, "a string without its closing quote");
            }
            if (_text[_at] < ' ')
                return Fail(ProblemIds.InvalidString, _text[_at] is '\n' or '\r'
                    ? "a line break inside a string" : "a control character inside a string; escape it");
            if (!TryUnit(_at, out char c, out int length))
                return Fail(ProblemIds.InvalidString, "an invalid escape in a string", Math.Min(2, _text.Length - _at));
            text.Append(c);
            if (char.IsSurrogate(c))
            {
                if (!char.IsHighSurrogate(c) || !TryUnit(_at + length, out char low, out int lowLength) || !char.IsLowSurrogate(low))
                    return Fail(ProblemIds.InvalidString, "half a surrogate pair", length);
                text.Append(low);
                length += lowLength;
            }
            _at += length;
        }
        _at++;
        return new JsonValue(JsonKind.String, Since(start)) { Text = text.ToString() };
    }

    /// <summary>The UTF-16 unit at a place of a string, as it stands or escaped, and how long it is there.</summary>
    private bool TryUnit(int at, out char c, out int length)
    {
        const string escapes = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        c = at < _text.Length ? _text[at] : default;
        length = 1;
        if (c != '\\')
            return at < _text.Length;
        char escape = at + 1 < _text.Length ? _text[at + 1] : ' ';
        length = escape == 'u' ? 6 : 2;
        if (escape == 'u')
            return TryHex(at + 2, out c);
        int index = escapes.IndexOf(escape);
        c = index < 0 ? default : meanings[index];
        return index >= 0;
    }

    private bool TryHex(int at, out char c)
    {
        string digits = at + 4 <= _text.Length ? _text.Substring(at, 4) : "";
        bool isHex = digits.Length == 4 && digits.All(Uri.IsHexDigit);
        c = isHex ? (char)int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : default;
        return isHex;
    }

    private void SkipSpace()
    {
        while (_at < _text.Length && _text[_at] is ' ' or '\t' or '\n' or '\r')
        {
            char c = _text[_at++];
            if (c == '\n' || (c == '\r' && !Peek('\n')))
            {
                _line++;
                _lineStart = _at;
            }
        }
    }

    private bool SkipDigits()
    {
        int start = _at;
        while (_at < _text.Length && _text[_at] is >= '0' and <= '9')
            _at++;
        return _at > start;
    }

    private bool Skip(char c)
    {
        SkipSpace();
        return Accept(c);
    }

    private bool Accept(char c)
    {
        bool isThere = Peek(c);
        _at += isThere ? 1 : 0;
        return isThere;
    }

    private bool Peek(char c) => _at < _text.Length && _text[_at] == c;

    private JsonPosition At(int length) => new(_line, _at - _lineStart + 1, _at - _lineStart + 1 + length);

    private JsonPosition Since(int start) => new(_line, start - _lineStart + 1, _at - _lineStart + 1);

    private string Here() => _at >= _text.Length ? "the file ends" : _text[_at] is '/' or '#'
        ? "a comment stands" : $"{JsonValue.Quote(_text[_at].ToString())} stands";

    private JsonValue? Fail(string id, string message, int length = 1)
    {
        _problems.Error(id, At(_at < _text.Length ? length : 0), message);
        return null;
    }
}
