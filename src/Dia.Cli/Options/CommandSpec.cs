namespace Dia.Cli.Options;

/// <summary>A command: what it is called, what it takes, what it does.</summary>
/// <param name="Name">The word that names it; empty for text to speech, which has none.</param>
/// <param name="Summary">What it does, in a line.</param>
/// <param name="Words">What the help calls its words: "A B" are two, "A..." any number, "a|b" one of these.</param>
/// <param name="Groups">Its options, those that all commands have left out.</param>
/// <param name="Details">What the help says after the summary: examples, formats, rules.</param>
/// <param name="Run">Does it.</param>
internal sealed record CommandSpec(
    string Name,
    string Summary,
    string Words,
    IReadOnlyList<OptionGroup> Groups,
    string Details,
    Action<Invocation> Run)
{
    /// <summary>How many words it takes; null: any number.</summary>
    public int? WordCount => Words.EndsWith("...", StringComparison.Ordinal) ? null : Words.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;

    /// <summary>What its words can be, where they can be listed: what a shell completes.</summary>
    public IReadOnlyList<string> WordChoices => Words.Contains('|') ? Words.Split('|') : [];

    /// <summary>All of its options.</summary>
    public IEnumerable<OptionSpec> Options => Groups.Append(DiaOptions.Messages).SelectMany(g => g.Options);

    /// <summary>How it is called: "dia", or "dia forward".</summary>
    public string Title => Name.Length == 0 ? "dia" : "dia " + Name;
}
