using Dia.Cli.Options;

namespace Dia.Cli.Commands;

/// <summary>The options of the group "Long scripts".</summary>
internal static class ScriptOptions
{
    /// <summary>How splitting works, for the help.</summary>
    public const string Help = """
        Long scripts: a text that is longer than the model can hold is split, as is any text with --split, lines of
        --lines and --jsonl too: their pieces are spoken one after the other, beside those of other lines. Pieces are cut at
        speaker turns and sentence ends, else at commas, else between words; each starts with its speaker's tag. The full stops of
        "No. 5", "e.g. this" and "Dr. Who" end no sentence; a piece with nothing to say is left out. At 15 characters
        a second a piece and the voice it goes on from take 20 seconds together, what the model was trained on: pieces are of 5 to 10
        seconds, of up to 20 after a short voice of your own, shorter where the model holds less. That voice is an earlier piece: the last
        with all of the piece's speakers, else the last; one that was spoken oddly fast or slowly, or does not fit into the model
        beside the piece, is passed over. Pieces are joined at a breath of 0.1 to 0.25 seconds, into one output.
        With --retries a piece is spoken again where it took less than half of the script's own seconds for its characters (those of
        its pieces so far; before the first, 15 characters a second), or went on to the length limit for more than twice of them. If no
        attempt is as it should be, the longest that ended by itself is kept.
        --speed works while streaming and adds at most 35 ms to the wait.
        """;

    /// <summary>Refuses options that contradict each other.</summary>
    /// <exception cref="DiaException">Usage.</exception>
    public static void Check(CommandLine line)
    {
        bool split = line.Has(DiaOptions.Split);
        foreach (OptionSpec<bool> other in new[] { DiaOptions.NoSplit, DiaOptions.Truncate })
            if (split && line.Has(other))
                throw CommandLine.Usage($"--split and {other.Name} contradict each other.");
        if (split && line.Has(DiaOptions.RawText))
            throw CommandLine.Usage(
                "--split and --raw-text contradict each other: a piece is given its speaker's tag, and white space between two is left out.");
        if (split && line.Get(DiaOptions.PromptCodes) is not null)
            throw CommandLine.Usage(
                "--split needs to know where the transcript of --prompt-codes ends: name voice and transcript with --clone and --clone-text, or with --voice.");
        if (line.GetValue(DiaOptions.Retries) > 0 && line.Has(DiaOptions.Greedy))
            throw CommandLine.Usage("--retries draws with another seed, and --greedy does not draw: leave one of them out.");
    }
}
