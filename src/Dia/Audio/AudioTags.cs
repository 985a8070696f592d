namespace Dia.Audio;

/// <summary>What a file says of the speech in it.</summary>
/// <param name="Encoder">The program that made it, with its version.</param>
/// <param name="Title">What is said, shortly; null: not known.</param>
/// <param name="Seed">The seed it was drawn with; null: not known.</param>
public sealed record AudioTags(string Encoder, string? Title = null, ulong? Seed = null)
{
    /// <summary>What everyone who gets the file should be able to see.</summary>
    public const string Comment = "generated speech";

    private const int MostCharacters = 80;

    /// <summary>A title of a text: without speaker tags, and not longer than a line; null where nothing is left.</summary>
    public static string? TitleOf(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (string speaker in (ReadOnlySpan<string>)["[S1]", "[S2]"])
            text = text.Replace(speaker, " ", StringComparison.OrdinalIgnoreCase);
        string title = "";
        foreach (string word in text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            if (title.Length + word.Length >= MostCharacters)
                return title.Length > 0 ? title + " …" : null;
            title += title.Length > 0 ? " " + word : word;
        }

        return title.Length > 0 ? title : null;
    }

    /// <summary>The fields of FLAC and Ogg (Vorbis comments), behind the name of the encoder: a length in front of each, little-endian.</summary>
    internal byte[] ToVorbisComment()
    {
        List<string> fields = [.. Title is null ? [] : new[] { $"TITLE={Title}" }, $"ENCODER={Encoder}", $"COMMENT={Comment}"];
        if (Seed is { } seed)
            fields.Add(string.Create(CultureInfo.InvariantCulture, $"SEED={seed}"));
        var bytes = new List<byte>();
        Add(Encoder);
        bytes.AddRange(BitConverter.GetBytes(fields.Count));
        fields.ForEach(Add);
        return [.. bytes];

        void Add(string text)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            bytes.AddRange(BitConverter.GetBytes(utf8.Length));
            bytes.AddRange(utf8);
        }
    }

    /// <summary>The chunk LIST of a WAV, of type INFO.</summary>
    internal byte[] ToInfoChunk()
    {
        var bytes = new List<byte>("INFO"u8.ToArray());
        if (Title is not null)
            Add("INAM"u8, Title);
        Add("ISFT"u8, Encoder);
        Add("ICMT"u8, Seed is { } seed ? string.Create(CultureInfo.InvariantCulture, $"{Comment}, seed {seed}") : Comment);
        return [.. "LIST"u8, .. BitConverter.GetBytes(bytes.Count), .. bytes];

        // With a zero at the end, and another where the length is odd.
        void Add(ReadOnlySpan<byte> name, string text)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            bytes.AddRange(name);
            bytes.AddRange(BitConverter.GetBytes(utf8.Length + 1));
            bytes.AddRange(utf8);
            bytes.AddRange(new byte[1 + (utf8.Length + 1) % 2]);
        }
    }
}
