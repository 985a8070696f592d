using System.Text;
using Dia.Training;

namespace Dia.Fuzz.Targets;

/// <summary>Manifests of recordings: lines of JSON, CSV, and LJSpeech's form.</summary>
internal sealed class ManifestTarget(string name, string fileName) : FuzzTarget(name)
{
    private static readonly byte[][] Pieces = [.. new[] { ",", "\"", "\"\"", "|", "||", "\n", "\r\n", "\r", "file_name", "text", "transcription", "\uFEFF",
        "[S1]", "\0", "..", "/", "é", ".wav", "\n\n" }.Select(Encoding.UTF8.GetBytes)];

    private readonly bool _isCsv = fileName.EndsWith(".csv", StringComparison.Ordinal);

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. (fileName.EndsWith(".csv", StringComparison.Ordinal) ? new[]
    {
        "file_name,text\na.wav,[S1] Hello.\nb.wav,\"Yes, \"\"you\"\".\"\n",
        "speaker,transcription,audio\r\nx,\"Two\nlines.\",b/c.wav\r\n\r\ny,Plain.,d.wav\r\n",
        "LJ001-0001|In 1455|In fourteen fifty-five\nLJ001-0002|Yes.\n",
    } : new[]
    {
        "{\"audio\":\"a.wav\",\"text\":\"[S1] Hello.\"}\n{\"file_name\":\"b.wav\",\"transcription\":\"Oh \\u00e9 \\ud83d\\ude00\",\"speaker\":3}\n",
        "\uFEFF\r\n{\"audio_filepath\":\"x/a.wav\",\"duration\":1.5e0,\"text\":\"Hi.\"}",
    }).Select(Encoding.UTF8.GetBytes)];

    // CSV: characters twice, what a column index takes for each, a row's texts; JSON: 12 bytes a value and strings as UTF-16. For each line a place,
    // an entry with its path, or an exception with its text.
    public override long AllocationLimit(byte[] input) =>
        256 * 1024 + 32L * input.Length + 4L * 1024 * (1 + input.Count((byte)'\n') + input.Count((byte)'\r'));

    public override byte[] Mutate(Randomness random)
    {
        List<byte> text = RealFiles.ToList(random.Of(Seeds));
        if (_isCsv)
            Mutations.Text(random, text, random.Of(Seeds), Pieces);
        else
            Mutations.Json(random, text, random.Of(Seeds));
        return [.. text];
    }

    public override bool Read(byte[] input)
    {
        DataManifest manifest = DataManifest.Parse(input, fileName);
        foreach (DataEntry entry in manifest.Entries)
            if (!entry.Text.StartsWith('[') || entry.AudioPath.Length == 0 || !entry.Place.StartsWith(fileName, StringComparison.Ordinal))
                throw new InvalidOperationException($"an entry without its tag, recording or place: {entry}");
        return manifest.Entries.Count > 0;
    }
}
