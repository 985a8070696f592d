using System.Buffers;

namespace Dia.Text;

/// <summary>
/// Finds what people write for other programs: tags of further speakers, pauses, SSML, Markdown. The model reads all of it as text.
/// It looks for what can hardly be prose: "a [sic]", "(laughs)", "1 &lt; 2" and "Note: this" are none.
/// </summary>
public static class ScriptMarkup
{
    // No tag is longer; it keeps the search short where one never ends.
    private const int Longest = 200;
    private const int LongestShown = 30;

    // What square brackets are used for elsewhere: "[pause]", "[laughs softly]". Sounds that the model knows stand in parentheses.
    private static readonly HashSet<string> Cues = new(StringComparer.OrdinalIgnoreCase)
    {
        "pause", "break", "silence", "laugh", "laughs", "laughter", "sigh", "sighs", "cough", "coughs", "music", "whisper", "whispers",
    };

    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:");

    /// <summary>The first different pieces of markup, as they stand in the text but shortened, without control characters.</summary>
    /// <param name="text">The text; <c>[S1]</c>, <c>[S2]</c> and <c>&lt;pad&gt;</c> are no markup.</param>
    /// <param name="most">How many, at most.</param>
    public static IReadOnlyList<string> Find(string text, int most)
    {
        ArgumentNullException.ThrowIfNull(text);
        var found = new List<string>();
        for (int i = 0; i < text.Length && found.Count < most;)
        {
            var unit = ScriptUnit.At(text, i);
            int length = unit.Characters == 0 ? 0 : LengthAt(text, i);
            if (length > 0 && Shown(text.AsSpan(i, length)) is var shown && !found.Contains(shown))
                found.Add(shown);
            i += Math.Max(length, unit.Length);
        }

        return found;
    }

    /// <summary>The length of the markup that begins at a position; 0 where none does.</summary>
    private static int LengthAt(string text, int start)
    {
        ReadOnlySpan<char> rest = text.AsSpan(start, Math.Min(Longest, text.Length - start));
        bool wordStarts = start == 0 || char.IsWhiteSpace(text[start - 1]), lineStarts = start == 0 || text[start - 1] == '\n';
        return rest[0] switch
        {
            '[' => Brackets(rest),
            '{' => Enclosed(rest, '}') is > 2 and var n && IsName(rest[1..(n - 1)]) ? n : 0,
            '<' => Enclosed(rest, '>') is > 2 and var n && IsElement(rest[1..(n - 1)]) ? n : 0,
            '&' => Enclosed(rest, ';') is > 3 and < 12 and var n && IsEntity(rest[1..(n - 1)]) ? n : 0,
            '*' or '_' or '`' => wordStarts ? Emphasis(rest) : 0,
            '#' => lineStarts ? Heading(rest) : 0,
            'S' or 's' => wordStarts ? Name(rest) : 0,
            _ => 0,
        };
    }

    /// <summary>The length up to the first closing character; 0 where the line ends before it, or another opens.</summary>
    private static int Enclosed(ReadOnlySpan<char> rest, char close)
    {
        int end = rest[1..].IndexOfAny(close, '\n', rest[0]);
        return end >= 0 && rest[end + 1] == close ? end + 2 : 0;
    }

    /// <summary>"[S3]", "[pause:1s]", "[text](https://example.org)".</summary>
    private static int Brackets(ReadOnlySpan<char> rest)
    {
        int length = Enclosed(rest, ']');
        if (length <= 2)
            return 0;
        if (rest[length..].StartsWith("(http") && rest[length..].IndexOfAny(")\n ") is var end and > 0)
            return length + end + 1;
        ReadOnlySpan<char> inside = rest[1..(length - 1)];
        return IsCue(inside) || IsSpeaker(inside.Trim().TrimEnd(':')) ? length : 0;
    }

    /// <summary>"S3", "s 1", "Speaker 2".</summary>
    private static bool IsSpeaker(ReadOnlySpan<char> word)
    {
        int prefix = word.StartsWith("speaker", StringComparison.OrdinalIgnoreCase) ? "speaker".Length
            : word.StartsWith("s", StringComparison.OrdinalIgnoreCase) ? 1 : 0;
        ReadOnlySpan<char> number = word[prefix..].Trim(" _");
        return prefix > 0 && number.Length is 1 or 2 && !number.ContainsAnyExceptInRange('0', '9');
    }

    /// <summary>"pause", "pause 1s", "emotion:happy", "rate=slow".</summary>
    private static bool IsCue(ReadOnlySpan<char> inside)
    {
        int end = inside.IndexOfAny(" :=");
        ReadOnlySpan<char> word = end < 0 ? inside : inside[..end];
        if (Cues.Contains(word.ToString()))
            return true;
        // A note of an editor has a blank after its colon, a time begins with a digit, an address has slashes.
        return end > 0 && end + 1 < inside.Length && IsName(word) && char.IsAsciiLetter(word[0]) && inside.IndexOfAny(' ', '/') < 0;
    }

    /// <summary>"pause 1s", "/speak", "break time="1s"/", "?xml version="1.0"?", "!-- a comment --"; no addresses.</summary>
    private static bool IsElement(ReadOnlySpan<char> inside)
    {
        if (inside[0] == '?' || inside.StartsWith("!--"))
            return true;
        ReadOnlySpan<char> name = inside.TrimStart('/');
        int end = name.IndexOfAny(" \t/");
        name = end < 0 ? name : name[..end];
        return IsName(name) && char.IsAsciiLetter(name[0]) && !inside.Contains('@') && !inside.Contains("://", StringComparison.Ordinal);
    }

    /// <summary>"amp", "#39".</summary>
    private static bool IsEntity(ReadOnlySpan<char> inside) => inside[0] == '#'
        ? char.IsAsciiLetterOrDigit(inside[1]) && IsName(inside[1..])
        : !inside.ContainsAnyExceptInRange('a', 'z');

    /// <summary>"*soft*", "**loud**", "_so_", "`code`", and a fence of code.</summary>
    private static int Emphasis(ReadOnlySpan<char> rest)
    {
        ReadOnlySpan<char> run = rest[..(rest.IndexOfAnyExcept(rest[0]) is var other and >= 0 ? other : rest.Length)];
        if (run.Length >= 3 && run[0] == '`')
            return run.Length;
        ReadOnlySpan<char> inside = rest[run.Length..];
        if (run.Length > 3 || inside.IsEmpty || !char.IsLetter(inside[0]))
            return 0;
        int end = inside.IndexOfAny(run[0], '\n');
        if (end <= 0 || char.IsWhiteSpace(inside[end - 1]) || !inside[end..].StartsWith(run))
            return 0;
        ReadOnlySpan<char> after = inside[(end + run.Length)..];
        return after.IsEmpty || !char.IsLetterOrDigit(after[0]) ? run.Length + end + run.Length : 0;
    }

    /// <summary>"# Title".</summary>
    private static int Heading(ReadOnlySpan<char> rest)
    {
        int level = rest.IndexOfAnyExcept('#');
        if (level is < 1 or > 6 || rest[level] != ' ' || level + 1 >= rest.Length || !char.IsLetter(rest[level + 1]))
            return 0;
        int end = rest.IndexOf('\n');
        return end < 0 ? rest.Length : end;
    }

    /// <summary>"S1:", "Speaker 2:".</summary>
    private static int Name(ReadOnlySpan<char> rest)
    {
        int colon = rest[..Math.Min(rest.Length, 12)].IndexOf(':');
        return colon > 0 && IsSpeaker(rest[..colon]) && (colon + 1 == rest.Length || char.IsWhiteSpace(rest[colon + 1])) ? colon + 1 : 0;
    }

    private static bool IsName(ReadOnlySpan<char> word) => !word.IsEmpty && !word.ContainsAnyExcept(NameCharacters);

    private static string Shown(ReadOnlySpan<char> markup)
    {
        // Half of a pair cannot be written, and control characters would do something to the terminal.
        ReadOnlySpan<char> start = markup[..Math.Min(markup.Length, LongestShown)];
        start = char.IsHighSurrogate(start[^1]) ? start[..^1] : start;
        string shown = string.Concat(start.ToString().Select(c => char.IsControl(c) ? ' ' : c));
        return markup.Length > LongestShown ? shown + "…" : shown;
    }
}
