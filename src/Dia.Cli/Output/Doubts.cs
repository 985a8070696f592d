using Dia.Cli.Options;

namespace Dia.Cli.Output;

/// <summary>What is said of speech that may not be what its text asked for, and of too little room for it before it is made.</summary>
/// <param name="line">The options.</param>
internal sealed class Doubts(CommandLine line)
{
    /// <summary>A doubt as a sentence, and what may help.</summary>
    /// <param name="name">What it is about.</param>
    /// <param name="spoken">What was spoken, with its doubt.</param>
    /// <param name="attempts">With how many seeds.</param>
    /// <param name="inPieces">Whether the text was split.</param>
    public string Describe(string name, Utterance spoken, int attempts = 1, bool inPieces = false)
    {
        SpeechDoubt doubt = spoken.Doubt!;
        string help = doubt.Kind == SpeechDoubtKind.Cut ? $"its end may be missing. {MoreRoom(spoken, inPieces)}"
            : spoken.IsCrowded ? MoreRoom(spoken, inPieces)
            : !spoken.Config.DoSample ? "Another text may help, or drawing in place of the best id each time."
            : attempts > 1 ? Format.Text($"It is the best of {attempts} attempts. Another text may help.")
            : $"Another seed may help ({DiaOptions.Retries.Name} N tries some).";
        return $"{name} {doubt.Message}{(doubt.Kind == SpeechDoubtKind.Cut ? ": " : ". ")}{help}";
    }

    /// <summary>What is to be said before the work starts: that a text takes longer than there is room; null: it does not.</summary>
    /// <param name="name">What it is about.</param>
    /// <param name="utterance">What is to be spoken.</param>
    public string? Room(string name, Utterance utterance) => !utterance.IsCrowded
        ? null
        : Format.Text(
            $"{name} has {utterance.Piece.Characters} characters, which take about {utterance.Piece.Seconds:0.0} s to say, and there is room for {Math.Max(0, utterance.RoomSeconds):0.0} s{(utterance.Voice is null ? "" : " after the voice")}. {MoreRoom(utterance)}");

    private string MoreRoom(Utterance utterance, bool inPieces = false) =>
        line.TryGet(DiaOptions.MaxTokens, out _) ? $"Raise {DiaOptions.MaxTokens.Name}."
        : utterance.Voice is not null ? "Use a shorter voice."
        : inPieces ? "Shorten the text."
        : $"Shorten the text, or let {DiaOptions.Split.Name} speak it in pieces.";
}
