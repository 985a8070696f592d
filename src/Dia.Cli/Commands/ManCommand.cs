using Dia.Cli.Options;

namespace Dia.Cli.Commands;

/// <summary>Writes the manual page.</summary>
internal static class ManCommand
{
    public static CommandSpec Spec { get; } = new(
        "man",
        "Write the manual page of all commands, as man reads it.",
        "",
        [],
        """
        Examples:
          dia man | man -l -
          dia man > /usr/local/share/man/man1/dia.1
        """,
        run => Program.Print(ManWriter.Write(CommandList.All)));
}
