namespace Dia.Cli.Options;

/// <summary>Writes the completion script for zsh from the commands' definitions.</summary>
internal static class ZshCompletion
{
    /// <summary>The script: a file for fpath, or to be sourced.</summary>
    /// <param name="commands">The commands; the first is the one without a name.</param>
    public static string Write(IReadOnlyList<CommandSpec> commands)
    {
        var text = new StringBuilder();
        text.Append($$"""
            #compdef dia
            # zsh completion for dia {{BuildInfo.Version}}; written by: dia completion zsh
            _dia_commands() {
                local -a commands=(
            {{string.Join('\n', commands.Skip(1).Select(c => $"        {Quote($"{c.Name}:{Completion.Brief(c.Summary)}")}"))}}
                )
                _describe -t commands 'dia command' commands
            }
            _dia() {
                local command=''
                integer i
                for ((i = 2; i < CURRENT; i++)); do
                    case $words[i] in
                    --) break ;;
                    {{string.Join('|', Completion.WithValue(commands))}}) ((i++)) ;;
                    -*) ;;
                    {{string.Join('|', commands.Skip(1).Select(c => c.Name))}})
                        command=$words[i]
                        break
                        ;;
                    *) break ;;
                    esac
                done
                case $command in

            """);
        foreach (CommandSpec command in commands)
        {
            text.Append($"    '{command.Name}')\n        _arguments -s -S \\\n");
            foreach (OptionSpec option in command.Options)
                text.Append($"            {Argument(option)} \\\n");
            text.Append($"            {Words(command)}\n        ;;\n");
        }

        // Loaded through fpath, the file is the function's body and must call it; sourced, it only defines it.
        text.Append("    esac\n}\nif [[ $funcstack[1] == _dia ]]; then\n    _dia \"$@\"\nelse\n    compdef _dia dia\nfi\n");
        return text.ToString();
    }

    private static string Argument(OptionSpec option)
    {
        IReadOnlyList<string> choices = Completion.Choices(option);
        string action = choices.Count > 0 ? $"({string.Join(' ', choices)})" : option.TakesFolder ? "_files -/" : option.TakesFile ? "_files" : " ";
        string rest = $"[{Escape(Completion.Brief(option.Help))}]" + (option.Value is null ? "" : $":{Escape(option.Value)}:{action}");
        // A short option's value may stand in the same word (-oFILE), a long one's after "=".
        string equals = option.Value is null ? "" : "=";
        return option.ShortName is null
            ? Quote((option.IsRepeatable ? "*" : "") + option.Name + equals + rest)
            : $"{Quote($"({option.ShortName} {option.Name})")}{{{option.ShortName}{(option.Value is null ? "" : "+")},{option.Name}{equals}}}{Quote(rest)}";
    }

    private static string Words(CommandSpec command) => command.Name.Length == 0 ? "'1:text or command:_dia_commands' '*:text: '"
        : command.WordChoices.Count > 0 ? $"'1: : ' {Quote($"2:word:({string.Join(' ', command.WordChoices)})")}" // The command itself is the first word.
        : command.Words.Length > 0 ? "'1: : ' '*:file:_files'"
        : "'1: : '";

    private static string Escape(string text) => text.Replace("\\", "\\\\").Replace("[", "\\[").Replace("]", "\\]").Replace(":", "\\:");

    private static string Quote(string text) => "'" + text.Replace("'", "'\\''") + "'";
}
