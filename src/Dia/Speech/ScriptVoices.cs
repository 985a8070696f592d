using Dia.Text;

namespace Dia.Speech;

/// <summary>What a script has sounded like so far: earlier pieces that a later one can go on from, so that its voices stay the same.</summary>
public sealed class ScriptVoices
{
    // In the order they were spoken. None holds only speakers that a later one holds too: so there are at most two.
    private readonly List<(Voice Voice, int Speakers)> _pieces = [];

    /// <summary>Remembers a piece; without a frame it is not remembered.</summary>
    /// <param name="piece">Its codes, and its text as the transcript.</param>
    public void Add(Voice piece)
    {
        ArgumentNullException.ThrowIfNull(piece);
        if (piece.Codes.GetLength(0) == 0)
            return;
        int speakers = SpeakersOf(piece.Transcript);
        _pieces.RemoveAll(p => (p.Speakers & ~speakers) == 0);
        _pieces.Add((piece, speakers));
    }

    /// <summary>
    /// The piece to go on from: the last that has all speakers of the next one, else the last, else any; null where none fits.
    /// </summary>
    /// <param name="next">The text of the next piece.</param>
    /// <param name="fits">Whether a piece leaves room for the next one.</param>
    public Voice? Find(string next, Func<Voice, bool> fits)
    {
        ArgumentNullException.ThrowIfNull(fits);
        int speakers = SpeakersOf(next);
        return _pieces.AsEnumerable().Reverse().OrderBy(p => (speakers & ~p.Speakers) == 0 ? 0 : 1).Select(p => p.Voice).FirstOrDefault(fits);
    }

    /// <summary>Bit 0: [S1], bit 1: [S2].</summary>
    private static int SpeakersOf(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return ScriptUnit.Of(text).Where(unit => unit.IsSpeaker)
            .Aggregate(0, (speakers, unit) => speakers | (text.AsSpan(unit.Position, unit.Length) is "[S1]" or "\u0001" ? 1 : 2));
    }
}
