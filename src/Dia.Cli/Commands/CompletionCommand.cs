using Dia.Cli.Options;

namespace Dia.Cli.Commands;

/// <summary>Writes what makes a shell complete the command.</summary>
internal static class CompletionCommand
{
    public static CommandSpec Spec { get; } = new(
        "completion",
        "Write a script that makes a shell complete options, their values and commands.",
        "bash|zsh|fish",
        [],
        """
        Examples:
          source <(dia completion bash)                                          (in ~/.bashrc)
          source <(dia completion zsh)                                           (in ~/.zshrc, after compinit)
          dia completion fish > ~/.config/fish/completions/dia.fish
        """,
        Run);

    private static void Run(Invocation run)
    {
        string shell = run.Line.Words[0];
        Program.Print(shell switch
        {
            "bash" => BashCompletion.Write(CommandList.All),
            "zsh" => ZshCompletion.Write(CommandList.All),
            "fish" => FishCompletion.Write(CommandList.All),
            _ => throw CommandLine.Usage($"the shell is '{shell}'; it must be one of: {string.Join(", ", Spec.WordChoices)}."),
        });
    }
}
