using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Dia.Cli.Lines;

/// <summary>Writes the answers to JSON lines.</summary>
internal static class LineAnswer
{
    // An error may quote the line, which may be long.
    private const int MaxMessage = 500;

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The answer to a line that was spoken, with its newline.</summary>
    /// <param name="job">The line.</param>
    /// <param name="spoken">What it came to.</param>
    /// <param name="seconds">Seconds of audio; null where none was made.</param>
    /// <param name="sound">The audio as a file's bytes; null where it went to a file, or was not made.</param>
    public static ReadOnlySpan<byte> Done(LineJob job, SpokenScript spoken, double? seconds, byte[]? sound) => Write(job.Line, job.Id, json =>
    {
        WriteFiles(json, job.Output, job.Files.CodesName);
        if (seconds is double length)
            json.WriteNumber("seconds", Math.Round(length, 3));
        json.WriteNumber("frames", spoken.Frames);
        json.WriteString("stop", spoken.CutPieces == 0 ? "eos" : "length");
        json.WriteNumber("seed", job.Seed);
        if (seconds is double audio)
            json.WriteNumber("rtf", Math.Round(audio / Math.Max(spoken.Pieces.Sum(p => p.Result!.Elapsed.TotalSeconds), 1e-6), 2));
        if (job.Warnings.Count > 0)
            WriteWarnings(json, job.Warnings.Select(w => (Code(w.Kind), w.Message)));
        if (sound is not null)
            json.WriteBase64String("audio", sound);
    });

    /// <summary>The answer to a line whose output is there already, with its newline.</summary>
    /// <param name="entry">The line, as the journal has it.</param>
    /// <param name="id">Its id as JSON text, or null.</param>
    /// <param name="output">The output that it names, or null.</param>
    /// <param name="codes">The codes' file; null: there is none.</param>
    /// <param name="warning">What is to be said of it; null: nothing.</param>
    public static ReadOnlySpan<byte> Kept(JournalEntry entry, string? id, string? output, string? codes, string? warning) => Write(entry.Line, id, json =>
    {
        WriteFiles(json, output, codes);
        json.WriteNumber("seed", entry.Seed);
        json.WriteBoolean("kept", true);
        if (warning is not null)
            WriteWarnings(json, [("kept", warning)]);
    });

    /// <summary>The answer to a line that would be spoken, but not as it is meant, with its newline.</summary>
    public static ReadOnlySpan<byte> Checked(long line, string? id, string warning) => Write(line, id, json => WriteWarnings(json, [("check", warning)]));

    /// <summary>The answer to a line that failed, with its newline.</summary>
    public static ReadOnlySpan<byte> Failed(long line, string? id, DiaErrorKind kind, string message) => Write(line, id, json =>
    {
        json.WritePropertyName("error");
        WriteMessage(json, Code(kind), message);
    });

    /// <summary>A message that is not longer than a few lines.</summary>
    public static string Clip(string message)
    {
        if (message.Length <= MaxMessage)
            return message;
        int end = char.IsHighSurrogate(message[MaxMessage - 1]) ? MaxMessage - 1 : MaxMessage;
        return message[..end] + "...";
    }

    /// <summary>Errors and doubts are called as their kinds are: usage, cut.</summary>
    private static string Code(Enum kind) => kind.ToString().ToLowerInvariant();

    private static void WriteFiles(Utf8JsonWriter json, string? output, string? codes)
    {
        if (output is not null)
            json.WriteString("output", output);
        if (codes is not null)
            json.WriteString("codes", codes);
    }

    private static void WriteWarnings(Utf8JsonWriter json, IEnumerable<(string Code, string Message)> warnings)
    {
        json.WriteStartArray("warnings");
        foreach ((string code, string message) in warnings)
            WriteMessage(json, code, message);
        json.WriteEndArray();
    }

    private static void WriteMessage(Utf8JsonWriter json, string code, string message)
    {
        json.WriteStartObject();
        json.WriteString("code", code);
        json.WriteString("message", Clip(message));
        json.WriteEndObject();
    }

    private static ReadOnlySpan<byte> Write(long line, string? id, Action<Utf8JsonWriter> rest)
    {
        var bytes = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(bytes, Options))
        {
            json.WriteStartObject();
            json.WriteNumber("line", line);
            json.WritePropertyName("id");
            json.WriteRawValue(id ?? "null", skipInputValidation: true);
            rest(json);
            json.WriteEndObject();
        }

        bytes.Write("\n"u8);
        return bytes.WrittenSpan;
    }
}
