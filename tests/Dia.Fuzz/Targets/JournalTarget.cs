using System.Text;
using Dia.Cli.Lines;

namespace Dia.Fuzz.Targets;

/// <summary>The journal of a list that is gone on with: what is read is what would be written again.</summary>
internal sealed class JournalTarget() : FuzzTarget("journal")
{
    private static readonly string Hash = string.Concat(Enumerable.Repeat("0123456789abcdef", 4));

    private static readonly byte[][] Pieces = [.. new[]
    {
        "{", "}", "\n", "\"line\":", "\"seed\":", "\"request\":", "\"output\":", "\"codes\":", "\"warnings\":", "7", "0", "-1", "1e3", "18446744073709551616",
        "null", "[[", ",", "\"", Hash, "{\"line\":0,\"seed\":1}\n", "\\ud800",
    }.Select(Encoding.UTF8.GetBytes)];

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. new[]
    {
        $"{{\"line\":0,\"seed\":7}}\n{{\"line\":1,\"request\":\"{Hash}\",\"seed\":7,\"output\":\"{Hash}\"}}\n",
        $"{{\"line\":0,\"seed\":7}}\n{{\"line\":12,\"request\":\"{Hash}\",\"seed\":18446744073709551615,\"codes\":\"{Hash}\",\"warnings\":2}}\n{{\"line\":13,\"reque",
        "{\"li",
        "",
    }.Select(Encoding.UTF8.GetBytes)];

    // The buffer; of a line its hashes and, where it is none, an exception with its text.
    public override long AllocationLimit(byte[] input) => 128 * 1024 + 64L * input.Length + 4L * 1024 * (1 + input.Count(b => b == '\n'));

    public override byte[] Mutate(Randomness random) => Mutations.OfText(random, Seeds, Pieces);

    public override bool Read(byte[] input)
    {
        List<JournalEntry> entries;
        long end;
        try
        {
            (end, entries) = Entries(input);
        }
        catch (DiaException)
        {
            return false;
        }

        if (end < 0 || end > input.Length || (end > 0 && input[end - 1] != '\n') || entries.Count != input.AsSpan(0, (int)end).Count((byte)'\n'))
            throw new InvalidOperationException($"{end} of {input.Length} bytes are kept, {entries.Count} lines");
        byte[] again = Encoding.UTF8.GetBytes(string.Concat(entries.Select(e => e.Write())));
        if (!Entries(again).Entries.Select(e => e.Write()).SequenceEqual(entries.Select(e => e.Write())))
            throw new InvalidOperationException("what was read is not read again");
        return true;
    }

    private static (long End, List<JournalEntry> Entries) Entries(byte[] bytes)
    {
        var entries = new List<JournalEntry>();
        return (LineJournal.Read(new MemoryStream(bytes), "journal", entries.Add), entries);
    }
}
