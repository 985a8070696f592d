using System.Text;
using Dia.Cli.Commands;
using Dia.Cli.Lines;
using Dia.Cli.Options;
using Dia.Text;

namespace Dia.Fuzz.Targets;

/// <summary>Texts, which may be no UTF-8: compared with what the platform says of them.</summary>
internal sealed class TextTarget() : FuzzTarget("text")
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private static readonly byte[][] Pieces =
        [.. new[] { "[S1]", "[S2]", "<pad>", "[S", "]", "<pad", "[[S1]]", "\0", "\u0001", "é", "日本", "😀", " ", "\n" }.Select(Encoding.UTF8.GetBytes)];

    private readonly DiaTokenizer _tokenizer = new();

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [.. new[] { "[S1] Hello there. [S2] Hi. How are you today?", "日本語 [S2] naïve café 😀 <pad>", "" }.Select(Encoding.UTF8.GetBytes)];

    // An id of four bytes for a byte, the text as UTF-16, decoded ids with spaces around tags, buffers that double; a byte that is a tag's id is five
    // characters when it is text again, which is encoded once more.
    public override long AllocationLimit(byte[] input) => 64 * 1024 + 96L * input.Length;

    public override byte[] Mutate(Randomness random) => Mutations.OfText(random, Seeds, Pieces);

    public override bool Read(byte[] input)
    {
        int invalid = DiaTokenizer.IndexOfInvalidUtf8(input);
        bool valid = System.Text.Unicode.Utf8.IsValid(input);
        if (valid != (invalid < 0) || invalid >= input.Length)
            throw new InvalidOperationException($"the platform says {(valid ? "UTF-8" : "not UTF-8")}, the tokenizer names byte {invalid}");
        // Up to the byte named everything must be text.
        if (!valid && !System.Text.Unicode.Utf8.IsValid(input.AsSpan(0, invalid)))
            throw new InvalidOperationException($"byte {invalid} is not the first that is wrong");
        int[] ids = _tokenizer.Encode(input);
        if (!ids.SequenceEqual(_tokenizer.Encode(Strict.GetString(input))))
            throw new InvalidOperationException("bytes and string give other ids");
        _ = _tokenizer.Decode(ids);
        if (!ids.SequenceEqual(_tokenizer.Encode(_tokenizer.DecodeUtf8(ids))))
            throw new InvalidOperationException("the text does not come back");
        return true;
    }
}

/// <summary>JSON lines, a few at a time.</summary>
internal sealed class JsonLinesTarget() : FuzzTarget("json-lines")
{
    private const string TheVoice = "the command's";

    private readonly CommandLine _command =
        new(SpeakCommand.Spec, [], new Dictionary<OptionSpec, object> { [DiaOptions.Seed] = new Seed(1), [DiaOptions.Voice] = TheVoice });

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. new[]
    {
        """{"id":"a1","text":"[S1] Hello.","output":"a1.wav","seed":7,"temperature":1.0}""",
        """{"text":"x"}""",
        """{"text":"[S2] Hi.","clone":"me.wav","clone_text":"[S1] What I say.","voice":null}""",
        "{\"id\":-1.5e3,\"text\":\"[S1] Oh \\ud83d\\ude00 \\u0000\",\"top_k\":0,\"top_p\":0.5,\"cfg_scale\":1,\"max_tokens\":20,\"greedy\":true,\"output\":null}\r\n\n{\"text\":\"b\"}\n",
    }.Select(Encoding.UTF8.GetBytes)];

    // A line once in a buffer that doubles and once alone, the document of 12 bytes a value, its strings as UTF-16; for each line
    // dictionaries of options and keys and an exception with its text; once the reader's buffer.
    public override long AllocationLimit(byte[] input) => 128 * 1024 + 64L * input.Length + 24L * 1024 * input.Count((byte)'\n');

    public override byte[] Mutate(Randomness random)
    {
        List<byte> text = RealFiles.ToList(random.Of(Seeds));
        Mutations.Json(random, text, random.Of(Seeds));
        return [.. text];
    }

    public override bool Read(byte[] input)
    {
        var reader = new LineReader(new MemoryStream(input));
        bool any = false;
        long number = 0;
        while (reader.Next() is { } line)
        {
            if (line.Number != ++number || line.Bytes.AsSpan().Contains((byte)'\n'))
                throw new InvalidOperationException($"line {line.Number} in place of {number}");
            any |= Accepts(line);
        }

        return any;
    }

    private bool Accepts(InputLine line)
    {
        try
        {
            LineRequest request = LineRequest.FromJson(line, _command, out string? _);
            if (!request.OwnVoice && request.Options.Get(DiaOptions.Voice) != TheVoice)
                throw new InvalidOperationException("the command's voice was lost");
            return request.Text.Length > 0 ? true : throw new InvalidOperationException("no text");
        }
        catch (DiaException)
        {
            return false;
        }
    }
}

/// <summary>Paths in JSON lines: none may lead out of its folder, whatever it says.</summary>
internal sealed class LinePathsTarget : FileTarget
{
    private static readonly byte[][] Pieces = [.. new[] { "/", "..", "../", ".", "a", "inside", "out", "file", "link", "\0", "//", "/etc/passwd", "\\", "é",
        " ", "loop" }.Select(Encoding.UTF8.GetBytes)];

    private readonly LinePaths _paths;

    public LinePathsTarget()
        : base("line-paths", "file")
    {
        Directory.CreateDirectory(Path.Combine(Folder, "inside"));
        File.CreateSymbolicLink(Path.Combine(Folder, "out"), "/tmp");
        File.CreateSymbolicLink(Path.Combine(Folder, "link"), "inside");
        File.CreateSymbolicLink(Path.Combine(Folder, "inside", "out"), "../../");
        File.CreateSymbolicLink(Path.Combine(Folder, "loop"), "loop");
        _paths = new LinePaths(Folder, Folder, anyPath: false);
    }

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. new[] { "file", "inside/a.wav", "link/b.wav", "./inside/./c" }.Select(Encoding.UTF8.GetBytes)];

    // The path in a few forms, and two exceptions.
    public override long AllocationLimit(byte[] input) => 64 * 1024 + 128L * input.Length;

    public override byte[] Mutate(Randomness random) => Mutations.OfText(random, Seeds, Pieces);

    public override bool Read(byte[] input)
    {
        string path = Encoding.UTF8.GetString(input);
        bool read = Inside(() => _paths.Input("clone", path)), written = Inside(() => _paths.Output("output", path));
        return read || written;
    }

    private bool Inside(Func<string> resolve)
    {
        string full;
        try
        {
            full = resolve();
        }
        catch (DiaException)
        {
            return false;
        }

        // No link on the way: what was checked is what will be opened.
        for (string? at = full; at is not null && at != Folder; at = Path.GetDirectoryName(at))
        {
            if (new FileInfo(at).LinkTarget is not null)
                throw new InvalidOperationException($"{full} leads over the link {at}");
        }

        return full.StartsWith(Folder + "/", StringComparison.Ordinal) && !full.Split('/').Contains("..")
            ? true : throw new InvalidOperationException($"{full} is outside");
    }
}
