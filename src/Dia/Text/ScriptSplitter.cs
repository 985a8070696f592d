namespace Dia.Text;

/// <summary>
/// Splits a script into pieces that a model speaks well: <see cref="ShortestSeconds"/> to <see cref="LongestSeconds"/> of speech,
/// cut at speaker turns and sentence ends; at commas, then at spaces, where a sentence is longer than a piece; inside a word only
/// where the word alone is. Of all ways to cut, the one with the lowest total cost is taken (a shortest path over the places where
/// a cut can be), so that no tiny rest stays at the end.
/// </summary>
public static class ScriptSplitter
{
    /// <summary>The pace that lengths are estimated with: that of English read aloud, about 160 words a minute.</summary>
    public const double CharactersPerSecond = 15;

    /// <summary>Pieces shorter than this sound odd.</summary>
    public const double ShortestSeconds = 5;

    /// <summary>Pieces longer than this are rushed.</summary>
    public const double LongestSeconds = 20;

    /// <summary>The fewest ids a piece can be limited to: a tag, a space and a character must go in, and some text.</summary>
    public const int LowestLimit = 16;

    // What a piece costs, beside what the cut before it does.
    private const double EmptyCost = 100; // no letter and no digit: nothing to say
    private const double ShortCost = 4; // times how much is missing, as a part of the shortest length
    private const double BalanceCost = 0.3; // times the squared relative distance from the middle length

    /// <summary>Characters that take time to say: Unicode scalar values, without the tags.</summary>
    public static int CountCharacters(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return ScriptUnit.Of(text).Sum(unit => unit.Characters);
    }

    /// <summary>The last speaker's tag in a text, as it stands there; null: there is none.</summary>
    public static string? LastSpeaker(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        ScriptUnit last = ScriptUnit.Of(text).LastOrDefault(unit => unit.IsSpeaker);
        return last.IsSpeaker ? text.Substring(last.Position, last.Length) : null;
    }

    /// <summary>Splits a script.</summary>
    /// <param name="script">The script, whole.</param>
    /// <param name="maxIds">Ids of a piece at most (a byte is one, a tag is one), at least <see cref="LowestLimit"/>.</param>
    /// <param name="longestSeconds">Seconds of speech of a piece at most; <see cref="LongestSeconds"/> where the model holds that.</param>
    /// <returns>
    /// The pieces in order, at least one. Between two is nothing but white space, and white space at the script's ends is left out too
    /// (not where there is one piece only). Each starts with its speaker's tag, if the script has named one by then.
    /// </returns>
    /// <exception cref="DiaException">Usage: a limit is out of its range.</exception>
    public static IReadOnlyList<ScriptPiece> Split(ScriptPiece script, int maxIds, double longestSeconds = LongestSeconds)
    {
        ArgumentNullException.ThrowIfNull(script);
        if (maxIds < LowestLimit)
            throw new DiaException(DiaErrorKind.Usage, $"a piece of a script is limited to {maxIds} ids; it must be at least {LowestLimit}.");
        if (!(longestSeconds >= 1))
            throw new DiaException(DiaErrorKind.Usage,
                string.Create(CultureInfo.InvariantCulture, $"a piece of a script is limited to {longestSeconds} seconds; it must be at least 1."));
        int maxCharacters = (int)Math.Min(longestSeconds * CharactersPerSecond, maxIds);
        List<ScriptCut> cuts = ScriptCuts.Find(script.Text, Math.Min(maxIds - 2, maxCharacters - 1));
        int[] previous = Cheapest(CollectionsMarshal.AsSpan(cuts), maxIds, maxCharacters);
        var ends = new Stack<int>();
        for (int end = cuts.Count - 1; end > 0; end = previous[end])
            ends.Push(end);
        if (ends.Count <= 1 && (ends.Count == 0 || (cuts[^1].IdsAtNext <= maxIds && cuts[^1].CharactersAtNext <= maxCharacters)))
            return [script];
        var pieces = new List<ScriptPiece>(ends.Count);
        int start = 0;
        foreach (int end in ends)
        {
            string part = script.Text[cuts[start].Next..cuts[end].Position];
            var piece = new ScriptPiece(cuts[start].Next, part.Length, part, script.Ids[cuts[start].IdsAtNext..cuts[end].IdsBefore]);
            pieces.Add(cuts[start].RepeatedTag is { } tag ? piece.Behind(tag) with { Start = piece.Start, Length = piece.Length } : piece);
            start = end;
        }

        return pieces;
    }

    /// <summary>For each cut, the one before it on the cheapest way there.</summary>
    private static int[] Cheapest(ReadOnlySpan<ScriptCut> cuts, int maxIds, int maxCharacters)
    {
        double shortest = Math.Min(ShortestSeconds * CharactersPerSecond, maxCharacters / 2.0), middle = (shortest + maxCharacters) / 2;
        var costs = new double[cuts.Length];
        var previous = new int[cuts.Length];
        for (int j = 1; j < cuts.Length; j++)
        {
            costs[j] = double.PositiveInfinity;
            ref readonly ScriptCut end = ref cuts[j];
            // Ids and characters only grow going back: once too long, always too long.
            for (int i = j - 1; i >= 0; i--)
            {
                ref readonly ScriptCut start = ref cuts[i];
                int ids = end.IdsBefore - start.IdsAtNext, characters = end.CharactersBefore - start.CharactersAtNext;
                if (ids > maxIds || characters > maxCharacters)
                    break;
                // A repeated tag is an id, and the space after it an id and a character.
                if (start.RepeatedTag is not null && (ids + 2 > maxIds || characters + 1 > maxCharacters))
                    continue;
                double off = (characters - middle) / middle;
                double cost = costs[i] + CutCost(start.Kind) + BalanceCost * off * off
                    + (characters < shortest ? ShortCost * (1 - characters / shortest) : 0)
                    + (end.LettersBefore == start.LettersBefore ? EmptyCost : 0);
                if (cost < costs[j])
                    (costs[j], previous[j]) = (cost, i);
            }
        }

        return previous;
    }

    private static double CutCost(ScriptCutKind kind) => kind switch
    {
        ScriptCutKind.Edge or ScriptCutKind.Turn => 0,
        ScriptCutKind.Sentence => 0.5,
        ScriptCutKind.Clause => 4,
        ScriptCutKind.Word => 8,
        ScriptCutKind.Abbreviation => 30,
        ScriptCutKind.InsideWord => 60,
        _ => 300, // after a tag, which then speaks nothing
    };
}
