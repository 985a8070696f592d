namespace Dia.Cli.Output;

/// <summary>
/// Descriptors 0, 1 and 2 belong to standard input, output and error. A shell can close them (<c>&lt;&amp;-</c>); the next file opened
/// then takes the place, be it one of ours or one of the runtime's (its /dev/urandom, before <c>Main</c>), and a message would be
/// written into it, or a text read from it.
/// </summary>
internal static partial class StandardDescriptors
{
    private const int BadDescriptor = 9; // errno
    private const int GetDescriptorFlags = 1;
    private const int CloseOnExec = 1;
    private const int WriteOnly = 1;
    private const int CloseOnExecFlag = 0x80000;

    /// <summary>Fills closed ones, so that no other file gets them. To be called before any file is opened.</summary>
    public static void Reserve()
    {
        for (int descriptor = 0; descriptor <= 2; descriptor++)
            if (Control(descriptor, GetDescriptorFlags) < 0)
                _ = Open("/dev/null", (descriptor == 2 ? WriteOnly : 0) | CloseOnExecFlag); // Takes the lowest that is free: this one.
    }

    /// <summary>Standard input as a stream.</summary>
    /// <exception cref="DiaException">Input: it was closed.</exception>
    public static Stream OpenInput() => WasClosed(0)
        ? throw new DiaException(DiaErrorKind.Input, "cannot read standard input: it is closed.")
        : Console.OpenStandardInput();

    /// <summary>Refuses standard input where a file has to be mapped into memory.</summary>
    /// <exception cref="DiaException">Input.</exception>
    public static void RefuseInput(string path, string wanted)
    {
        if (path == "-")
            throw new DiaException(DiaErrorKind.Input,
                $"{wanted} cannot be read from standard input, since its file is mapped into memory: name a file (one that is called - is ./-).");
    }

    /// <summary>
    /// Whether a descriptor was closed when the program began: what was handed over by exec cannot have the mark that says it is not to
    /// be handed over, and what has been opened here has it.
    /// </summary>
    public static bool WasClosed(int descriptor) => Control(descriptor, GetDescriptorFlags) is var flags && (flags < 0 || (flags & CloseOnExec) != 0);

    /// <summary>What an error says to a user.</summary>
    public static string Describe(Exception error) => error.HResult == BadDescriptor ? "it is closed" : error.Message;

    [LibraryImport("libc", EntryPoint = "fcntl")]
    internal static partial int Control(int descriptor, int command);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
