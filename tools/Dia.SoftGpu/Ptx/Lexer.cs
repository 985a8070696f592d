using System.Collections.Generic;

namespace Dia.SoftGpu.Ptx;

/// <summary>A word, number, string or punctuation mark of PTX and the line it stands on.</summary>
internal readonly record struct Token(string Text, int Line)
{
    public bool Is(string text) => Text == text;
}

/// <summary>The text cannot be loaded: bad syntax, or something that the stated chip or driver does not have.</summary>
internal sealed class PtxException(int line, string message, bool version = false) : Exception($"line {line}: {message}")
{
    public int Line { get; } = line;

    /// <summary>The driver is too old for it, or the chip: a status of its own.</summary>
    public bool Version { get; } = version;
}

/// <summary>Splits PTX into tokens. Words hold dots, <c>%</c> and <c>$</c>: <c>ld.global.f32</c>, <c>%tid.x</c>, <c>$L__BB0_1</c>.</summary>
internal static class Lexer
{
    public static List<Token> Split(string text)
    {
        var tokens = new List<Token>();
        int line = 1, i = 0;
        while (i < text.Length)
        {
            char c = text[i];
            if (c == '\n') { line++; i++; }
            else if (char.IsWhiteSpace(c) || c == '\0') i++;
            else if (c == '/' && i + 1 < text.Length && text[i + 1] == '/')
                while (i < text.Length && text[i] != '\n') i++;
            else if (c == '/' && i + 1 < text.Length && text[i + 1] == '*')
            {
                int end = text.IndexOf("*/", i + 2, StringComparison.Ordinal);
                if (end < 0)
                    throw new PtxException(line, "comment without end");
                for (; i < end + 2; i++)
                    if (text[i] == '\n') line++;
            }
            else if (c == '"')
            {
                int end = text.IndexOf('"', i + 1);
                if (end < 0)
                    throw new PtxException(line, "string without end");
                tokens.Add(new Token(text[i..(end + 1)], line));
                i = end + 1;
            }
            else if (IsWord(c))
            {
                int start = i;
                // "::" joins cache hints to their word: ld.global.L2::128B
                while (i < text.Length && (IsWord(text[i]) || (text[i] == ':' && i + 1 < text.Length && (text[i + 1] == ':' || text[i - 1] == ':'))))
                    i++;
                tokens.Add(new Token(text[start..i], line));
            }
            else
            {
                tokens.Add(new Token(c.ToString(), line));
                i++;
            }
        }
        return tokens;
    }

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '%' or '$' or '_';
}
