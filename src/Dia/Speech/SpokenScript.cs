namespace Dia.Speech;

/// <summary>What a script came to.</summary>
public sealed record SpokenScript
{
    /// <summary>The best attempt of each piece, in order.</summary>
    public required IReadOnlyList<Utterance> Pieces { get; init; }

    /// <summary>The codes of all pieces, one after the other [frames, channels].</summary>
    public required int[,] Codes { get; init; }

    /// <summary>Rows that were generated, those of attempts that were dropped too.</summary>
    public required int GeneratedRows { get; init; }

    /// <summary>From the start to the first samples; null: there were none.</summary>
    public required TimeSpan? FirstAudio { get; init; }

    /// <summary>The model's rows of the only piece; null where there are several: each has its own prompt and its own end.</summary>
    public int[,]? Rows => Pieces.Count == 1 ? Pieces[0].Result!.Rows : null;

    /// <summary>Frames of all pieces.</summary>
    public int Frames => Codes.GetLength(0);

    /// <summary>Pieces that the length limit ended.</summary>
    public int CutPieces => Pieces.Count(p => p.Result!.Stop == SpeechStop.Length);

    /// <summary>Pieces that may not be what their text asked for.</summary>
    public int DoubtfulPieces => Pieces.Count(p => p.Doubt is not null);
}
