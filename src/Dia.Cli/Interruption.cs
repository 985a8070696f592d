using Dia.Cli.Output;

namespace Dia.Cli;

/// <summary>
/// SIGINT, SIGTERM, SIGQUIT and SIGHUP (the terminal was closed): the work is asked to stop, and after a moment the program ends whether it has or
/// not. Unfinished files are removed either way.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _source = new();
    private readonly ManualResetEventSlim _ended = new();
    private readonly List<OutputFile> _files = [];
    private int _complete; // of those that are no longer in the list
    private bool _reported;
    private readonly PosixSignalRegistration[] _registrations;
    private readonly Reporter _reporter;

    /// <summary>Takes over the signals.</summary>
    /// <param name="reporter">Its progress line is removed where the program is ended in the middle of its work.</param>
    public Interruption(Reporter reporter)
    {
        _reporter = reporter;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, c => Stop(c, ExitCodes.Interrupted)),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => Stop(c, ExitCodes.Terminated)),
            PosixSignalRegistration.Create(PosixSignal.SIGQUIT, c => Stop(c, ExitCodes.Quit)),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, c => Stop(c, ExitCodes.HungUp)),
        ];
    }

    /// <summary>How long work may go on after a signal: a step of a large model takes longer than a user wants to wait, unless it keeps something.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Is cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>The exit code that the signal asks for.</summary>
    public int ExitCode { get; private set; } = ExitCodes.Interrupted;

    /// <summary>Opens an output that is dropped where a signal ends the program.</summary>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public OutputFile Open(string path)
    {
        Token.ThrowIfCancellationRequested();
        var file = OutputFile.Open(path);
        lock (_files)
        {
            _complete += _files.Count(f => f.IsClosed && f.IsComplete);
            _files.RemoveAll(f => f.IsClosed); // A run over many lines opens files without end.
            _files.Add(file);
        }

        return file;
    }

    /// <summary>Drops what is not complete, and gives the signals back.</summary>
    public void Dispose()
    {
        DropFiles();
        _ended.Set();
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    /// <summary>Says what is there after an interruption, and what is not.</summary>
    public void Report()
    {
        string message;
        lock (_files)
        {
            if (_reported)
                return;
            _reported = true;
            int complete = _complete + _files.Count(f => f.IsComplete);
            string[] dropped = [.. _files.Where(f => !f.IsComplete && !f.IsDirect).Select(f => f.Name)];
            string[] cut = [.. _files.Where(f => !f.IsComplete && f.IsDirect).Select(f => f.Name)];
            var said = new List<string>();
            if (complete > 0)
                said.Add(complete == 1 ? "one file is complete and stays" : $"{complete} files are complete and stay");
            if (dropped.Length > 0)
                said.Add(
                    $"{string.Join(", ", dropped)} {(dropped.Length == 1 ? "was" : "were")} not complete and {(dropped.Length == 1 ? "was" : "were")} dropped");
            if (cut.Length > 0)
                said.Add($"{string.Join(", ", cut)} {(cut.Length == 1 ? "has" : "have")} what was written so far");
            message = $"dia: interrupted: {(said.Count == 0 ? "nothing was written" : string.Join("; ", said))}.";
        }

        _reporter.Summary(message); // Not within the lock: who waits for a reader must not keep others from dropping files.
    }

    private void Stop(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true;
        ExitCode = exitCode;
        _source.Cancel();
        if (_ended.Wait(Patience))
            return;
        DropFiles();
        // A terminal, or what is behind a pipe, may never take what is said.
        var end = new Thread(() =>
        {
            _reporter.EndProgress();
            Report();
        }) { IsBackground = true };
        end.Start();
        end.Join(LastWords);
        Environment.Exit(exitCode);
    }

    private void DropFiles()
    {
        lock (_files)
            _files.ForEach(f => f.Dispose());
    }
}
