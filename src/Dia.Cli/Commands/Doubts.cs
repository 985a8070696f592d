using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Configuration;
using Dia.Speech;
using Dia.Text;

namespace Dia.Cli.Commands;

/// <summary>What is said of speech that may not be what its text asked for, and of too little room for it before it is made.</summary>
/// <param name="Line">The options.</param>
/// <param name="FramesPerSecond">Frames of a second of sound; null: no codec says.</param>
/// <param name="Config">How it is generated.</param>
/// <param name="Transcript">What the voice before it says; empty: the text begins with it; null: there is no voice.</param>
internal sealed record Doubts(CommandLine Line, double? FramesPerSecond, GenerationConfig Config, string? Transcript)
{
    private bool IsOfLine => DiaOptions.LinesOf(Line) is not null;

    private bool TranscriptInText => Transcript is { Length: 0 };

    /// <summary>Looks at an utterance that was spoken by itself.</summary>
    /// <param name="result">What it came to.</param>
    /// <param name="job">The job.</param>
    /// <param name="text">Its text, without the transcript of a voice that is known.</param>
    public SpeechDoubt? Of(SpeechResult result, SpeechJob job, string text)
    {
        int voice = job.Prompt?.GetLength(0) ?? 0, frames = result.Frames - (job.KeepPrompt ? voice : 0);
        return SpeechDoubt.Of(
            result.Stop,
            frames,
            (frames + (TranscriptInText ? voice : 0)) / FramesPerSecond,
            result.Peak,
            ScriptSplitter.CountCharacters(text),
            new SpeakingPace());
    }

    /// <summary>A doubt as a sentence, and what may help.</summary>
    /// <param name="name">What it is about.</param>
    /// <param name="doubt">The doubt.</param>
    /// <param name="crowded">Whether there was less room than its text takes.</param>
    /// <param name="attempts">With how many seeds it was spoken.</param>
    /// <param name="inPieces">Whether the text was split.</param>
    public string Describe(string name, SpeechDoubt doubt, bool crowded, int attempts = 1, bool inPieces = false)
    {
        string help = doubt.Kind == SpeechDoubtKind.Cut ? $"its end may be missing. {MoreRoom(inPieces)}"
            : crowded ? MoreRoom(inPieces)
            : !Config.DoSample ? "Another text may help, or drawing in place of the best id each time."
            : attempts > 1 ? Format.Text($"It is the best of {attempts} attempts. Another text may help.")
            : IsOfLine ? "Another seed may help."
            : $"Another seed may help ({DiaOptions.Retries.Name} N tries some).";
        return $"{name} {doubt.Message}{(doubt.Kind == SpeechDoubtKind.Cut ? ": " : ". ")}{help}";
    }

    /// <summary>What is to be said before the work starts: that a text takes longer than there is room; null: it does not.</summary>
    /// <param name="name">What it is about.</param>
    /// <param name="text">What is to be said.</param>
    /// <param name="promptRows">Rows of the prompt, BOS included.</param>
    public string? Room(string name, string text, int promptRows)
    {
        int characters = ScriptSplitter.CountCharacters(text), rows = Sampling.RowLimit(Config, promptRows) - promptRows;
        double needed = characters / ScriptSplitter.CharactersPerSecond;
        double room = (rows - Config.DelayPattern.Max() - 1) / FramesPerSecond ?? double.PositiveInfinity;
        return TranscriptInText || room >= needed
            ? null
            : Format.Text($"{name} has {characters} characters, which take about {needed:0.0} s to say, and there is room for {Math.Max(0, room):0.0} s{(Transcript is null ? "" : " after the voice")}. {MoreRoom()}");
    }

    private string MoreRoom(bool inPieces = false) =>
        Line.TryGet(DiaOptions.MaxTokens, out _) ? $"Raise {DiaOptions.MaxTokens.Name}."
        : Transcript is not null ? "Use a shorter voice."
        : IsOfLine || inPieces ? "Shorten the text."
        : $"Shorten the text, or let {DiaOptions.Split.Name} speak it in pieces.";
}
