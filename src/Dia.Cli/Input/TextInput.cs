using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Input;

/// <summary>Where the text comes from: words, a file, or standard input.</summary>
internal static class TextInput
{
    // Far more than any model's positions; keeps a device that never ends from filling the memory.
    private const int MaxBytes = 16 << 20;

    private const string Wanted = "a text";

    // Of an empty text there is more to say than that its file is empty.
    private static ReadOnlySpan<FileContentKind> Accepted => [FileContentKind.Text, FileContentKind.Page, FileContentKind.Empty];

    /// <summary>Refuses what is recognised as something else than a text.</summary>
    /// <param name="head">Its first bytes, as <see cref="FileContent.Recognise"/> takes them.</param>
    /// <param name="source">What messages call it.</param>
    /// <exception cref="DiaException">Input.</exception>
    public static void RefuseOther(ReadOnlySpan<byte> head, string source) => FileContent.Refuse(head, source, Wanted, DiaErrorKind.Input, Accepted);

    /// <summary>The text as a stream.</summary>
    /// <returns>The stream, and what messages call it.</returns>
    /// <exception cref="DiaException">Usage: no text or two. Input: the file cannot be opened.</exception>
    public static (Stream Stream, string Name) Open(CommandLine line)
    {
        string? file = line.Get(DiaOptions.File);
        if (line.Words.Count > 0)
            return (new MemoryStream(FromWords(line.Words)), "the text");
        if (file is null or "-")
            return file == "-" || Console.IsInputRedirected ? (StandardDescriptors.OpenInput(), "standard input") : throw NoText();
        FileContent.Refuse(file, Wanted, DiaErrorKind.Input, Accepted); // before the model is loaded
        try
        {
            return (new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0), file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(file, e);
        }
    }

    /// <summary>A text that the command was given, as the model is to have it.</summary>
    /// <param name="line">Whether its characters stay as they are.</param>
    /// <param name="text">The text.</param>
    /// <param name="source">What a message calls it.</param>
    /// <exception cref="DiaException">Input: there is nothing to say.</exception>
    public static string Prepare(CommandLine line, string text, string source) => ScriptText.Prepare(text, source, line.Has(DiaOptions.RawText));

    /// <summary>What a recording says.</summary>
    /// <exception cref="DiaException">Usage: it is the name of a file. Input: there is nothing to say.</exception>
    public static string Transcript(CommandLine line, OptionSpec<string> option, string text) => File.Exists(text)
        ? throw CommandLine.Usage(
            $"{option.Name} is what is said in the recording, and {text} is the name of a file. To give what is in it: {option.Name} \"$(cat {text})\"")
        : Prepare(line, text, option.Name);

    /// <summary>Words that all name files are a mistake: nobody wants to hear a file's name, and `--` is there for who does.</summary>
    /// <exception cref="DiaException">Usage.</exception>
    public static void CheckNoFiles(CommandLine line)
    {
        if (line.Words.Count == 0 || line.WordsAfterDashes || !line.Words.All(File.Exists))
            return;
        string names = string.Join(' ', line.Words.Select(FileContent.Quoted)),
            called = "dia" + (DiaOptions.LinesOf(line) is { } lines ? $" {lines.Name}" : "");
        string first = FileContent.Quoted(line.Words[0]);
        if (line.Words.Count == 1 && DiaOptions.LinesOf(line) is null && first.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase))
            called += " --jsonl";
        throw CommandLine.Usage(
            first.EndsWith(".wav", StringComparison.OrdinalIgnoreCase)
                ? $"{first} is a recording, and no text. To speak in its voice: --clone {first}; to have its codes: dia encode {first}; to speak its name: dia -- {names}"
            : line.Words.Count == 1 ? $"{first} is the name of a file. To speak what is in it: {called} -f {first}; to speak its name: {called} -- {first}"
            : $"{names} are the names of files. To speak what is in them: cat {names} | {called}; to speak their names: {called} -- {names}");
    }

    /// <summary>Reads the text.</summary>
    /// <exception cref="DiaException">Usage: no text or two. Input: not readable, not UTF-8, or nothing to say.</exception>
    public static string Read(CommandLine line)
    {
        (Stream stream, string source) = Open(line);
        var read = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        try
        {
            using (stream)
                for (int count; (count = stream.Read(buffer)) > 0 && read.Length <= MaxBytes;)
                    read.Write(buffer, 0, count);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(source, e);
        }

        if (read.Length > MaxBytes)
            throw new DiaException(DiaErrorKind.Input, $"{source} is longer than {MaxBytes} bytes; no model takes that much text.");
        byte[] bytes = read.ToArray();
        if (line.Words.Count == 0)
            RefuseOther(bytes, source);
        return Prepare(line, ScriptText.Decode(bytes, source), source);
    }

    private static DiaException NoText() =>
        CommandLine.Usage("no text: give it as arguments, with -f FILE, or on standard input, as in: dia \"[S1] Hello there.\" -o hello.wav");

    private static DiaException Unreadable(string name, Exception e) => new(DiaErrorKind.Input, $"cannot read the text from {name}: {e.Message}", e);

    /// <summary>The words with spaces between, as the bytes that were typed.</summary>
    private static byte[] FromWords(IReadOnlyList<string> words)
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Join(' ', words));
        // Arguments that are not UTF-8 reach Main with U+FFFD in them: only the system still has their bytes.
        if (!string.Concat(words).Contains('\uFFFD') || !File.Exists("/proc/self/cmdline"))
            return text;
        var typed = new List<byte[]>();
        ReadOnlySpan<byte> line = File.ReadAllBytes("/proc/self/cmdline");
        foreach (Range part in line.Split((byte)0))
            if (typed.Count < words.Count && Encoding.UTF8.GetString(line[part]) == words[typed.Count])
                typed.Add(line[part].ToArray());
        return typed.Count < words.Count ? text : [.. typed.SelectMany((word, i) => i == 0 ? word : word.Prepend((byte)' '))];
    }
}
