using Dia.Configuration;
using Dia.IO;

namespace Dia.Text;

/// <summary>
/// What a script means, whatever system it was written on: the rules of the command <c>dia</c>, for programs that want them. The
/// tokenizer and the processor never change a text.
/// </summary>
public static class ScriptText
{
    /// <summary>Characters below which the released model is inconsistent, as its authors say: it was trained on more.</summary>
    public const int FewCharacters = 100;

    private const char ByteOrderMark = '\uFEFF';

    /// <summary>Outside text as a string.</summary>
    /// <param name="bytes">UTF-8.</param>
    /// <param name="source">What a message calls it: a file's name, "standard input".</param>
    /// <exception cref="DiaException">Input: not UTF-8; the message names the byte, or what it is instead and how to convert it.</exception>
    public static string Decode(ReadOnlySpan<byte> bytes, string source)
    {
        CheckUtf8(bytes, source);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Refuses bytes that are not UTF-8.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="source">What a message calls them.</param>
    /// <exception cref="DiaException">Input: the message names the byte, or what they are instead and how to convert them.</exception>
    public static void CheckUtf8(ReadOnlySpan<byte> bytes, string source)
    {
        // Its first bytes alone: a line of UTF-16 can be valid UTF-8.
        if (FileContent.OtherEncoding(bytes) is { } encoding)
        {
            string start = string.Join(' ', bytes[..Math.Min(4, bytes.Length)].ToArray().Select(b => b.ToString("X2", CultureInfo.InvariantCulture)));
            throw new DiaException(DiaErrorKind.Input, $"{source} is not UTF-8 but {encoding}: it starts with the bytes {start}. "
                + $"Convert it: iconv -f {encoding} -t UTF-8 FILE > NEW_FILE");
        }

        DiaTokenizer.CheckUtf8(bytes, source);
    }

    /// <summary>
    /// The text as every system means it: no byte order mark, lines that end in <c>\n</c>, no white space before and after,
    /// <c>[s1]</c> and <c>[s2]</c> as the tags they are meant for. Doing it again changes nothing.
    /// </summary>
    public static string Normalize(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text
            .Replace(ByteOrderMark.ToString(), "", StringComparison.Ordinal) // files that were put together have one in the middle
            .Replace("\r\n", "\n", StringComparison.Ordinal)
            .Replace('\r', '\n')
            .TrimInvisible()
            .Replace("[s1]", "[S1]", StringComparison.Ordinal)
            .Replace("[s2]", "[S2]", StringComparison.Ordinal);
    }

    /// <summary>A text to speak, or what a recording says.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">What a message calls it.</param>
    /// <param name="raw">Whether every character stays as it is.</param>
    /// <returns>The text as the model is to be given it.</returns>
    /// <exception cref="DiaException">Input: there is nothing to say.</exception>
    public static string Prepare(string text, string source, bool raw)
    {
        string prepared = raw ? text : Normalize(text);
        if (HasSpeech(prepared))
            return prepared;
        throw new DiaException(DiaErrorKind.Input, string.IsNullOrWhiteSpace(text)
            ? $"{source} is empty: there is nothing to say."
            : $"{source} has no letter and no digit beside speaker tags: there is nothing to say.");
    }

    /// <summary>Whether there is something to say: a letter or a digit of any script outside the tags. A sound, "(laughs)", has letters.</summary>
    public static bool HasSpeech(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return ScriptUnit.Of(text).Any(unit => unit.Characters > 0 && IsSpoken(text, unit.Position));
    }

    /// <summary>The start of a text that has so many ids at most.</summary>
    public static string First(string text, int ids)
    {
        ArgumentNullException.ThrowIfNull(text);
        int end = 0;
        while (end < text.Length && ScriptUnit.At(text, end) is var unit && unit.Ids <= ids)
            (end, ids) = (end + unit.Length, ids - unit.Ids);
        return text[..end];
    }

    /// <summary>Whether the text begins by saying who speaks.</summary>
    public static bool StartsWithSpeaker(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length > 0 && ScriptUnit.At(text, 0).IsSpeaker;
    }

    /// <summary>Whether a text is so short that the released model is inconsistent; false for models of another size.</summary>
    public static bool IsShortFor(DiaConfig config, string text)
    {
        ArgumentNullException.ThrowIfNull(config);
        bool released = config.EncoderConfig is { HiddenSize: 1024, NumHiddenLayers: 12 } && config.DecoderConfig is { HiddenSize: 2048, NumHiddenLayers: 18 };
        return released && ScriptSplitter.CountCharacters(text) < FewCharacters;
    }

    /// <summary>Without white space and characters that show nothing (of no width, marks of direction) before and after.</summary>
    private static string TrimInvisible(this string text)
    {
        int start = 0, end = text.Length;
        while (start < end && IsInvisible(text[start]))
            start++;
        while (end > start && IsInvisible(text[end - 1]))
            end--;
        return text[start..end];
    }

    private static bool IsInvisible(char c) => char.IsWhiteSpace(c) || char.GetUnicodeCategory(c) == UnicodeCategory.Format;

    /// <summary>Whether the character at a position, which may be a surrogate pair, is a letter or a number that shows.</summary>
    internal static bool IsSpoken(string text, int position)
    {
        // Fillers of Hangul are letters that show nothing: people send them as blank messages.
        if (text[position] is '\u115F' or '\u1160' or '\u3164' or '\uFFA0')
            return false;
        return CharUnicodeInfo.GetUnicodeCategory(text, position) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter
            or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
            or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
    }
}
