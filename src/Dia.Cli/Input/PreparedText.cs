using Dia.Cli.Options;

namespace Dia.Cli.Input;

/// <summary>A text, tokenised once, and what the model is given before it: a voice's transcript, and a speaker's tag where nothing names one.</summary>
internal sealed class PreparedText
{
    private readonly ScriptPiece _text;
    private readonly string? _tag;
    private readonly bool _hasTranscript;

    /// <summary>Prepares a text.</summary>
    /// <param name="notes">Says what the model makes of it.</param>
    /// <param name="text">The text.</param>
    /// <param name="voice">The voice to speak in, its codes not needed yet; null: none.</param>
    /// <param name="line">The number of its line; null where it is the only text.</param>
    public PreparedText(TextNotes notes, string text, Voice? voice, long? line = null)
    {
        _text = new ScriptPiece(text);
        _hasTranscript = voice is { Transcript.Length: > 0 };
        _tag = notes.TagFor(_hasTranscript ? $"{voice!.Transcript} {text}" : text, line);
        Script = _tag is null || _hasTranscript ? _text : _text.Behind(_tag);
        Length = _text.Ids.Length + (voice?.TranscriptIds.Length ?? 0) + (_tag is null ? 0 : 2);
    }

    /// <summary>Ids of all.</summary>
    public int Length { get; }

    /// <summary>The text as a script, of which a tag is a part like those that stand there.</summary>
    public ScriptPiece Script { get; }

    /// <summary>The voice with what stands before its transcript.</summary>
    public Voice? Behind(Voice? voice) => voice is null || _tag is null || !_hasTranscript
        ? voice
        : new Voice(voice.Codes, $"{_tag} {voice.Transcript}", voice.Codec);

    /// <summary>The text in one piece: whole, or cut where that is allowed.</summary>
    /// <param name="line">The options.</param>
    /// <param name="positions">Ids that the model takes.</param>
    /// <param name="asScript">Whether a tag is a part of the text.</param>
    /// <param name="cuts">Whether the model's own code cuts what is too long.</param>
    /// <exception cref="DiaException">Input: it is too long.</exception>
    public ScriptPiece Whole(CommandLine line, int positions, bool asScript = false, bool cuts = false)
    {
        ScriptPiece piece = asScript ? Script : _text with { Ids = Script.Ids };
        if (Length <= positions)
            return piece;
        if (!cuts && !line.Has(DiaOptions.Truncate))
            throw new DiaException(DiaErrorKind.Input,
                $"the text is {Length} bytes long (a tag counts as one), the model takes {positions}. {(line.Has(DiaOptions.RawText) ? "Leave out --raw-text, split" : line.Has(DiaOptions.NoSplit) ? "Leave out --no-split, split" : "Split")} it yourself, or let --truncate cut it.");
        piece = piece.WithoutEnd(Length - positions);
        // A script ends with a whole character, a text with the last byte that the model takes.
        return asScript ? new ScriptPiece(piece.Text) : piece;
    }
}
