using Dia.IO;

namespace Dia.Cli.Output;

/// <summary>Where a result goes: a file that appears when it is complete, a device or FIFO, or standard output.</summary>
internal sealed class OutputFile : IDisposable
{
    private readonly AtomicFile? _file;
    private readonly Lock _lock = new();
    private volatile bool _closed;

    private OutputFile(string name, Stream stream, AtomicFile? file)
    {
        Name = name;
        Stream = stream;
        _file = file;
    }

    /// <summary>What messages call it.</summary>
    public string Name { get; }

    /// <summary>Whether it was completed or dropped, and disposed of.</summary>
    public bool IsClosed => _closed;

    /// <summary>Whether it was completed.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Whether what was written stays where it is, complete or not: a device, a pipe, standard output.</summary>
    public bool IsDirect => _file is null || _file.IsDirect;

    /// <summary>Where to write.</summary>
    public Stream Stream { get; }

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
            _file?.Commit();
            IsComplete = true;
        }
    }

    /// <summary>Drops the file unless it was completed; safe from another thread.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            _file?.Dispose();
        }
    }
}
