using System.Runtime.InteropServices;

namespace Dia.Cli.Tests.Support;

/// <summary>A pseudo-terminal, whose other end a shell can redirect to.</summary>
public sealed unsafe partial class Terminal : IDisposable
{
    private readonly int _descriptor;

    /// <summary>Opens one.</summary>
    public Terminal()
    {
        const int readWrite = 2;
        _descriptor = Open(readWrite);
        Assert.True(_descriptor >= 0 && Grant(_descriptor) == 0 && Unlock(_descriptor) == 0, "no pseudo-terminal");
        Path = Marshal.PtrToStringUTF8(Name(_descriptor))!;
    }

    /// <summary>The end for programs.</summary>
    public string Path { get; }

    /// <summary>All that was written to it, when the programs that had it open have ended: it gives some kilobytes at a time, and then an error.</summary>
    public string Read()
    {
        byte[] buffer = new byte[1 << 12];
        var all = new MemoryStream();
        fixed (byte* bytes = buffer)
        {
            while (Read(_descriptor, bytes, buffer.Length) is > 0 and nint count)
                all.Write(buffer, 0, (int)count);
        }

        return System.Text.Encoding.UTF8.GetString(all.ToArray());
    }

    /// <inheritdoc/>
    public void Dispose() => _ = Close(_descriptor);

    [LibraryImport("libc", EntryPoint = "posix_openpt")]
    private static partial int Open(int flags);

    [LibraryImport("libc", EntryPoint = "grantpt")]
    private static partial int Grant(int descriptor);

    [LibraryImport("libc", EntryPoint = "unlockpt")]
    private static partial int Unlock(int descriptor);

    [LibraryImport("libc", EntryPoint = "ptsname")]
    private static partial nint Name(int descriptor);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint Read(int descriptor, byte* bytes, nint count);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
