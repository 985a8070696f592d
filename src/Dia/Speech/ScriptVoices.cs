using Dia.Text;

namespace Dia.Speech;

/// <summary>What a script has sounded like so far: earlier pieces that a later one can go on from, so that its voices stay the same.</summary>
public sealed class ScriptVoices
{
    // In the order they were spoken. None holds only speakers that a later one holds too: so there are at most two.
    private readonly List<SpokenPiece> _pieces = [];

    /// <summary>Remembers a piece.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="codes">Its codes [frames, channels]; with no frame it is not remembered.</param>
    public void Add(string text, int[,] codes)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(codes);
        if (codes.GetLength(0) == 0)
            return;
        int speakers = SpeakersOf(text);
        _pieces.RemoveAll(p => (p.Speakers & ~speakers) == 0);
        _pieces.Add(new SpokenPiece(text, codes, speakers));
    }

    /// <summary>
    /// The piece to go on from: the last that has all speakers of the next one, else the last, else any; null where none fits.
    /// </summary>
    /// <param name="next">The text of the next piece.</param>
    /// <param name="fits">Whether a piece, given by text and codes, leaves room for the next one.</param>
    public (string Text, int[,] Codes)? Find(string next, Func<string, int[,], bool> fits)
    {
        ArgumentNullException.ThrowIfNull(fits);
        int speakers = SpeakersOf(next);
        foreach (SpokenPiece piece in _pieces.AsEnumerable().Reverse().OrderBy(p => (speakers & ~p.Speakers) == 0 ? 0 : 1))
            if (fits(piece.Text, piece.Codes))
                return (piece.Text, piece.Codes);
        return null;
    }

    /// <summary>Bit 0: [S1], bit 1: [S2].</summary>
    private static int SpeakersOf(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return ScriptUnit.Of(text).Where(unit => unit.IsSpeaker)
            .Aggregate(0, (speakers, unit) => speakers | (text.AsSpan(unit.Position, unit.Length) is "[S1]" or "\u0001" ? 1 : 2));
    }

    private sealed record SpokenPiece(string Text, int[,] Codes, int Speakers);
}
