using Dia.Cli.Options;

namespace Dia.Cli.Commands;

/// <summary>What the options of the group "Long scripts" ask for.</summary>
/// <param name="Split">Split even where the model could take the text whole.</param>
/// <param name="NoSplit">Split nothing.</param>
/// <param name="Speed">Times as fast.</param>
/// <param name="Retries">Further attempts for a piece, at most.</param>
internal sealed record ScriptOptions(bool Split, bool NoSplit, double Speed, int Retries)
{
    /// <summary>How splitting works, for the help.</summary>
    public const string Help = """
        Long scripts: a text that is longer than the model can hold is split, as is any text with --split (not the lines of --lines
        and --jsonl: one that is too long is an error; speak it in a run of its own). Pieces are cut at
        speaker turns and sentence ends, else at commas, else between words; each starts with its speaker's tag. The full stops of
        "No. 5", "e.g. this" and "Dr. Who" end no sentence; a piece with nothing to say is left out. At 15 characters
        a second a piece and the voice it goes on from take 20 seconds together, what the model was trained on: pieces are of 5 to 10
        seconds, of up to 20 after a short voice of your own, shorter where the model holds less. That voice is an earlier piece: the last
        with all of the piece's speakers, else the last; one that was spoken oddly fast or slowly, or does not fit into the model
        beside the piece, is passed over. Pieces are joined at a breath of 0.1 to 0.25 seconds, into one WAV.
        With --retries a piece is spoken again where it took less than half of the script's own seconds for its characters (those of
        its pieces so far; before the first, 15 characters a second), or went on to the length limit for more than twice of them. If no
        attempt is as it should be, the longest that ended by itself is kept.
        --speed works while streaming and adds at most 35 ms to the wait.
        """;

    /// <summary>Reads and checks them.</summary>
    /// <exception cref="DiaException">Usage: they contradict each other.</exception>
    public static ScriptOptions Read(CommandLine line)
    {
        var options = new ScriptOptions(
            line.Has(DiaOptions.Split),
            line.Has(DiaOptions.NoSplit),
            line.GetValue(DiaOptions.Speed) ?? 1,
            line.GetValue(DiaOptions.Retries) ?? 0);
        foreach (OptionSpec<bool> other in new[] { DiaOptions.NoSplit, DiaOptions.Truncate })
            if (options.Split && line.Has(other))
                throw CommandLine.Usage($"--split and {other.Name} contradict each other.");
        if (options.Split && line.Has(DiaOptions.RawText))
            throw CommandLine.Usage("--split and --raw-text contradict each other: a piece is given its speaker's tag, and white space between two is left out.");
        if (options.Split && line.Get(DiaOptions.PromptCodes) is not null)
            throw CommandLine.Usage("--split needs to know where the transcript of --prompt-codes ends: name voice and transcript with --clone and --clone-text, or with --voice.");
        if (options.Retries > 0 && line.Has(DiaOptions.Greedy))
            throw CommandLine.Usage("--retries draws with another seed, and --greedy does not draw: leave one of them out.");
        return options;
    }

    /// <summary>Whether it is spoken as a script: one that is split, stretched or spoken again.</summary>
    /// <param name="tooLong">Whether text and transcript are longer than the model can hold.</param>
    /// <param name="line">The options.</param>
    public bool AskFor(bool tooLong, CommandLine line) => Speed != 1 || Retries > 0 || Splits(tooLong, line);

    /// <summary>Whether the text is split.</summary>
    /// <param name="tooLong">Whether text and transcript are longer than the model can hold.</param>
    /// <param name="line">The options.</param>
    public bool Splits(bool tooLong, CommandLine line) =>
        Split || (tooLong && !NoSplit && !line.Has(DiaOptions.RawText) && !line.Has(DiaOptions.Truncate) && line.Get(DiaOptions.PromptCodes) is null);
}
