using System.Text;
using System.Text.Json;
using Dia.Cli.Commands;
using Dia.Cli.Lines;
using Dia.Cli.Options;
using Dia.Text;
using FsCheck;
using FsCheck.Xunit;
using Xunit;

namespace Dia.Fuzz;

/// <summary>What is written as JSON lines is read as it was meant.</summary>
public sealed class JsonLinesProperties
{
    private static readonly CommandLine Command = new(SpeakCommand.Spec, [], new Dictionary<OptionSpec, object>());

    [Property(MaxTest = 300)]
    public void Lines_are_cut_where_the_newlines_are(byte[][] lines, bool last, PositiveInt piece)
    {
        byte[][] plain = [.. lines.Select(l => (l ?? []).Where(b => b is not ((byte)'\n' or (byte)'\r')).ToArray())];
        byte[] bytes = [.. plain.SelectMany((l, i) => i % 2 == 0 ? l.Append((byte)'\n') : l.Append((byte)'\r').Append((byte)'\n'))];
        if (last && bytes.Length > 0)
            bytes = bytes[..^1]; // The last line needs no newline...
        if (last && plain.Length > 0 && plain[^1].Length == 0 && plain.Length % 2 == 1)
            plain = plain[..^1]; // ...but without one there is no empty last line.
        var reader = new LineReader(new Pieces(bytes, piece.Get));
        for (int i = 0; i < plain.Length; i++)
        {
            InputLine line = Assert.NotNull(reader.Next());
            Assert.Equal(i + 1, line.Number);
            Assert.Equal(plain[i], line.Bytes);
        }

        Assert.Null(reader.Next());
    }

    [Property(MaxTest = 300)]
    public void Lines_end_as_every_system_ends_them(string?[] texts, PositiveInt piece)
    {
        byte[][] plain = [.. texts.Select(t => Encoding.UTF8.GetBytes("a" + t).Where(b => b is not ((byte)'\n' or (byte)'\r')).ToArray())];
        byte[][] ends = [[(byte)'\n'], [(byte)'\r', (byte)'\n'], [(byte)'\r']];
        var reader = new LineReader(new Pieces([.. plain.SelectMany((l, i) => l.Concat(ends[(i + piece.Get) % 3]))], piece.Get), returns: true);
        foreach (byte[] line in plain)
            Assert.Equal(line, Assert.NotNull(reader.Next()).Bytes);
        Assert.Null(reader.Next());
    }

    [Property(MaxTest = 300)]
    public void A_request_says_what_was_written(NonEmptyString text, string? output, ulong seed, bool greedy, PositiveInt id)
    {
        // A letter, or there might be nothing to say.
        string valid = "a" + Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Get));
        string? path = output is null ? null : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(output));
        string json =
            $"{{\"id\":{id.Get},\"text\":{JsonSerializer.Serialize(valid)},\"output\":{JsonSerializer.Serialize(path)},\"seed\":{seed},\"greedy\":{(greedy ? "true" : "false")}}}";
        LineRequest request = LineRequest.FromJson(new InputLine(1, Encoding.UTF8.GetBytes(json)), Command, out string? written);
        Assert.Equal(ScriptText.Normalize(valid), request.Text);
        CommandLine raw = Command with { Values = new Dictionary<OptionSpec, object> { [DiaOptions.RawText] = true } };
        Assert.Equal(valid, LineRequest.FromJson(new InputLine(1, Encoding.UTF8.GetBytes(json)), raw, out _).Text);
        Assert.Equal(path, request.Output);
        Assert.Equal(id.Get.ToString(System.Globalization.CultureInfo.InvariantCulture), written);
        Assert.True(request.Options.TryGet(DiaOptions.Seed, out Seed read));
        Assert.Equal(seed, read.Value);
        Assert.Equal(greedy, request.Options.Has(DiaOptions.Greedy));
    }

    [Property(MaxTest = 300)]
    public void A_voice_of_the_line_leaves_nothing_of_the_commands(NonEmptyString? clone, NonEmptyString? transcript, NonEmptyString? voice)
    {
        OptionSpec<string>[] sources = [DiaOptions.Clone, DiaOptions.CloneText, DiaOptions.Voice, DiaOptions.PromptCodes];
        CommandLine command = Command with { Values = sources.ToDictionary(o => (OptionSpec)o, _ => (object)"the command's") };
        string?[] given = [.. new[] { clone, transcript, voice }.Select(v => v is null ? null : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(v.Get)))];
        string json =
            JsonSerializer.Serialize(new Dictionary<string, string?> { ["text"] = "x", ["clone"] = given[0], ["clone_text"] = given[1], ["voice"] = given[2] });
        LineRequest request = LineRequest.FromJson(new InputLine(1, Encoding.UTF8.GetBytes(json)), command, out _);
        bool own = given.Any(v => v is not null);
        Assert.Equal(own, request.OwnVoice);
        string?[] expected = own ? [.. given, null] : [.. Enumerable.Repeat("the command's", 4)];
        Assert.Equal(expected, sources.Select(request.Options.Get));
    }

    /// <summary>A stream that gives a few bytes at a time.</summary>
    private sealed class Pieces(byte[] content, int size) : MemoryStream(content)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, size)]);
    }
}
