namespace Dia.Cli.Output;

/// <summary>Where a result goes: a file that appears when it is complete, a device or FIFO, or standard output.</summary>
/// <param name="name">What messages call it.</param>
/// <param name="stream">Where to write.</param>
/// <param name="atomic">The file; null: standard output.</param>
internal sealed class OutputFile(string name, Stream stream, AtomicFile? atomic) : IDisposable
{
    private readonly Lock _lock = new();
    private volatile bool _closed;

    /// <summary>What messages call it.</summary>
    public string Name => name;

    /// <summary>Whether it was completed or dropped, and disposed of.</summary>
    public bool IsClosed => _closed;

    /// <summary>Whether it was completed.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Whether what was written stays where it is, complete or not: a device, a pipe, standard output.</summary>
    public bool IsDirect => atomic is null || atomic.IsDirect;

    /// <summary>Where to write.</summary>
    public Stream Stream => stream;

    /// <summary>Opens a file, or standard output for "-".</summary>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public static OutputFile Open(string path)
    {
        if (path == "-")
            return new OutputFile("standard output", new StandardOutput(), null);
        var file = AtomicFile.Create(path);
        return new OutputFile(path, file.Stream, file);
    }

    /// <summary>Completes the file.</summary>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public void Commit()
    {
        lock (_lock)
        {
            if (_closed)
                throw new OperationCanceledException(); // The interruption has dropped it.
            Stream.Flush();
            atomic?.Commit();
            IsComplete = true;
        }
    }

    /// <summary>Drops the file unless it was completed; safe from another thread.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            atomic?.Dispose();
        }
    }
}
