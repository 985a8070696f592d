using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Generation;
using Dia.Modeling;
using Dia.Speech;
using Dia.Text;
using Dia.Weights;

namespace Dia.Cli.Commands;

/// <summary>What is said of speech that may not be what its text asked for, and of too little room for it before it is made.</summary>
/// <param name="line">The options.</param>
/// <param name="framesPerSecond">Frames of a second of sound; null: no codec says.</param>
internal sealed class Doubts(CommandLine line, double? framesPerSecond)
{
    private readonly bool _isOfLine = DiaOptions.LinesOf(line) is not null;

    /// <summary>Looks at an utterance that was spoken by itself.</summary>
    /// <param name="result">What it came to.</param>
    /// <param name="job">The job.</param>
    /// <param name="text">Its text, without the transcript of a voice that is known.</param>
    /// <param name="transcriptInText">Whether the text begins with the voice's transcript.</param>
    public SpeechDoubt? Of(SpeechResult result, SpeechJob job, string text, bool transcriptInText)
    {
        int voice = job.Prompt?.GetLength(0) ?? 0, frames = result.Frames - (job.KeepPrompt ? voice : 0);
        return SpeechDoubt.Of(
            result.Stop,
            frames,
            (frames + (transcriptInText ? voice : 0)) / framesPerSecond,
            result.Peak,
            ScriptSplitter.CountCharacters(text),
            new SpeakingPace());
    }

    /// <summary>A doubt as a sentence, and what may help.</summary>
    /// <param name="name">What it is about.</param>
    /// <param name="doubt">The doubt.</param>
    /// <param name="config">How it was generated.</param>
    /// <param name="voice">Whether there was a voice before it.</param>
    /// <param name="crowded">Whether there was less room than its text takes.</param>
    /// <param name="attempts">With how many seeds it was spoken.</param>
    /// <param name="inPieces">Whether the text was split.</param>
    public string Describe(string name, SpeechDoubt doubt, GenerationConfig config, bool voice, bool crowded, int attempts = 1, bool inPieces = false)
    {
        string help = doubt.Kind == SpeechDoubtKind.Cut ? $"its end may be missing. {MoreRoom(voice, inPieces)}"
            : crowded ? MoreRoom(voice, inPieces)
            : !config.DoSample ? "Another text may help, or drawing in place of the best id each time."
            : attempts > 1 ? Format.Text($"It is the best of {attempts} attempts. Another text may help.")
            : _isOfLine ? "Another seed may help."
            : $"Another seed may help ({DiaOptions.Retries.Name} N tries some).";
        return $"{name} {doubt.Message}{(doubt.Kind == SpeechDoubtKind.Cut ? ": " : ". ")}{help}";
    }

    /// <summary>What is to be said before the work starts: that a text takes longer than there is room; null: it does not.</summary>
    /// <param name="name">What it is about.</param>
    /// <param name="text">What is to be said.</param>
    /// <param name="rows">Rows that can be generated.</param>
    /// <param name="config">How.</param>
    /// <param name="voice">Whether there is a voice before it.</param>
    public string? Room(string name, string text, int rows, GenerationConfig config, bool voice)
    {
        int characters = ScriptSplitter.CountCharacters(text);
        double needed = characters / ScriptSplitter.CharactersPerSecond;
        double room = (rows - config.DelayPattern.Max() - 1) / framesPerSecond ?? double.PositiveInfinity;
        return room >= needed
            ? null
            : Format.Text($"{name} has {characters} characters, which take about {needed:0.0} s to say, and there is room for {Math.Max(0, room):0.0} s{(voice ? " after the voice" : "")}. {MoreRoom(voice)}");
    }

    private string MoreRoom(bool voice, bool inPieces = false) =>
        line.TryGet(DiaOptions.MaxTokens, out _) ? $"Raise {DiaOptions.MaxTokens.Name}."
        : voice ? "Use a shorter voice."
        : _isOfLine || inPieces ? "Shorten the text."
        : $"Shorten the text, or let {DiaOptions.Split.Name} speak it in pieces.";
}
