using System.CommandLine;

namespace Dia.Cli;

internal static class Program
{
    private static int Main(string[] args) => new RootCommand("Dia text to dialogue.").Parse(args).Invoke();
}
