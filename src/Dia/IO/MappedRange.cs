using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Dia.IO;

/// <summary>A range of a file in memory: pages are read when touched and shared between processes.</summary>
internal sealed unsafe partial class MappedRange : IDisposable
{
    private const int NoMemory = 12; // errno
    private const int MadviseDontNeed = 4;

    private readonly FileRange _range;
    private readonly DiaErrorKind _kind;
    private readonly SafeFileHandle? _handle; // _file's
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _pointer;
    private bool _disposed;

    /// <summary>Maps <paramref name="range"/>.</summary>
    /// <exception cref="DiaException">
    /// The file cannot be opened or mapped, or is shorter than the range (kind as given). There is no room for it (Device).
    /// </exception>
    public MappedRange(FileRange range, DiaErrorKind kind)
    {
        (_range, _kind, Length) = (range, kind, range.Length);
        if (Length == 0)
            return; // An empty mapping does not exist.
        var handle = FileRange.Open(range.Path, kind);
        try
        {
            // Touching a page past the end of the file would be fatal.
            if (RandomAccess.GetLength(handle) - range.Offset < range.Length)
                throw new DiaException(kind, $"{range.Path} became shorter while it was opened.");
            _file = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            _handle = handle;
            _view = _file.CreateViewAccessor(range.Offset, range.Length, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _pointer);
            _pointer += _view.PointerOffset;
            LargePages.Ask(_pointer, Length);
        }
        catch (Exception e)
        {
            Dispose();
            handle.Dispose();
            if (e is IOException { HResult: NoMemory } or OutOfMemoryException)
                throw MemoryLimits.TooLittle($"{range.Path}, which is mapped", Length, e);
            if (e is IOException or UnauthorizedAccessException or ArgumentException)
                throw new DiaException(kind, $"cannot map {range.Path} into memory: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Number of bytes.</summary>
    public long Length { get; }

    /// <summary>First byte; null for an empty range.</summary>
    /// <exception cref="ObjectDisposedException">The range is no longer mapped.</exception>
    public byte* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _pointer;
        }
    }

    /// <summary>Reads bytes of the range from the file, so that no page of the mapping is touched.</summary>
    /// <param name="offset">The first byte, in the range.</param>
    /// <param name="into">Takes them; the range has as many.</param>
    /// <exception cref="DiaException">The file cannot be read, or became shorter (kind as given).</exception>
    public void Read(long offset, Span<byte> into)
    {
        ObjectDisposedException.ThrowIf(_disposed || _handle is null, this);
        _range.ReadExactly(_handle, into, _range.Offset + offset, _kind);
    }

    /// <summary>Keeps the range mapped until the result is disposed, whoever disposes of the range meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The range is no longer mapped.</exception>
    public Lease Hold()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        SafeBuffer? handle = _view?.SafeMemoryMappedViewHandle;
        byte* pointer = null;
        handle?.AcquirePointer(ref pointer);
        return new Lease(handle);
    }

    /// <summary>
    /// Gives back the memory of a part of a mapped file that is not needed for now; it is read again where it is touched. Advice: refusal is not an error.
    /// </summary>
    public static void Forget(void* first, long bytes)
    {
        nuint page = (nuint)Environment.SystemPageSize, start = ((nuint)first + page - 1) / page * page, end = ((nuint)first + (nuint)bytes) / page * page;
        if (OperatingSystem.IsLinux() && end > start)
            _ = Madvise((void*)start, end - start, MadviseDontNeed);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(void* memory, nuint bytes, int advice);

    /// <summary>Unmaps the range once nobody holds it: pointers into it are invalid from here on.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (_pointer != null)
            _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _view?.Dispose();
        _file?.Dispose();
    }

    /// <summary>A hold on a range.</summary>
    internal readonly ref struct Lease(SafeBuffer? handle) : IDisposable
    {
        /// <summary>Lets it go.</summary>
        public void Dispose() => handle?.ReleasePointer();
    }
}
