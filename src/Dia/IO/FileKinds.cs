namespace Dia.IO;

/// <summary>What a path leads to, links followed.</summary>
internal enum FileKind
{
    /// <summary>Nothing there, or not reachable.</summary>
    Missing,

    /// <summary>A regular file: has a length, can be mapped and replaced.</summary>
    Regular,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A device, FIFO or socket: read and written in place.</summary>
    Special,
}

/// <summary>Tells regular files from devices and FIFOs, which .NET's file attributes do not on Unix.</summary>
internal static unsafe partial class FileKinds
{
    // linux/stat.h: struct statx has the same layout on every architecture, unlike struct stat.
    private const int ModeOffset = 28;
    private const int LengthOffset = 40;
    private const int StatxSize = 256;
    private const int CurrentFolder = -100;
    private const uint WantsTypeAndLength = 0x201;

    /// <summary>The kind of what <paramref name="path"/> leads to.</summary>
    public static FileKind Of(string path) => Of(path, out _);

    /// <summary>The kind of what <paramref name="path"/> leads to, and a regular file's length; nothing is opened for that.</summary>
    public static FileKind Of(string path, out long length)
    {
        length = 0;
        if (Directory.Exists(path))
            return FileKind.Folder;
        if (!File.Exists(path))
            return FileKind.Missing;
        if (!OperatingSystem.IsLinux())
        {
            length = new FileInfo(path).Length;
            return FileKind.Regular;
        }

        byte* status = stackalloc byte[StatxSize];
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            if (Statx(CurrentFolder, name, 0, WantsTypeAndLength, status) != 0)
                return FileKind.Missing;
        }

        length = *(long*)(status + LengthOffset);
        return (*(ushort*)(status + ModeOffset) & 0xF000) == 0x8000 ? FileKind.Regular : FileKind.Special;
    }

    [LibraryImport("libc", EntryPoint = "statx")]
    private static partial int Statx(int folder, byte* path, int flags, uint mask, byte* status);
}
