namespace Dia.Cli.Options;

/// <summary>Writes the completion script for fish from the commands' definitions.</summary>
internal static class FishCompletion
{
    /// <summary>The script.</summary>
    /// <param name="commands">The commands; the first is the one without a name.</param>
    public static string Write(IReadOnlyList<CommandSpec> commands)
    {
        var text = new StringBuilder();
        text.Append($$"""
            # fish completion for dia {{BuildInfo.Version}}; written by: dia completion fish
            function __dia_command
                set -l value 0
                for word in (commandline -opc)[2..-1]
                    if test $value = 1
                        set value 0
                        continue
                    end
                    switch $word
                        case --
                            echo after-dashes
                            return
                        case {{string.Join(' ', Completion.WithValue(commands))}}
                            set value 1
                        case '-*'
                        case {{string.Join(' ', commands.Skip(1).Select(c => c.Name))}}
                            echo $word
                            return
                        case '*'
                            echo text
                            return
                    end
                end
                echo none
            end
            function __dia_is
                contains -- (__dia_command) $argv
            end
            complete -c dia -f

            """);
        foreach (CommandSpec command in commands.Skip(1))
            text.Append($"complete -c dia -n '__dia_is none' -a {command.Name} -d {Quote(Completion.Brief(command.Summary))}\n");
        foreach (CommandSpec command in commands)
        {
            string condition = command.Name.Length == 0 ? "'__dia_is none text'" : $"'__dia_is {command.Name}'";
            foreach (OptionSpec option in command.Options)
                text.Append(
                    $"complete -c dia -n {condition}{(option.ShortName is null ? "" : $" -s {option.ShortName[1..]}")} -l {option.Name[2..]}{Value(option)} -d {Quote(Completion.Brief(option.Help))}\n");
            if (command.WordChoices.Count > 0)
                text.Append($"complete -c dia -n {condition} -a {Quote(string.Join(' ', command.WordChoices))}\n");
            else if (command.Name.Length > 0 && command.Words.Length > 0)
                text.Append($"complete -c dia -n {condition} -F\n");
        }

        return text.ToString();
    }

    private static string Value(OptionSpec option)
    {
        IReadOnlyList<string> choices = Completion.Choices(option);
        return option.Value is null ? ""
            : choices.Count > 0 ? $" -x -a {Quote(string.Join(' ', choices))}"
            : option.TakesFolder ? " -x -a '(__fish_complete_directories)'"
            : option.TakesFile ? " -r -F"
            : " -x";
    }

    private static string Quote(string text) => "'" + text.Replace("\\", "\\\\").Replace("'", "\\'") + "'";
}
