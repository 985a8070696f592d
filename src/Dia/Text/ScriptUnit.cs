namespace Dia.Text;

/// <summary>What a script must not be cut inside of: a tag, or one Unicode scalar value.</summary>
/// <param name="Position">Where it begins in the text.</param>
/// <param name="Length">UTF-16 units.</param>
/// <param name="Ids">Ids of the tokenizer.</param>
/// <param name="Characters">1; 0 for a tag.</param>
/// <param name="IsSpeaker">Whether it is a speaker's tag.</param>
internal readonly record struct ScriptUnit(int Position, int Length, int Ids, int Characters, bool IsSpeaker)
{
    /// <summary>The unit at a position.</summary>
    public static ScriptUnit At(string text, int position)
    {
        ReadOnlySpan<char> rest = text.AsSpan(position);
        // The bytes 1 and 2 have the ids of the speakers' tags.
        if (rest[0] is '\u0001' or '\u0002')
            return new ScriptUnit(position, 1, 1, 0, true);
        if (rest.StartsWith("[S1]") || rest.StartsWith("[S2]"))
            return new ScriptUnit(position, 4, 1, 0, true);
        if (rest.StartsWith("<pad>"))
            return new ScriptUnit(position, 5, 1, 0, false);
        _ = Rune.DecodeFromUtf16(rest, out Rune rune, out int length); // a lone surrogate reads as U+FFFD
        return new ScriptUnit(position, length, rune.Utf8SequenceLength, 1, false);
    }

    /// <summary>The units of a text, in order.</summary>
    public static IEnumerable<ScriptUnit> Of(string text)
    {
        for (int i = 0; i < text.Length;)
        {
            ScriptUnit unit = At(text, i);
            yield return unit;
            i += unit.Length;
        }
    }
}
