using System.Runtime.InteropServices;

namespace Dia.Cli.Output;

/// <summary>
/// Descriptors 0, 1 and 2 belong to standard input, output and error. A shell can close them (<c>&lt;&amp;-</c>); the next file opened
/// would then take the place, and a message or audio would be written into it, or a text read from it.
/// </summary>
internal static partial class StandardDescriptors
{
    /// <summary>errno of reading or writing what is closed.</summary>
    public const int BadDescriptor = 9;

    private const int GetDescriptorFlags = 1;
    private const int ReadOnly = 0;
    private const int WriteOnly = 1;

    /// <summary>
    /// Fills closed ones with a null device that cannot be read (0) or written (1), so that using them is an error as before. What is
    /// written to 2 is dropped. To be called before any file is opened.
    /// </summary>
    public static void Reserve()
    {
        Fill(0, WriteOnly);
        Fill(1, ReadOnly);
        Fill(2, WriteOnly);
    }

    /// <summary>What an error says to a user.</summary>
    public static string Describe(Exception error) => error.HResult == BadDescriptor ? "it is closed" : error.Message;

    private static void Fill(int descriptor, int mode)
    {
        if (Control(descriptor, GetDescriptorFlags) < 0)
            _ = Open("/dev/null", mode); // Takes the lowest that is free: this one, as those below it are taken.
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
