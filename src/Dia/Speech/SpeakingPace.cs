using Dia.Text;

namespace Dia.Speech;

/// <summary>
/// How long a script's characters take to say, and whether a piece can have been spoken in the time it took. A piece is too short where it took less
/// than half of the script's own seconds for its characters, too long where it took more than twice of them. The script's own are those of its
/// pieces so far that were neither; before the first of them, those of <see cref="ScriptSplitter.CharactersPerSecond"/>.
/// </summary>
public sealed class SpeakingPace
{
    private const double Tolerance = 2;

    private double _seconds;
    private long _characters;

    /// <summary>The script's own seconds for a character.</summary>
    public double SecondsPerCharacter => _characters == 0 ? 1 / ScriptSplitter.CharactersPerSecond : _seconds / _characters;

    /// <summary>Whether a piece ended before its text can have been spoken.</summary>
    public bool IsTooShort(int characters, double seconds) => seconds * Tolerance < characters * SecondsPerCharacter;

    /// <summary>Whether a piece went on for much longer than its text takes.</summary>
    public bool IsTooLong(int characters, double seconds) => seconds > Tolerance * characters * SecondsPerCharacter;

    /// <summary>Counts a piece, unless it is too short or too long.</summary>
    /// <returns>Whether it was counted.</returns>
    public bool Add(int characters, double seconds)
    {
        if (characters == 0 || IsTooShort(characters, seconds) || IsTooLong(characters, seconds))
            return false;
        _seconds += seconds;
        _characters += characters;
        return true;
    }
}
