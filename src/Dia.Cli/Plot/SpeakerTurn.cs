namespace Dia.Cli.Plot;

/// <summary>What one speaker says before another does.</summary>
/// <param name="Speaker">1 or 2; 0 where the text does not say.</param>
/// <param name="Text">What is said.</param>
internal sealed record SpeakerTurn(int Speaker, string Text)
{
    /// <summary>The share of speech that a turn is taken for: its characters, white space left out.</summary>
    public int Weight { get; } = Text.Count(c => !char.IsWhiteSpace(c));

    /// <summary>Takes a text apart at its tags, [S1] and [S2] or the bytes 1 and 2 that they stand for; turns without a word are left out.</summary>
    public static IReadOnlyList<SpeakerTurn> Find(string text)
    {
        var turns = new List<SpeakerTurn>();
        int speaker = 0, start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            ReadOnlySpan<char> rest = text.AsSpan(i);
            int next = rest[0] is '\u0001' or '\u0002' ? rest[0] : rest.StartsWith("[S1]") ? 1 : rest.StartsWith("[S2]") ? 2 : 0;
            if (next == 0)
                continue;
            turns.Add(new SpeakerTurn(speaker, text[start..i].Trim()));
            speaker = next;
            start = i + (rest[0] == '[' ? "[S1]".Length : 1);
        }

        turns.Add(new SpeakerTurn(speaker, text[start..].Trim()));
        return [.. turns.Where(t => t.Weight > 0)];
    }
}
