using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Lines;

/// <summary>
/// Which outputs of a list are complete, a line each, in a file that only grows: what a list that was ended in any way goes on from. An entry is written once
/// its files have their names, and is believed only while they are what it says; so nothing is lost with one that was not written, but the time to make the
/// output again.
/// </summary>
internal sealed class LineJournal : IDisposable
{
    // A few million lines.
    private const long MaxBytes = 1L << 30;

    // Twice the longest entry.
    private const int MaxLine = 1 << 10;

    // errno of a file that another process has locked.
    private const int TryAgain = 11;

    private readonly string _path;
    private readonly string _fullPath;
    private readonly FileStream? _file;
    private readonly Dictionary<long, JournalEntry> _entries = [];
    private readonly Dictionary<string, long> _outputs = new(StringComparer.Ordinal);
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal);
    private readonly bool _resumes;
    private ulong? _seed;

    private LineJournal(string path, bool resumes, bool onlyChecks)
    {
        (_path, _fullPath, _resumes) = (path, OutputNames.Target(path), resumes);
        if (Directory.Exists(path) || AtomicFile.IsWrittenInPlace(path))
            throw CommandLine.Usage($"{DiaOptions.Journal.Name} is '{path}', which is no regular file: a journal is read again. Name another one.");
        if (onlyChecks && !File.Exists(path))
            return;
        _file = Guard(() => new FileStream(path, onlyChecks ? FileMode.Open : FileMode.OpenOrCreate, onlyChecks ? FileAccess.Read : FileAccess.ReadWrite,
            FileShare.None));
    }

    /// <summary>The seed of lines without their own in the run that is gone on with; null: there was none.</summary>
    public ulong? Seed => _seed;

    /// <summary>Opens the journal that the options name, and keeps other runs out of it; null: they name none.</summary>
    /// <param name="line">The options.</param>
    /// <exception cref="DiaException">
    /// Usage: there is one that is not to be gone on with. Input: it is malformed. Output: it cannot be written, or another run has it.
    /// </exception>
    public static LineJournal? Open(CommandLine line)
    {
        if (line.Get(DiaOptions.Journal) is not { } path)
            return null;
        bool resumes = line.Has(DiaOptions.Resume), onlyChecks = line.Has(DiaOptions.Check);
        var journal = new LineJournal(path, resumes, onlyChecks);
        try
        {
            journal.ReadAll(onlyChecks);
            return journal;
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>What is said of a line; null: nothing.</summary>
    public JournalEntry? Find(long line) => _entries.GetValueOrDefault(line);

    /// <summary>Keeps the seed of lines that have none of their own.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Begin(ulong seed)
    {
        if (seed != _seed)
            Add(new JournalEntry(0, seed, null, null, null, 0));
        _seed = seed;
    }

    /// <summary>Refuses files of a line that a journal cannot speak for, and removes what a run that was killed has left beside them.</summary>
    /// <param name="line">The line's number.</param>
    /// <param name="names">Its files.</param>
    /// <exception cref="DiaException">Usage.</exception>
    public void Check(long line, LineNames names)
    {
        if (!names.All.Any())
            throw CommandLine.Usage($"with {DiaOptions.Journal.Name} each line names its file as \"output\", or {DiaOptions.Codes.Name} a folder for its codes.");
        foreach (string name in names.All)
        {
            string path = OutputNames.Target(name);
            if (AtomicFile.IsWrittenInPlace(name))
                throw CommandLine.Usage($"{name} is no regular file, and what went there is not known afterwards: leave out {DiaOptions.Journal.Name}, or name a file.");
            if (path == _fullPath)
                throw CommandLine.Usage($"{name} is the journal: name another file.");
            if (!_outputs.TryAdd(path, line))
                throw CommandLine.Usage(Format.Text($"{name} is the output of line {_outputs[path]} too; with {DiaOptions.Journal.Name} each line has its own."));
            if (_resumes && _file is { CanWrite: true } && Path.GetDirectoryName(path) is { } folder && _folders.Add(folder))
                AtomicFile.DeleteAbandoned(folder);
        }
    }

    /// <summary>Writes that a line's output is complete.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Add(JournalEntry entry) => Guard(() =>
    {
        _file!.Write(Encoding.UTF8.GetBytes(entry.Write())); // in one piece: only the last line can be torn
        _file.Flush();
        return true;
    });

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private void ReadAll(bool onlyChecks)
    {
        if (_file is null || _file.Length == 0)
            return;
        if (!_resumes)
            throw CommandLine.Usage($"{_path} is there already: go on with it with {DiaOptions.Resume.Name}, or name another journal.");
        if (_file.Length > MaxBytes)
            throw new DiaException(DiaErrorKind.Input, $"{_path} is {_file.Length} bytes long, and a journal has at most {MaxBytes}. Cut the list into parts.");
        long end = Guard(() => Read(_file, _path, Keep));
        if (onlyChecks)
            return;
        Guard(() =>
        {
            _file.SetLength(end); // A torn line goes.
            return _file.Seek(0, SeekOrigin.End);
        });
    }

    private void Keep(JournalEntry entry)
    {
        if (entry.Line == 0)
            _seed = entry.Seed;
        else
            _entries[entry.Line] = entry;
    }

    /// <summary>Reads a journal. A last line without its end was torn when its writer was killed, and does not count.</summary>
    /// <param name="stream">Its bytes.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="take">Takes the entries, in order.</param>
    /// <returns>The bytes up to the end of the last whole line.</returns>
    /// <exception cref="DiaException">Input: a line is malformed.</exception>
    internal static long Read(Stream stream, string name, Action<JournalEntry> take)
    {
        byte[] buffer = new byte[1 << 16];
        long end = 0, line = 1;
        int held = 0;
        for (int count; (count = stream.Read(buffer, held, buffer.Length - held)) > 0;)
        {
            int from = 0, length;
            for (held += count; (length = buffer.AsSpan(from, held - from).IndexOf((byte)'\n')) >= 0; from += length + 1, line++)
            {
                take(JournalEntry.Read(buffer.AsSpan(from, length)) ?? throw Malformed());
                end += length + 1;
            }

            held -= from;
            buffer.AsSpan(from, held).CopyTo(buffer);
            if (held > MaxLine)
                throw Malformed();
        }

        // What is no beginning of an entry is another file, which must not be cut.
        ReadOnlySpan<byte> rest = buffer.AsSpan(0, held);
        return rest.StartsWith(JournalEntry.Start) || JournalEntry.Start.StartsWith(rest) ? end : throw Malformed();

        DiaException Malformed() => new(DiaErrorKind.Input,
            Format.Text($"{name}, line {line}, is no line of a journal: the file is damaged, or is none. Delete that line (its output is made again), or name another journal."));
    }

    private T Guard<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (IOException e) when (e.HResult == TryAgain)
        {
            throw new DiaException(DiaErrorKind.Output, $"another run is writing {_path}: wait for it, or name another journal.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            throw new DiaException(DiaErrorKind.Output, $"cannot write {_path}: {e.Message}", e);
        }
    }
}
