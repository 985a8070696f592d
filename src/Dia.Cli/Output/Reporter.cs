namespace Dia.Cli.Output;

/// <summary>Messages to the user, all on standard error.</summary>
/// <param name="quiet">Nothing but errors and suspicious results.</param>
/// <param name="verbose">Details too.</param>
internal sealed class Reporter(bool quiet, bool verbose)
{
    private const int Descriptor = 2;
    private readonly Lock _lock = new();
    private readonly HashSet<string> _said = [];
    private bool _onProgressLine;
    private bool _ended;
    private int _suspicions;

    /// <summary>Whether a progress line can be shown.</summary>
    public bool ShowsProgress { get; } = !quiet && !Console.IsErrorRedirected;

    /// <summary>An error: always shown.</summary>
    public static void Error(string message) => Write("dia: " + message + "\n");

    /// <summary>Something the user may not expect.</summary>
    public void Note(string message) => Line("dia: note: " + message);

    /// <summary>Something the user may not expect, which is the same for many lines: said of the first.</summary>
    /// <param name="topic">What it is about.</param>
    /// <param name="message">What to say.</param>
    public void NoteOnce(string topic, string message)
    {
        if (_said.Add(topic))
            Note(message);
    }

    /// <summary>Something strange that passes.</summary>
    public void Warning(string message) => Line("dia: warning: " + message);

    /// <summary>Something strange that passes, of a file that many lines may name: said once.</summary>
    public void WarnOnce(string message)
    {
        if (_said.Add(message))
            Warning(message);
    }

    /// <summary>How many results may not be what was asked for.</summary>
    public int Suspicions => Volatile.Read(ref _suspicions);

    /// <summary>A result that may not be what was asked for: always shown, and the exit code under --strict.</summary>
    public void Suspicion(string message)
    {
        Interlocked.Increment(ref _suspicions);
        Alert(message);
    }

    /// <summary>What is likely to become a suspicious result, said before the work: always shown.</summary>
    public void Alert(string message)
    {
        ClearProgress();
        Write("dia: warning: " + message + "\n");
    }

    /// <summary>What was done, in a line.</summary>
    public void Summary(string message) => Line(message);

    /// <summary>A detail for -v.</summary>
    public void Detail(string message)
    {
        if (verbose)
            Line(message);
    }

    /// <summary>Replaces the progress line.</summary>
    public void Progress(string message)
    {
        if (!ShowsProgress)
            return;
        lock (_lock)
        {
            if (_ended)
                return;
            _onProgressLine = true;
            Write("\r" + message + "\e[K");
        }
    }

    /// <summary>Removes the progress line.</summary>
    public void ClearProgress()
    {
        lock (_lock)
        {
            if (_onProgressLine)
                Write("\r\e[K");
            _onProgressLine = false;
        }
    }

    /// <summary>Removes the progress line for good: the program is ended while another thread may still work.</summary>
    public void EndProgress()
    {
        lock (_lock)
        {
            ClearProgress();
            _ended = true;
        }
    }

    private void Line(string message)
    {
        if (quiet)
            return;
        ClearProgress();
        Write(message + "\n");
    }

    private static void Write(string text)
    {
        try
        {
            // Console.Error would set up the terminal for reading keys, which writes control characters to standard output.
            StandardOutput.Write(Descriptor, Console.OutputEncoding.GetBytes(text));
        }
        catch (IOException)
        {
            // Nobody listens; the work itself goes on.
        }
    }
}
