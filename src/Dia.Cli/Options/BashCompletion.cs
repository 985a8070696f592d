namespace Dia.Cli.Options;

/// <summary>Writes the completion script for bash from the commands' definitions; it needs bash 4, and no other package.</summary>
internal static class BashCompletion
{
    /// <summary>The script.</summary>
    /// <param name="commands">The commands; the first is the one without a name.</param>
    public static string Write(IReadOnlyList<CommandSpec> commands)
    {
        var text = new StringBuilder();
        text.Append($$"""
            # bash completion for dia {{BuildInfo.Version}}; written by: dia completion bash
            _dia_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
            _dia_files() { mapfile -t COMPREPLY < <(compgen "$1" -- "$cur"); compopt -o filenames 2> /dev/null; }
            _dia() {
                local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' first=1 i
                COMPREPLY=()
                # --name=value is three words for bash.
                if [[ $cur == '=' ]]; then
                    cur=''
                elif [[ $prev == '=' ]]; then
                    prev=${COMP_WORDS[COMP_CWORD - 2]}
                fi
                for ((i = 1; i < COMP_CWORD; i++)); do
                    case ${COMP_WORDS[i]} in
                    --) return ;;
                    {{string.Join('|', Completion.WithValue(commands))}})
                        if [[ ${COMP_WORDS[i + 1]} == '=' ]]; then ((i++)); fi
                        ((i++))
                        ;;
                    -*) ;;
                    {{string.Join('|', commands.Skip(1).Select(c => c.Name))}})
                        command=${COMP_WORDS[i]}
                        break
                        ;;
                    *)
                        first=''
                        break
                        ;;
                    esac
                done
                case $command in

            """);
        foreach (CommandSpec command in commands)
            AppendCommand(text, command, commands);
        text.Append("    esac\n}\ncomplete -F _dia dia\n");
        return text.ToString();
    }

    private static void AppendCommand(StringBuilder text, CommandSpec command, IReadOnlyList<CommandSpec> commands)
    {
        text.Append($"    '{command.Name}')\n        case $prev in\n");
        foreach (OptionSpec option in command.Options.Where(o => o.Value is not null))
        {
            IReadOnlyList<string> choices = Completion.Choices(option);
            string values = choices.Count > 0 ? $"_dia_words '{string.Join(' ', choices)}'" : option.TakesFolder ? "_dia_files -d" : option.TakesFile
                ? "_dia_files -f" : "";
            text.Append($"        {string.Join('|', Completion.Names(option))}) {values}{(values.Length > 0 ? " " : "")};;\n");
        }

        string words = command.Name.Length == 0 ? $"if [[ $first ]]; then _dia_words '{string.Join(' ', commands.Skip(1).Select(c => c.Name))}'; fi"
            : command.WordChoices.Count > 0 ? $"_dia_words '{string.Join(' ', command.WordChoices)}'"
            : command.Words.Length > 0 ? "_dia_files -f"
            : ":";
        text.Append($"""
                    *)
                        if [[ $cur == -* ]]; then
                            _dia_words '{string.Join(' ', command.Options.SelectMany(Completion.Names))}'
                        else
                            {words}
                        fi
                        ;;
                    esac
                    ;;

            """);
    }
}
