using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli;

/// <summary>One run of a command: how it was called, and what it may use.</summary>
/// <param name="Line">The command line.</param>
/// <param name="Reporter">Messages.</param>
/// <param name="Interruption">Signals and output files.</param>
internal sealed record Invocation(CommandLine Line, Reporter Reporter, Interruption Interruption)
{
    /// <summary>Runs since the program's start.</summary>
    public Stopwatch Clock { get; } = Stopwatch.StartNew();

    /// <summary>What the program tells its caller where nothing is thrown.</summary>
    public int ExitCode { get; set; } = ExitCodes.Done;

    /// <summary>
    /// The path that -o gives; "-" without it. Binary output does not go to a terminal, and not under a name that promises another format.
    /// </summary>
    /// <param name="content">What is written.</param>
    /// <exception cref="DiaException">Usage: no -o, and standard output is a terminal; or a name of another format.</exception>
    public string OutputPath(OutputContent content)
    {
        if (Line.Get(DiaOptions.Output) is { } path)
        {
            CheckName("-o", path, content);
            return path;
        }

        if (!Console.IsOutputRedirected)
            throw CommandLine.Usage(
                $"there is nowhere to write to: name a file with -o FILE, or send standard output to a file or pipe ({Line.Command.Title} ... > FILE).");
        return "-";
    }

    /// <summary>Refuses a name of another format than the one that is written; samples alone may be called anything, but not without a word.</summary>
    /// <param name="source">The option or key that names it.</param>
    /// <param name="name">The name as it was given.</param>
    /// <param name="content">What is written.</param>
    /// <param name="path">Where it leads, if that is not the name.</param>
    /// <exception cref="DiaException">Usage.</exception>
    public void CheckName(string source, string name, OutputContent content, string? path = null)
    {
        bool raw = content == OutputContent.Audio && Line.Has(DiaOptions.Raw);
        if (!raw)
            OutputNames.Check(source, name, content, Line.Command.Title, path);
        if (content == OutputContent.Audio && OutputNames.Doubt(source, path ?? name, raw) is { } doubt)
            Reporter.WarnOnce(doubt);
    }

    /// <summary>Refuses an output that is a file which is read too, by an option or as a word of the command.</summary>
    /// <param name="outputs">What names each output, and its path; null, "-": there is none.</param>
    /// <param name="words">The same of words that name what is read.</param>
    /// <exception cref="DiaException">Usage.</exception>
    public void KeepInputs(IEnumerable<(string Source, string? Path)> outputs, params IEnumerable<(string Source, string? Path)> words)
    {
        // A file of text from the environment gives way to words.
        IEnumerable<OptionSpec<string>> read = DiaOptions.OfInputs.Where(o => o != DiaOptions.File || Line.Words.Count == 0);
        OutputNames.KeepInputs(outputs, [.. words, .. read.Select(o => (o.ShortName ?? o.Name, Line.Get(o))),
            .. Line.GetAll(DiaOptions.Recordings).Select(r => (DiaOptions.Recordings.Name, (string?)r))]);
    }

    /// <summary>An option that the command cannot do without.</summary>
    /// <exception cref="DiaException">Usage: it is missing.</exception>
    public T Required<T>(OptionSpec<T> option)
        where T : notnull => Line.TryGet(option, out T value)
            ? value
            : throw CommandLine.Usage($"{Line.Command.Title} needs {option.ShortName ?? option.Name} {option.Value}.");
}
