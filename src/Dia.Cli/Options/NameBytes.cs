namespace Dia.Cli.Options;

/// <summary>
/// Values that are not UTF-8. .NET turns their bytes into U+FFFD, so a file would be read or written under another name, and a text would say
/// something else: such values are refused. A name that really holds U+FFFD is as good as any.
/// </summary>
internal static unsafe partial class NameBytes
{
    private const char Replacement = '\uFFFD';

    private const int LongestPath = 4096;

    private static readonly Lazy<bool> CurrentFolderIsUtf8 = new(() =>
    {
        byte* path = stackalloc byte[LongestPath];
        return CurrentFolder(path, LongestPath) is null || Invalid(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(path)) is null;
    });

    /// <summary>Refuses an option's value.</summary>
    /// <param name="option">The option.</param>
    /// <param name="value">Its value.</param>
    /// <param name="typed">Whether it was typed; otherwise the environment has it.</param>
    /// <exception cref="DiaException">Usage: a name; Input: a text.</exception>
    public static void Check(OptionSpec option, string value, bool typed)
    {
        string source = typed ? option.Name : option.Variable;
        bool isName = option.TakesFile || option.TakesFolder;
        if ((isName || option.Value == "TEXT") && value.Contains(Replacement) && Invalid(typed ? Typed(value) : Variable(option.Variable)) is { } invalid)
            throw Refused(source, value, invalid, isName);
        if (isName)
            CheckFolder(source, value);
    }

    /// <summary>Refuses a word that names a file.</summary>
    /// <exception cref="DiaException">Usage.</exception>
    public static void CheckWord(CommandSpec command, string word)
    {
        if (word.Contains(Replacement) && Invalid(Typed(word)) is { } invalid)
            throw Refused(command.Title, word, invalid, isName: true);
        CheckFolder(command.Title, word);
    }

    /// <summary>.NET makes full paths of all names, and a current folder of another name would lead elsewhere.</summary>
    private static void CheckFolder(string source, string path)
    {
        if (path != "-" && !Path.IsPathRooted(path) && !CurrentFolderIsUtf8.Value)
            throw CommandLine.Usage(
                $"{source}: '{path}' cannot be found from the current folder, whose name ({Environment.CurrentDirectory}) is not UTF-8. Rename that folder, or work in another one.");
    }

    private static DiaException Refused(string source, string value, (int At, byte Byte) invalid, bool isName)
    {
        string what = FormattableString.Invariant($"is not UTF-8 at byte {invalid.At} (0x{invalid.Byte:X2})");
        return isName
            ? CommandLine.Usage(
                $"{source}: the name '{value}' {what}: only names in UTF-8 can be read or written. Take another name; a file that is there can be renamed, or linked to: ln -s OLD NEW")
            : new DiaException(DiaErrorKind.Input, $"{source} {what}. Convert it to UTF-8.");
    }

    private static (int At, byte Byte)? Invalid(ReadOnlySpan<byte> bytes)
    {
        int at = DiaTokenizer.IndexOfInvalidUtf8(bytes);
        return at < 0 ? null : (at, bytes[at]);
    }

    /// <summary>The bytes of a value as they were typed; nothing where the system does not say. It may be the end of an argument: -oFILE.</summary>
    private static ReadOnlySpan<byte> Typed(string value)
    {
        byte[] line = Read("/proc/self/cmdline");
        foreach (Range part in line.AsSpan().Split((byte)0))
        {
            ReadOnlySpan<byte> argument = line.AsSpan(part);
            string text = Encoding.UTF8.GetString(argument);
            if (text.EndsWith(value, StringComparison.Ordinal) && Invalid(argument) is not null)
                return argument[Encoding.UTF8.GetByteCount(text.AsSpan(0, text.Length - value.Length))..].ToArray();
        }

        return [];
    }

    private static ReadOnlySpan<byte> Variable(string name)
    {
        byte[] variables = Read("/proc/self/environ");
        byte[] start = Encoding.UTF8.GetBytes(name + "=");
        foreach (Range part in variables.AsSpan().Split((byte)0))
            if (variables.AsSpan(part).StartsWith(start))
                return variables.AsSpan(part)[start.Length..];
        return [];
    }

    [LibraryImport("libc", EntryPoint = "getcwd")]
    private static partial byte* CurrentFolder(byte* path, nuint size);

    private static byte[] Read(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
