namespace Dia.Text;

/// <summary>How good a place for a cut is, best first.</summary>
internal enum ScriptCutKind
{
    /// <summary>The script's start or end.</summary>
    Edge,

    /// <summary>Before a speaker's tag.</summary>
    Turn,

    /// <summary>After a sentence, or at an empty line.</summary>
    Sentence,

    /// <summary>After a comma and the like, or at the end of a line.</summary>
    Clause,

    /// <summary>Between two words.</summary>
    Word,

    /// <summary>After a full stop that ends no sentence: "No. 5", "Dr. Who".</summary>
    Abbreviation,

    /// <summary>Inside a word that is longer than a piece.</summary>
    InsideWord,

    /// <summary>Between a tag and what it belongs to.</summary>
    AfterTag,
}

/// <summary>A place where a script can be cut, with running counts, so that what lies between two of them is known at once.</summary>
/// <param name="Position">Where the piece before it ends.</param>
/// <param name="Next">Where the piece after it begins: behind the white space.</param>
/// <param name="Kind">How good a place it is.</param>
/// <param name="RepeatedTag">The tag that the piece after it must be given; null where it begins with one, or no speaker is known.</param>
/// <param name="IdsBefore">Ids before <paramref name="Position"/>.</param>
/// <param name="IdsAtNext">Ids before <paramref name="Next"/>.</param>
/// <param name="CharactersBefore">Characters before <paramref name="Position"/>.</param>
/// <param name="CharactersAtNext">Characters before <paramref name="Next"/>.</param>
/// <param name="LettersBefore">Letters and digits before it.</param>
internal readonly record struct ScriptCut(
    int Position, int Next, ScriptCutKind Kind, string? RepeatedTag, int IdsBefore, int IdsAtNext, int CharactersBefore, int CharactersAtNext,
        int LettersBefore);

/// <summary>Finds the places where a script can be cut.</summary>
internal sealed class ScriptCuts
{
    // The longest of the sounds in parentheses that Dia knows, "(clears throat)", has 15.
    private const int LongestSound = 24;

    private const int LongestAbbreviation = 24;

    // Those that a capital may follow; before a digit or a small letter no full stop ends a sentence.
    private static readonly HashSet<string> Abbreviations = new(StringComparer.OrdinalIgnoreCase)
    {
        "Mr.", "Mrs.", "Ms.", "Dr.", "Prof.", "St.", "Mt.", "Jr.", "Sr.", "Rev.", "Gen.", "Col.", "Capt.", "Lt.", "Sgt.", "Gov.", "Sen.", "Rep.",
        "vs.", "cf.", "ca.", "approx.", "e.g.", "i.e.", "Fig.", "Vol.", "pp.", "eq.", "Co.", "Ltd.", "Inc.", "Ph.D.", "z.", "g.",
    };

    private readonly string _text;
    private readonly int _longestWord;
    private readonly List<ScriptCut> _cuts = [];
    private int _position;
    private int _ids;
    private int _characters;
    private int _letters;
    private string? _speaker;

    // Where nothing is written with a capital, a small letter begins a sentence too.
    private readonly bool _hasCapitals;

    private ScriptCuts(string text, int longestWord)
    {
        _text = text;
        _hasCapitals = ScriptUnit.Of(text).Any(unit => unit.Characters > 0 && char.IsUpper(text, unit.Position));
        _longestWord = longestWord;
    }

    /// <summary>The places in order; the first is the script's start, the last its end.</summary>
    /// <param name="text">The script.</param>
    /// <param name="longestWord">Ids of the longest word that is never cut.</param>
    public static List<ScriptCut> Find(string text, int longestWord)
    {
        var finder = new ScriptCuts(text, longestWord);
        finder.Run();
        return finder._cuts;
    }

    private void Run()
    {
        AddAcrossSpace(ScriptCutKind.Edge);
        while (_position < _text.Length)
        {
            Word();
            bool atEnd = EndOfSpace(_position) == _text.Length;
            if (atEnd || char.IsWhiteSpace(_text[_position]))
                AddAcrossSpace(atEnd ? ScriptCutKind.Edge : SpaceKind());
            else
                AddAcrossSpace(SpeakerAt(_position) ? ScriptCutKind.Turn : ScriptCutKind.Sentence);
        }
    }

    /// <summary>Adds a cut here whose white space is skipped.</summary>
    private void AddAcrossSpace(ScriptCutKind kind)
    {
        (int position, int ids, int characters, int letters) = (_position, _ids, _characters, _letters);
        int next = EndOfSpace(_position);
        AdvanceTo(next);
        string? tag = next < _text.Length && SpeakerAt(next) ? null : _speaker;
        _cuts.Add(new ScriptCut(position, next, kind, tag, ids, _ids, characters, _characters, letters));
    }

    /// <summary>Goes past a word: up to white space, a speaker's tag or the end of a sentence that no space follows.</summary>
    private void Word()
    {
        int start = _position, end = EndOfWord(out int ids);
        if (ids <= _longestWord)
        {
            AdvanceTo(end);
            return;
        }

        // A few places are enough, and keep the search short where a word never ends.
        int step = Math.Max(1, _longestWord / 16), last = _ids;
        while (_position < end)
        {
            if (_ids - last >= step && _position > start)
            {
                last = _ids;
                _cuts.Add(new ScriptCut(_position, _position, ScriptCutKind.InsideWord, _speaker, _ids, _ids, _characters, _characters, _letters));
            }

            Advance();
        }
    }

    private int EndOfWord(out int ids)
    {
        ids = 0;
        int i = _position;
        while (i < _text.Length && !char.IsWhiteSpace(_text[i]) && (i == _position || !SpeakerAt(i)))
        {
            int end = i + Math.Max(1, SoundLength(i));
            bool full = IsFullWidthEnd(_text[i]);
            while (i < end)
            {
                var unit = ScriptUnit.At(_text, i);
                ids += unit.Ids;
                i += unit.Length;
            }

            while (full && i < _text.Length && (IsFullWidthEnd(_text[i]) || IsCloser(_text[i])))
                ids += ScriptUnit.At(_text, i++).Ids;
            if (full)
                break;
        }

        return i;
    }

    private void AdvanceTo(int end)
    {
        while (_position < end)
            Advance();
    }

    private void Advance()
    {
        var unit = ScriptUnit.At(_text, _position);
        if (unit.IsSpeaker)
            _speaker = _text.Substring(_position, unit.Length);
        if (unit.Characters > 0 && ScriptText.IsSpoken(_text, _position))
            _letters++;
        _ids += unit.Ids;
        _characters += unit.Characters;
        _position += unit.Length;
    }

    /// <summary>What kind of cut the white space here is.</summary>
    private ScriptCutKind SpaceKind()
    {
        int next = EndOfSpace(_position);
        if (SpeakerAt(next))
            return ScriptCutKind.Turn;
        if (EndsWithSpeaker())
            return ScriptCutKind.AfterTag;
        int lines = _text.AsSpan(_position, next - _position).Count('\n');
        if (lines > 1)
            return ScriptCutKind.Sentence;
        int end = _position;
        while (end > 0 && IsCloser(_text[end - 1]))
            end--;
        char last = end > 0 ? _text[end - 1] : ' ';
        if (last == '.' && (IsAbbreviation(end) || (end == _position && ContinuesAt(next, end))))
            return ScriptCutKind.Abbreviation;
        if (last is '.' or '!' or '?' or '…' || IsFullWidthEnd(last))
            return _hasCapitals && char.IsLower(_text, next) ? ScriptCutKind.Clause : ScriptCutKind.Sentence;
        return lines > 0 || last is ',' or ';' or ':' or '—' or '–' ? ScriptCutKind.Clause : ScriptCutKind.Word;
    }

    /// <summary>"No. 5", "approx. three": what follows a full stop begins no sentence. After an ellipsis a clause may begin.</summary>
    private bool ContinuesAt(int next, int end) =>
        char.IsDigit(_text, next) || (_hasCapitals && char.IsLower(_text, next) && !_text.AsSpan(0, end).EndsWith(".."));

    /// <summary>"Dr. Who", "J. S. Bach", "the U.S. Army", and the number of an item in a list, "1. Bread".</summary>
    private bool IsAbbreviation(int end)
    {
        int start = end;
        while (start > 0 && end - start < LongestAbbreviation && !char.IsWhiteSpace(_text[start - 1]))
            start--;
        ReadOnlySpan<char> word = _text.AsSpan(start, end - start).TrimStart("(\"'“‘");
        return IsInitials(word) || (IsItem(word) && (start == 0 || _text[start - 1] == '\n')) || Abbreviations.Contains(word.ToString());
    }

    /// <summary>Capitals with a full stop after each; not the word "I".</summary>
    private static bool IsInitials(ReadOnlySpan<char> word)
    {
        for (int i = 0; i < word.Length; i++)
            if (i % 2 == 0 ? !char.IsUpper(word[i]) : word[i] != '.')
                return false;
        return word.Length >= 2 && word.Length % 2 == 0 && !word.SequenceEqual("I.");
    }

    private static bool IsItem(ReadOnlySpan<char> word) => word.Length is 2 or 3 && !word[..^1].ContainsAnyExceptInRange('0', '9');

    private bool EndsWithSpeaker()
    {
        string before = _text[Math.Max(0, _position - 4).._position];
        return before.Length > 0 && (before is "[S1]" or "[S2]" || before[^1] is '\u0001' or '\u0002');
    }

    /// <summary>The length of a sound in parentheses, "(clears throat)", which is no place for a cut; 0 where there is none.</summary>
    private int SoundLength(int start)
    {
        if (_text[start] != '(')
            return 0;
        for (int i = start + 1; i < _text.Length && i - start < LongestSound; i++)
        {
            if (_text[i] == ')')
                return i + 1 - start;
            if (!char.IsAsciiLetter(_text[i]) && _text[i] != ' ')
                break;
        }

        return 0;
    }

    private bool SpeakerAt(int position) => position < _text.Length && ScriptUnit.At(_text, position).IsSpeaker;

    private int EndOfSpace(int position)
    {
        while (position < _text.Length && char.IsWhiteSpace(_text[position]))
            position++;
        return position;
    }

    private static bool IsFullWidthEnd(char c) => c is '。' or '！' or '？';

    private static bool IsCloser(char c) => c is '"' or '\'' or ')' or ']' or '”' or '’' or '»' or '」' or '』' or '）';
}
