using Microsoft.Win32.SafeHandles;

namespace Dia.IO;

/// <summary>Part of a file, or a whole one: what a file is inside a bundle.</summary>
/// <param name="Path">The file that holds it.</param>
/// <param name="Offset">First byte in that file.</param>
/// <param name="Length">Number of bytes.</param>
internal readonly record struct FileRange(string Path, long Offset, long Length)
{
    /// <summary>All of a regular file, which is not opened yet.</summary>
    /// <exception cref="DiaException">It is missing, a folder, or a device (kind as given).</exception>
    public static FileRange Whole(string path, DiaErrorKind kind)
    {
        string? why = FileKinds.Of(path, out long length) switch
        {
            FileKind.Missing => "no such file.",
            FileKind.Folder => "it is a folder, a file is needed.",
            FileKind.Special => "it is a device or FIFO and cannot be mapped. Copy it to a file first.",
            _ => null,
        };
        if (why is not null)
            throw new DiaException(kind, $"cannot open {path}: {why}");
        return new FileRange(path, 0, length);
    }

    /// <summary>Reads all of it. The caller has checked that the length is one it can hold.</summary>
    public byte[] ReadAll(DiaErrorKind kind)
    {
        byte[] bytes = new byte[Length];
        using var handle = Open(Path, kind);
        ReadExactly(handle, bytes, Offset, kind);
        return bytes;
    }

    /// <summary>Copies all of it, in bounded memory.</summary>
    public void CopyTo(Stream output, DiaErrorKind kind)
    {
        using var handle = Open(Path, kind);
        byte[] buffer = new byte[1 << 20];
        for (long done = 0; done < Length;)
        {
            var chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, Length - done));
            ReadExactly(handle, chunk, Offset + done, kind);
            output.Write(chunk);
            done += chunk.Length;
        }
    }

    /// <summary>Opens a file for reading without locking it against others.</summary>
    internal static SafeFileHandle Open(string path, DiaErrorKind kind)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DiaException(kind, $"cannot open {path}: {e.Message}", e);
        }
    }

    /// <summary>Fills <paramref name="into"/> with the bytes at an offset of the file.</summary>
    /// <exception cref="DiaException">It has no such bytes, or cannot be read (kind as given).</exception>
    internal void ReadExactly(SafeFileHandle handle, Span<byte> into, long offset, DiaErrorKind kind)
    {
        try
        {
            while (!into.IsEmpty)
            {
                int read = RandomAccess.Read(handle, into, offset);
                if (read == 0)
                    throw new DiaException(kind, $"{Path} became shorter while it was read.");
                into = into[read..];
                offset += read;
            }
        }
        catch (IOException e)
        {
            throw new DiaException(kind, $"cannot read {Path}: {e.Message}", e);
        }
    }
}
