namespace Dia.Cli.Options;

/// <summary>Writes the manual page from the commands' definitions, in the man macros of roff; without a date, so that it is the same each time.</summary>
internal static class ManWriter
{
    /// <summary>The page.</summary>
    /// <param name="commands">The commands; the first is the one without a name.</param>
    public static string Write(IReadOnlyList<CommandSpec> commands)
    {
        CommandSpec speak = commands[0];
        var text = new StringBuilder();
        text.Append($".TH DIA 1 \"\" \"dia {BuildInfo.Version}\" \"User Commands\"\n.nh\n");
        text.Append(".SH NAME\ndia \\- text to dialogue\n.SH SYNOPSIS\n.nf\n");
        foreach (CommandSpec command in commands)
            text.Append(Bold(command.Title)).Append($" [\\fIOPTIONS\\fR]{(command.Words.Length > 0 ? " " : "")}{Italic(command.Words)}\n");
        text.Append(".fi\n.SH DESCRIPTION\n").Append(Line(speak.Summary));
        AppendDetails(text, speak);
        text.Append(".SH OPTIONS\n");
        foreach (OptionGroup group in speak.Groups.Append(DiaOptions.Messages))
        {
            text.Append($".SS {Escape(group.Title)}\n");
            foreach (OptionSpec option in group.Options)
                AppendOption(text, option);
        }

        text.Append(".SH COMMANDS\nEvery command takes the options under Messages too.\n");
        foreach (CommandSpec command in commands.Skip(1))
        {
            text.Append($".SS {Bold(command.Title)} {Italic(command.Words)}".TrimEnd()).Append('\n').Append(Line(command.Summary));
            foreach (OptionGroup group in command.Groups)
                foreach (OptionSpec option in group.Options)
                    AppendOption(text, option, group.ShowsDefaults);
            AppendDetails(text, command);
        }

        text.Append(".SH EXIT STATUS\n");
        foreach (var (code, meaning) in ExitCodes.Meanings)
            text.Append($".TP\n{Bold(Format.Text($"{code}"))}\n{Line(meaning)}");
        text.Append(
            ".SH ENVIRONMENT\nAn option on the command line goes before its variable; an empty variable counts as not set. The variable of a flag is 1 or 0.\n");
        foreach (OptionSpec option in commands.SelectMany(c => c.Options).Where(o => o.HasVariable).DistinctBy(o => o.Name)
            .OrderBy(o => o.Name, StringComparer.Ordinal))
            text.Append($".TP\n{Bold(option.Variable)}\nSets {Bold(option.Name)}.\n");
        text.Append($".TP\n{Bold(InstructionLevel.Variable)}\n{Line(InstructionLevel.Help)}");
        return text.ToString();
    }

    private static void AppendOption(StringBuilder text, OptionSpec option, bool showsDefault = true)
    {
        string names = string.Join(", ", Completion.Names(option).Select(Bold));
        text.Append($".TP\n{names}{(option.Value is null ? "" : " " + Italic(option.Value))}\n");
        text.Append(Line(option.Help + (option.Default is null || !showsDefault ? "" : $" Default: {option.Default}.")));
    }

    /// <summary>As it stands: examples and tables.</summary>
    private static void AppendDetails(StringBuilder text, CommandSpec command)
    {
        if (command.Details.Length == 0)
            return;
        text.Append(".PP\n.nf\n");
        foreach (string line in command.Details.Split('\n'))
            text.Append(line.Length == 0 ? ".sp\n" : Line(line));
        text.Append(".fi\n");
    }

    /// <summary>A line of text; a dot or quote at its start would be taken for a request.</summary>
    private static string Line(string text) => (text[0] is '.' or '\'' ? "\\&" : "") + Escape(text) + "\n";

    private static string Bold(string text) => $"\\fB{Escape(text)}\\fR";

    private static string Italic(string text) => text.Length == 0 ? "" : $"\\fI{Escape(text)}\\fR";

    /// <summary>A dash that is typed must not become a hyphen, nor quotes and carets become typographic ones.</summary>
    private static string Escape(string text) =>
        text.Replace("\\", "\\e").Replace("-", "\\-").Replace("'", "\\(aq").Replace("`", "\\(ga").Replace("^", "\\(ha").Replace("~", "\\(ti");
}
