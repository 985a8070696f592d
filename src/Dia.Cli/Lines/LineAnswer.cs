using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dia.Speech;

namespace Dia.Cli.Lines;

/// <summary>What became of a line that was spoken.</summary>
/// <param name="Frames">Frames of audio.</param>
/// <param name="Seconds">Seconds of audio; null where no codec says how long a frame is.</param>
/// <param name="Ended">Whether it ended by itself.</param>
/// <param name="Seed">The seed used.</param>
/// <param name="Elapsed">Seconds from the line's start to its end.</param>
/// <param name="Doubt">Why it may not be what its text asked for; null: nothing says so.</param>
internal readonly record struct LineOutcome(int Frames, double? Seconds, bool Ended, ulong Seed, double Elapsed, SpeechDoubt? Doubt);

/// <summary>Writes the answers to JSON lines.</summary>
internal static class LineAnswer
{
    // An error may quote the line, which may be long.
    private const int MaxMessage = 500;

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The answer to a line that was spoken, with its newline.</summary>
    /// <param name="line">The line's number.</param>
    /// <param name="id">Its id as JSON text; null: none.</param>
    /// <param name="output">Where the audio went, as the line names it; null: nowhere.</param>
    /// <param name="codes">Where the codes went; null: nowhere.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="warning">What is to be said of its doubt.</param>
    /// <param name="wav">The audio as a WAV; null where it went to a file, or was not made.</param>
    public static ReadOnlySpan<byte> Done(
        long line, string? id, string? output, string? codes, LineOutcome outcome, string? warning, byte[]? wav) => Write(line, id, json =>
    {
        if (output is not null)
            json.WriteString("output", output);
        if (codes is not null)
            json.WriteString("codes", codes);
        if (outcome.Seconds is double seconds)
            json.WriteNumber("seconds", Math.Round(seconds, 3));
        json.WriteNumber("frames", outcome.Frames);
        json.WriteString("stop", outcome.Ended ? "eos" : "length");
        json.WriteNumber("seed", outcome.Seed);
        if (outcome.Seconds is double audio)
            json.WriteNumber("rtf", Math.Round(audio / Math.Max(outcome.Elapsed, 1e-6), 2));
        if (outcome.Doubt is { } doubt)
        {
            json.WriteStartArray("warnings");
            WriteMessage(json, Code(doubt.Kind), warning!);
            json.WriteEndArray();
        }

        if (wav is not null)
            json.WriteBase64String("audio", wav);
    });

    /// <summary>The answer to a line that would be spoken, but not as it is meant, with its newline.</summary>
    public static ReadOnlySpan<byte> Checked(long line, string? id, string warning) => Write(line, id, json =>
    {
        json.WriteStartArray("warnings");
        WriteMessage(json, "check", warning);
        json.WriteEndArray();
    });

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

    /// <summary>The names of the exit codes.</summary>
    private static string Code(DiaErrorKind kind) => kind switch
    {
        DiaErrorKind.Usage => "usage",
        DiaErrorKind.Model => "model",
        DiaErrorKind.Input => "input",
        DiaErrorKind.Device => "device",
        DiaErrorKind.Output => "output",
        _ => "internal",
    };

    private static string Code(SpeechDoubtKind kind) => kind switch
    {
        SpeechDoubtKind.Cut => "cut",
        SpeechDoubtKind.Endless => "endless",
        SpeechDoubtKind.Empty => "empty",
        SpeechDoubtKind.Short => "short",
        _ => "silent",
    };

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
