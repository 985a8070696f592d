using System.Text.Json;

namespace Dia.Cli.Lines;

/// <summary>
/// What a journal says: that a line's output is complete, or, as line 0, with which seed lines without one of their own are spoken from there on.
/// </summary>
/// <param name="Line">The line's number; 0: the run.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Request">SHA-256 of all that the output follows from.</param>
/// <param name="Output">SHA-256 of the audio's file; null: there is none.</param>
/// <param name="Codes">SHA-256 of the codes' file; null: there is none.</param>
/// <param name="Warnings">How many warnings there were.</param>
internal sealed record JournalEntry(long Line, ulong Seed, byte[]? Request, byte[]? Output, byte[]? Codes, int Warnings)
{
    private const int HashBytes = 32;
    private const string LineKey = "line", RequestKey = "request", SeedKey = "seed", OutputKey = "output", CodesKey = "codes", WarningsKey = "warnings";

    /// <summary>How every line of a journal begins.</summary>
    public static ReadOnlySpan<byte> Start => "{\"line\":"u8;

    /// <summary>The entry of a line whose files are complete.</summary>
    /// <param name="line">Its number.</param>
    /// <param name="request">The hash of its request.</param>
    /// <param name="seed">Its seed.</param>
    /// <param name="names">Its files.</param>
    /// <param name="warnings">How many warnings there were.</param>
    /// <exception cref="DiaException">Output: a file cannot be read again.</exception>
    public static JournalEntry Of(long line, byte[] request, ulong seed, LineNames names, int warnings)
    {
        return new JournalEntry(line, seed, request, Hash(names.Audio), Hash(names.Codes), warnings);

        static byte[]? Hash(string? path)
        {
            try
            {
                return path is null ? null : HashOf(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new DiaException(DiaErrorKind.Output, $"cannot read {path} again: {e.Message}", e);
            }
        }
    }

    /// <summary>Whether the files are those of the entry. What cannot be read is not.</summary>
    public bool Has(LineNames names)
    {
        return Same(Output, names.Audio) && Same(Codes, names.Codes);

        static bool Same(byte[]? hash, string? path)
        {
            if (hash is null || path is null)
                return hash is null && path is null;
            try
            {
                return !AtomicFile.IsWrittenInPlace(path) && HashOf(path).AsSpan().SequenceEqual(hash);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }
    }

    /// <summary>It as a line, with its newline.</summary>
    public string Write()
    {
        var json = new StringBuilder(Format.Text($"{{\"{LineKey}\":{Line}"));
        Add(RequestKey, Request);
        json.Append(Format.Text($",\"{SeedKey}\":{Seed}"));
        Add(OutputKey, Output);
        Add(CodesKey, Codes);
        if (Warnings > 0)
            json.Append(Format.Text($",\"{WarningsKey}\":{Warnings}"));
        return json.Append("}\n").ToString();

        void Add(string key, byte[]? hash)
        {
            if (hash is not null)
                json.Append(Format.Text($",\"{key}\":\"{Convert.ToHexStringLower(hash)}\""));
        }
    }

    /// <summary>Reads a line; null: it is none of a journal.</summary>
    /// <param name="bytes">The line, without its newline.</param>
    public static JournalEntry? Read(ReadOnlySpan<byte> bytes)
    {
        long? line = null;
        ulong? seed = null;
        byte[]? request = null, output = null, codes = null;
        int warnings = 0;
        try
        {
            var json = new Utf8JsonReader(bytes);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
                return null;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                string key = json.GetString()!;
                json.Read();
                bool good = key switch
                {
                    LineKey => Number(ref json, line is null, out line),
                    SeedKey => json.TokenType == JsonTokenType.Number && seed is null && (seed = json.TryGetUInt64(out ulong value) ? value : null) is not null,
                    WarningsKey => json.TokenType == JsonTokenType.Number && warnings == 0 && json.TryGetInt32(out warnings) && warnings > 0,
                    RequestKey => Hash(ref json, ref request),
                    OutputKey => Hash(ref json, ref output),
                    CodesKey => Hash(ref json, ref codes),
                    _ => false,
                };
                if (!good)
                    return null;
            }

            // An object and nothing behind it; a line has a request and an output, a run has neither.
            if (json.TokenType != JsonTokenType.EndObject || json.Read() || line is null || seed is null
                || (line > 0) != (request is not null) || (line > 0) != (output is not null || codes is not null) || (line == 0 && warnings > 0))
                return null;
            return new JournalEntry(line.Value, seed.Value, request, output, codes, warnings);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null; // The second: half of a surrogate pair as an escape.
        }
    }

    private static bool Number(ref Utf8JsonReader json, bool isFirst, out long? number)
    {
        number = json.TokenType == JsonTokenType.Number && json.TryGetInt64(out long value) && value >= 0 ? value : null;
        return isFirst && number is not null;
    }

    private static bool Hash(ref Utf8JsonReader json, ref byte[]? hash)
    {
        if (hash is not null || json.TokenType != JsonTokenType.String || json.HasValueSequence || json.ValueSpan.Length != 2 * HashBytes)
            return false;
        byte[] read = new byte[HashBytes];
        hash = read;
        return Convert.FromHexString(json.ValueSpan, read, out _, out int written) == System.Buffers.OperationStatus.Done && written == HashBytes;
    }

    private static byte[] HashOf(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        return Sha256.Hash(file);
    }
}
