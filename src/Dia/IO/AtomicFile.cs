namespace Dia.IO;

/// <summary>
/// A file that appears under its name only when it is complete: written under a temporary name in the same folder (that of
/// a link's target), renamed by <see cref="Commit"/>, deleted by <see cref="Dispose"/> otherwise. Devices and FIFOs are
/// written directly. Not safe for concurrent use.
/// </summary>
public sealed class AtomicFile : IDisposable
{
    private const string TemporaryStart = ".dia-", TemporaryEnd = ".tmp";

    private readonly string? _temporary;
    private readonly string _target;
    private readonly FileStream _file;
    private bool _done;

    private AtomicFile(string path, string target, string? temporary, FileStream file)
    {
        Path = path;
        _target = target;
        _temporary = temporary;
        _file = file;
        Stream = new OutputStream(file, path);
    }

    /// <summary>The path as it was given.</summary>
    public string Path { get; }

    /// <summary>Whether what is written is there at once: a device or a FIFO.</summary>
    public bool IsDirect => _temporary is null;

    /// <summary>
    /// Where to write. Its errors are <see cref="DiaException"/>s of kind Output, with the IOException inside. Can seek unless
    /// the path is a device or a FIFO.
    /// </summary>
    public Stream Stream { get; }

    /// <summary>Whether a path leads to a device, a FIFO or a descriptor that is open: those are written in place, and their names say nothing.</summary>
    public static bool IsWrittenInPlace(string path) => FileKinds.Of(path) == FileKind.Special || (File.Exists(path) && IsDescriptor(path));

    /// <summary>The name of the file that writing a path makes, links followed.</summary>
    /// <exception cref="IOException">Links that lead in circles, or to a name that is not UTF-8.</exception>
    public static string Target(string path) => OperatingSystem.IsLinux() ? RealPaths.FollowLinks(path) : System.IO.Path.GetFullPath(path);

    /// <summary>Begins to write <paramref name="path"/>.</summary>
    /// <param name="path">A new or existing file, a device or a FIFO. Its folder must exist.</param>
    /// <param name="mode">Permissions of the new file; null: those of the file it replaces, or the default.</param>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public static AtomicFile Create(string path, UnixFileMode? mode = null) => Guard(path, () => FileKinds.Of(path) switch
    {
        FileKind.Folder => throw new DiaException(DiaErrorKind.Output, $"cannot write {path}: it is a folder. Name a file."),
        FileKind.Special => Direct(path),

        // /dev/stdout and the like lead to a file that something else has open: it must not be replaced.
        FileKind.Regular when IsDescriptor(path) => Direct(path),
        var kind => Temporary(path, kind, mode),
    });

    /// <summary>Completes the file: flushed to the disk, then renamed to its name.</summary>
    /// <exception cref="DiaException">It cannot be written (Output); nothing is left then.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_done, this);
        _done = Guard(Path, () =>
        {
            _file.Flush(flushToDisk: _temporary is not null); // with the errors of the last bytes
            _file.Dispose();
            if (_temporary is not null)
                File.Move(_temporary, _target, overwrite: true);
            return true;
        });
    }

    /// <summary>Closes the file, and deletes what was written unless <see cref="Commit"/> was called.</summary>
    public void Dispose()
    {
        if (_done)
            return;
        _done = true;

        // Already on the way out, mostly with the error that matters. Closing writes what is buffered, which may fail as before.
        Quietly(_file.Dispose);
        if (_temporary is not null)
            Quietly(() => File.Delete(_temporary));
    }

    /// <summary>Deletes what writers that were killed left in a folder. What is being written is locked, and stays.</summary>
    /// <param name="folder">The folder.</param>
    public static void DeleteAbandoned(string folder) => Quietly(() =>
    {
        foreach (string path in Directory.EnumerateFiles(folder, TemporaryStart + "*" + TemporaryEnd))
            DeleteUnlocked(path);
    });

    /// <summary>.NET turns EFBIG, a file over its limit, into the third.</summary>
    private static bool IsFailure(Exception error) => error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException;

    private static T Guard<T>(string path, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw Failed(path, e);
        }
    }

    private static void Quietly(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (IsFailure(e))
        {
        }
    }

    // Without a buffer: closing one would write it, and wait for a reader that may take no more.
    private static AtomicFile Direct(string path) =>
        new(path, path, null, new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0));

    private static AtomicFile Temporary(string path, FileKind kind, UnixFileMode? mode)
    {
        if (System.IO.Path.GetFileName(path).Length == 0)
            throw new DiaException(DiaErrorKind.Output, $"cannot write {path}: it is not the name of a file.");

        string target = Target(path);
        string folder = System.IO.Path.GetDirectoryName(target)!;
        if (!Directory.Exists(folder))
            throw new DiaException(DiaErrorKind.Output, $"cannot write {path}: the folder {folder} does not exist. Create it first.");

        if (mode is null && kind == FileKind.Regular && !OperatingSystem.IsWindows())
            mode = File.GetUnixFileMode(target);
        FileStream file = CreateTemporary(folder, System.IO.Path.GetFileName(target), out string temporary);
        var made = new AtomicFile(path, target, temporary, file);
        try
        {
            if (mode is { } bits && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(file.SafeFileHandle, bits);
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A new file whose name follows from the one that it gets, so that what a writer that was killed has left is replaced by the next one. Where that name
    /// is taken by one who still writes, or whose file cannot be removed, it is any other.
    /// </summary>
    private static FileStream CreateTemporary(string folder, string name, out string path)
    {
        // Short, since the name it stands for may already be as long as the file system allows.
        string own = Convert.ToHexStringLower(Sha256.Hash(Encoding.UTF8.GetBytes(name)).AsSpan(0, 8));
        path = System.IO.Path.Combine(folder, TemporaryStart + own + TemporaryEnd);
        DeleteUnlocked(path);
        try
        {
            return New(path);
        }
        catch (IOException)
        {
            path = System.IO.Path.Combine(folder, TemporaryStart + System.IO.Path.GetRandomFileName() + TemporaryEnd);
            return New(path);
        }

        // Read too: network file systems lock nothing for others that is only written.
        static FileStream New(string path) => new(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read, 1 << 16);
    }

    private static void DeleteUnlocked(string path) => Quietly(() =>
    {
        using var alone = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        File.Delete(path);
    });

    private static bool IsDescriptor(string path)
    {
        string full = System.IO.Path.GetFullPath(path);
        return full is "/dev/stdout" or "/dev/stderr"
            || full.StartsWith("/dev/fd/", StringComparison.Ordinal) || full.StartsWith("/proc/", StringComparison.Ordinal);
    }

    private static DiaException Failed(string path, Exception inner) =>
        new(DiaErrorKind.Output, $"cannot write {path}: {Reason(inner)}", inner);

    /// <summary>The system's words without the temporary name, which means nothing to a user.</summary>
    private static string Reason(Exception error)
    {
        if (error is UnauthorizedAccessException)
            return "permission denied";
        if (error is ArgumentOutOfRangeException)
            return "file too large";
        int name = error.Message.IndexOf(" : '", StringComparison.Ordinal);
        return name < 0 ? error.Message : error.Message[..name];
    }

    /// <summary>Turns the file's errors into the ones a user can act on.</summary>
    private sealed class OutputStream(FileStream file, string path) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => file.CanSeek;

        public override bool CanWrite => true;

        public override long Length => file.Length;

        public override long Position
        {
            get => file.Position;
            set => Seek(value, SeekOrigin.Begin);
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            try
            {
                file.Write(buffer);
            }
            catch (Exception e) when (IsFailure(e))
            {
                throw Failed(path, e);
            }
        }

        public override void Flush() => Guard(path, () =>
        {
            file.Flush();
            return true;
        });

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => Guard(path, () => file.Seek(offset, origin)); // Writes what is buffered.

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
