namespace Dia.Cli.Options;

/// <summary>Writes a command's help from its definition.</summary>
internal static class HelpWriter
{
    private const int Column = 28;
    private const int Width = 100;

    /// <summary>The help of a command; that of the command without a name lists the others.</summary>
    public static string Write(CommandSpec command, IReadOnlyList<CommandSpec> commands)
    {
        var text = new StringBuilder();
        text.Append(command.Summary).Append("\n\nUsage: ").Append(command.Title).Append(" [OPTIONS]");
        if (command.Words.Length > 0)
            text.Append(' ').Append(command.Words);
        text.Append('\n');
        if (command.Name.Length == 0)
            text.Append("       dia COMMAND [OPTIONS] ...   (dia COMMAND --help)\n");
        if (command.Details.Length > 0)
            text.Append('\n').Append(command.Details).Append('\n');
        foreach (OptionGroup group in command.Groups.Append(DiaOptions.Messages))
        {
            text.Append('\n').Append(group.Title).Append(":\n");
            foreach (OptionSpec option in group.Options)
                Append(text, Name(option), Describe(option, group.ShowsDefaults));
        }

        if (command.Name.Length == 0)
        {
            text.Append("\nCommands:\n");
            foreach (CommandSpec other in commands.Skip(1))
                Append(text, $"{other.Name} {other.Words}".TrimEnd(), other.Summary);
        }

        return text.ToString();
    }

    private static string Name(OptionSpec option) =>
        (option.ShortName is null ? "    " : option.ShortName + ", ") + option.Name + (option.Value is null ? "" : " " + option.Value);

    private static string Describe(OptionSpec option, bool showsDefault) =>
        option.Help + (option.Default is null || !showsDefault ? "" : $" Default: {option.Default}.") + (option.HasVariable ? $" [{option.Variable}]" : "");

    private static void Append(StringBuilder text, string name, string description)
    {
        string line = "  " + name;
        line = line.Length < Column - 1 ? line.PadRight(Column) : line + "\n" + new string(' ', Column);
        int length = Column;
        foreach (string word in description.Split(' '))
        {
            if (length > Column && length + 1 + word.Length > Width)
            {
                text.Append(line).Append('\n');
                line = new string(' ', Column);
                length = Column;
            }

            line += length > Column ? " " + word : word;
            length += word.Length + (length > Column ? 1 : 0);
        }

        text.Append(line).Append('\n');
    }
}
