using Dia.Cli.Commands;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli;

/// <summary>The command: reads its command line, runs what it names, and turns every end into an exit code.</summary>
internal static class Program
{
    // errno
    private const int NoMemory = 12;
    private const int TooManyFiles = 24;

    // Read by the software GPU, and by the image that is started first.
    private const string SoftGpuStart = "DIA_SOFTGPU_", ImageOf = "DIA_IMAGE_OF";

    private static int Main(string[] args)
    {
        StandardDescriptors.Reserve();
        Interruption? interruption = null;
        try
        {
            MemoryReserve.Take();
            CommandLine line = CommandLine.Parse(args, CommandList.All);
            if (line.Has(DiaOptions.Help))
                return Print(HelpWriter.Write(line.Command, CommandList.All));
            if (line.Has(DiaOptions.Version))
                return Print($"dia {BuildInfo.Version}\n");
            InstructionLevel.Check();
            var reporter = new Reporter(line.Has(DiaOptions.Quiet), line.Has(DiaOptions.Verbose));
            foreach (string name in CommandLine.StrayVariables(CommandList.All, InstructionLevel.Variable, SoftGpuStart, ImageOf))
                reporter.Warning($"{name} stands in the environment, and no option is called so: it is not read. The names are in the brackets of dia --help.");
            reporter.Detail($"instructions: {InstructionLevel.Describe()}");
            interruption = new Interruption(reporter);
            var run = new Invocation(line, reporter, interruption);
            line.Command.Run(run);
            return run.ExitCode == ExitCodes.Done && line.Has(DiaOptions.Strict) && reporter.Suspicions > 0 ? ExitCodes.Incomplete : run.ExitCode;
        }
        catch (Exception e)
        {
            return Failed(e, interruption);
        }
        finally
        {
            interruption?.Dispose();
        }
    }

    /// <summary>Writes what was asked for to standard output.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    internal static int Print(string text)
    {
        new StandardOutput().Write(Encoding.UTF8.GetBytes(text));
        return ExitCodes.Done;
    }

    private static int Failed(Exception error, Interruption? interruption)
    {
        if (interruption?.Token.IsCancellationRequested == true)
        {
            interruption.Report();
            return interruption.ExitCode;
        }

        if (HasCode(error, StandardOutput.BrokenPipe))
            return ExitCodes.Done; // The reader has what it wanted.
        if (IsOutOfMemory(error))
        {
            MemoryReserve.Release();
            Reporter.Error(OutOfMemory(error));
            return ExitCodes.Device;
        }

        if (HasCode(error, TooManyFiles))
        {
            Reporter.Error("too few files can be open at a time (ulimit -n). Raise the limit to 64 at least.");
            return ExitCodes.Device;
        }

        switch (error)
        {
            case DiaException { Kind: DiaErrorKind.Usage }:
                Reporter.Error($"{error.Message}\nSee dia --help.");
                return ExitCodes.Usage;
            case DiaException known:
                Reporter.Error(known.Message);
                return ExitCodes.Of(known.Kind);
            case IOException:
                Reporter.Error($"cannot write standard output: {StandardDescriptors.Describe(error)}");
                return ExitCodes.Output;
            default:
                Reporter.Error(
                    $"internal error. This is a bug: please report it in the issue tracker of Dia.Aot, with the command and these lines.\ndia {BuildInfo.Version}\n{error}");
                return ExitCodes.Internal;
        }
    }

    private static string OutOfMemory(Exception error) => error switch
    {
        DiaException { Kind: DiaErrorKind.Device } => error.Message,
        DiaException => $"out of memory: {error.Message} {MemoryLimits.Describe()} Raise the limit, or end other programs.",
        _ => $"out of memory. {MemoryLimits.Describe()} Texts, sounds and tables get at most a quarter of what ulimit -v allows. Raise the limit, end other programs, shorten the input, or lower --max-tokens.",
    };

    /// <summary>Whether memory is what was missing, be it for reading a file or for something else.</summary>
    private static bool IsOutOfMemory(Exception? error) =>
        error is OutOfMemoryException or IOException { HResult: NoMemory } or System.ComponentModel.Win32Exception { NativeErrorCode: NoMemory }
            || (error is not null && IsOutOfMemory(error.InnerException));

    private static bool HasCode(Exception? error, int errno) =>
        (error is IOException && error.HResult == errno) || (error is not null && HasCode(error.InnerException, errno));
}
