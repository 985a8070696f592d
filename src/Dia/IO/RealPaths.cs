using System.Text.Unicode;

namespace Dia.IO;

/// <summary>Where paths lead on Linux, links followed as the kernel follows them.</summary>
public static unsafe partial class RealPaths
{
    private const int MaxLinks = 40; // As many as Linux follows.
    private const int LongestPath = 4096;

    /// <summary>
    /// The name that a file has or will have, links followed, as the system sees them: .NET's own way takes a relative link for one in the root
    /// folder, and `..` for the folder that is named before it where the system takes the one that a link leads to.
    /// </summary>
    /// <exception cref="IOException">Links that lead in circles, or to a name that is not UTF-8: as text it would be the name of another file.</exception>
    public static string FollowLinks(string path)
    {
        for (int links = 0; links < MaxLinks; links++)
        {
            if (Of(Path.GetDirectoryName(path) is { Length: > 0 } given ? given : ".") is not { } folder)
                return Path.GetFullPath(path);
            path = Path.Combine(folder, Path.GetFileName(path));
            if (ReadLink(path) is not { } target)
                return path;
            path = Path.Combine(folder, target);
        }

        throw new IOException("Too many levels of symbolic links");
    }

    /// <summary>A path without links, `.` and `..`; null where it leads to nothing.</summary>
    /// <exception cref="IOException">It leads to a name that is not UTF-8.</exception>
    public static string? Of(string path)
    {
        byte* real;
        fixed (byte* bytes = Encoding.UTF8.GetBytes(path + '\0'))
            real = RealPath(bytes, null);
        if (real is null)
            return null;
        try
        {
            return Name(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(real));
        }
        finally
        {
            NativeMemory.Free(real);
        }
    }

    /// <summary>Where a link leads; null: it is none.</summary>
    private static string? ReadLink(string path)
    {
        byte* target = stackalloc byte[LongestPath];
        nint count;
        fixed (byte* bytes = Encoding.UTF8.GetBytes(path + '\0'))
            count = ReadLink(bytes, target, LongestPath);
        return count < 0 ? null : Name(new ReadOnlySpan<byte>(target, (int)count));
    }

    private static string Name(ReadOnlySpan<byte> bytes) => Utf8.IsValid(bytes)
        ? Encoding.UTF8.GetString(bytes)
        : throw new IOException($"it leads to {Encoding.UTF8.GetString(bytes)}, a name that is not UTF-8. Rename that file or folder, or name another one");

    [LibraryImport("libc", EntryPoint = "readlink")]
    private static partial nint ReadLink(byte* path, byte* target, nuint size);

    [LibraryImport("libc", EntryPoint = "realpath")]
    private static partial byte* RealPath(byte* path, byte* resolved);
}
