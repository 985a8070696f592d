using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli;

/// <summary>One run of a command: how it was called, and what it may use.</summary>
/// <param name="Line">The command line.</param>
/// <param name="Reporter">Messages.</param>
/// <param name="Interruption">Signals and output files.</param>
internal sealed record Invocation(CommandLine Line, Reporter Reporter, Interruption Interruption)
{
    /// <summary>What the program tells its caller where nothing is thrown.</summary>
    public int ExitCode { get; set; } = ExitCodes.Done;

    /// <summary>
    /// The path that -o gives; "-" without it. Binary output does not go to a terminal.
    /// </summary>
    /// <exception cref="DiaException">Usage: no -o, and standard output is a terminal.</exception>
    public string OutputPath()
    {
        if (Line.Get(DiaOptions.Output) is { } path)
            return path;
        if (!Console.IsOutputRedirected)
            throw CommandLine.Usage($"there is nowhere to write to: name a file with -o FILE, or send standard output to a file or pipe ({Line.Command.Title} ... > FILE).");
        return "-";
    }

    /// <summary>An option that the command cannot do without.</summary>
    /// <exception cref="DiaException">Usage: it is missing.</exception>
    public T Required<T>(OptionSpec<T> option)
        where T : notnull => Line.TryGet(option, out T value)
            ? value
            : throw CommandLine.Usage($"{Line.Command.Title} needs {option.ShortName ?? option.Name} {option.Value}.");
}
