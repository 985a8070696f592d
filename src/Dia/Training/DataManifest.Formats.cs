using System.Text.Json;
using nietras.SeparatedValues;

namespace Dia.Training;

// The formats of manifests.
public sealed partial class DataManifest
{
    private const int MaxLineBytes = 1 << 20;

    // The names that data sets use: Hugging Face's audiofolder, NeMo.
    private static readonly string[] AudioKeys = ["audio", "file_name", "audio_filepath"], TextKeys = ["text", "transcription"];

    private void ReadJsonLines(ReadOnlyMemory<byte> text, string path) => EachLine(text, path, (place, line) =>
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                Reject(place, "it is JSON, but no object: a line looks like {\"audio\":\"a.wav\",\"text\":\"[S1] Hello.\"}.");
            else if (Find(document.RootElement, place, AudioKeys) is { } audio && Find(document.RootElement, place, TextKeys) is { } said)
                Add(place, audio, () => said);
        }
        catch (JsonException e)
        {
            Reject(place, $"it is not valid JSON at byte {e.BytePositionInLine}: {e.Message.Split(" LineNumber:")[0]}");
        }
        catch (InvalidOperationException)
        {
            Reject(place, "a string is not valid Unicode: it holds half of a surrogate pair."); // as an escape: valid JSON, and no text
        }
    });

    /// <summary>The string under the one of some keys that is there; null: it was rejected.</summary>
    private string? Find(JsonElement line, string place, string[] keys)
    {
        JsonProperty[] found = [.. line.EnumerateObject().Where(p => keys.Contains(p.Name))];
        if (found.Length != 1)
            Reject(place, found.Length == 0 ? $"the key {keys[0]} is missing." : $"the keys {found[0].Name} and {found[1].Name} say the same: give one of them.");
        else if (found[0].Value.ValueKind != JsonValueKind.String)
            Reject(place, $"{found[0].Name} must be a string.");
        else
            return found[0].Value.GetString();
        return null;
    }

    private void ReadCsv(ReadOnlyMemory<byte> text, string path)
    {
        ReadOnlySpan<byte> first = text.Span;
        first = first.IndexOf((byte)'\n') is >= 0 and var end ? first[..end] : first;
        if (first.Contains((byte)'|') && first.IndexOf("file_name"u8) < 0)
            ReadLjSpeech(text, path);
        else if (text.Span.Count((byte)'"') % 2 != 0)
            throw new DiaException(DiaErrorKind.Input, $"{path}: a quotation mark is opened and not closed. Within a text that stands in quotes each is doubled.");
        else
            ReadColumns(text, path);
    }

    /// <summary>RFC 4180 with a line of names: file_name, and text or transcription.</summary>
    private void ReadColumns(ReadOnlyMemory<byte> text, string path)
    {
        try
        {
            SepReaderOptions options = Sep.New(',').Reader(o => o with { HasHeader = false, Unescape = true, DisableColCountCheck = true });
            using SepReader reader = options.From(text.ToArray());
            int audio = -1, said = -1, columns = 0;
            foreach (SepReader.Row row in reader)
            {
                if (columns == 0)
                {
                    columns = row.ColCount;
                    (audio, said) = (Column(row, path, AudioKeys), Column(row, path, TextKeys));
                    continue;
                }

                string place = Line(path, row.LineNumberFrom);
                if (row.ColCount == 1 && row[0].Span.IsEmpty)
                    continue; // an empty line
                if (row.ColCount != columns)
                    Reject(place, $"it has {row.ColCount} columns, the first line {columns}. A text with a comma stands in quotes.");
                else
                {
                    string transcript = row[said].ToString();
                    Add(place, row[audio].ToString(), () => transcript);
                }
            }
        }
        catch (Exception e) when (e is NotSupportedException or InvalidDataException)
        {
            throw new DiaException(DiaErrorKind.Input, $"{path} is no CSV of recordings: {e.Message}", e);
        }
    }

    private static int Column(SepReader.Row header, string path, string[] names)
    {
        int found = -1;
        for (int i = 0; i < header.ColCount; i++)
            if (names.Contains(header[i].ToString().Trim()))
                found = found < 0 ? i
                    : throw new DiaException(DiaErrorKind.Input, $"{path}: two columns of the first line say the same: {string.Join(", ", names)}. Keep one.");
        return found >= 0 ? found : throw new DiaException(DiaErrorKind.Input,
            $"{path}: the first line must name the columns, and none is called {string.Join(" or ", names)}. (LJSpeech's form is read too: NAME|text, a recording in wavs/.)");
    }

    /// <summary>LJSpeech: a name, the text, and perhaps the text with its numbers spelled out, which is what is said; quotes mean nothing.</summary>
    private void ReadLjSpeech(ReadOnlyMemory<byte> text, string path) => EachLine(text, path, (place, line) =>
    {
        string[] fields = Encoding.UTF8.GetString(line.Span).Split('|');
        if (fields.Length is not (2 or 3) || fields[0].Length == 0)
            Reject(place, $"it has {fields.Length} fields; it must be NAME|text or NAME|text|text as it is spoken.");
        else
            Add(place, Endings.Contains(Path.GetExtension(fields[0]).ToLowerInvariant()) ? fields[0] : $"wavs/{fields[0]}.wav",
                () => fields[1..].LastOrDefault(f => f.Length > 0) ?? "");
    });

    /// <summary>The lines that are not empty, with their places.</summary>
    private void EachLine(ReadOnlyMemory<byte> text, string path, Action<string, ReadOnlyMemory<byte>> read)
    {
        for (int number = 1; !text.IsEmpty; number++)
        {
            int end = text.Span.IndexOf((byte)'\n');
            ReadOnlyMemory<byte> line = end < 0 ? text : text[..end];
            text = text[(end < 0 ? text.Length : end + 1)..];
            if (line.Span.EndsWith("\r"u8))
                line = line[..^1];
            if (line.Length > MaxLineBytes)
                Reject(Line(path, number), $"it is longer than {MaxLineBytes} bytes.");
            else if (line.Span.ContainsAnyExcept(" \t"u8))
                read(Line(path, number), line);
        }
    }

    private static string Line(string path, int number) => string.Create(CultureInfo.InvariantCulture, $"{path}, line {number}");
}
