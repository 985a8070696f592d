using System.Buffers;

namespace Dia.Text;

/// <summary>
/// Text to ids and back. An id is a UTF-8 byte (plus <see cref="Offset"/>); the tags <c>&lt;pad&gt;</c>, <c>[S1]</c>
/// and <c>[S2]</c> are the ids 0, 1 and 2. Nothing is stripped, nothing is truncated unless asked.
/// </summary>
public sealed partial class DiaTokenizer
{
    /// <summary>The id of <c>&lt;pad&gt;</c>, which is the unknown token too.</summary>
    public const int PadTokenId = 0;

    /// <summary>Ids of bytes.</summary>
    public const int VocabSize = 256;

    private const int MaxOffset = 65536;

    private static readonly string[] Tags = ["<pad>", "[S1]", "[S2]"];
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>A tokenizer whose byte ids start at <paramref name="offset"/> (the released model: 0).</summary>
    /// <exception cref="DiaException">Usage: the offset is negative or above 65536.</exception>
    public DiaTokenizer(int offset = 0)
    {
        if (offset is < 0 or > MaxOffset)
            throw new DiaException(DiaErrorKind.Usage, $"offset is {offset}; it must be between 0 and {MaxOffset}.");
        Offset = offset;
    }

    /// <summary>What is added to a byte to make its id.</summary>
    public int Offset { get; }

    /// <summary>The file's <c>max_length</c>. It cuts nothing, as in the reference; see <see cref="ModelMaxLength"/>.</summary>
    public int MaxLength { get; init; } = 1024;

    /// <summary>The length that truncation and padding aim at where none is given: the model's. Null: there is none.</summary>
    /// <exception cref="DiaException">Usage: below 1.</exception>
    public int? ModelMaxLength
    {
        get;
        init => field = value is null or >= 1 ? value : throw new DiaException(DiaErrorKind.Usage, $"ModelMaxLength is {value}; it must be at least 1.");
    }

    /// <summary>Where padding goes unless the call says otherwise.</summary>
    public PaddingSide PaddingSide { get; init; }

    /// <summary>The ids of a text.</summary>
    /// <exception cref="DiaException">Input: the string holds half of a surrogate pair.</exception>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            return EncodeUtf8(StrictUtf8.GetBytes(text));
        }
        catch (EncoderFallbackException e)
        {
            throw new DiaException(
                DiaErrorKind.Input,
                $"The text is not valid Unicode: character {e.Index} (U+{(int)text[e.Index]:X4}) is half of a surrogate pair. Remove or replace it.");
        }
    }

    /// <summary>The ids of a text given as UTF-8 bytes.</summary>
    /// <exception cref="DiaException">Input: the bytes are not UTF-8; the message names the offset.</exception>
    public int[] Encode(ReadOnlySpan<byte> utf8)
    {
        CheckUtf8(utf8, "The text");
        return EncodeUtf8(utf8);
    }

    /// <summary>The offset where the first ill-formed UTF-8 sequence starts, or -1 where there is none.</summary>
    public static int IndexOfInvalidUtf8(ReadOnlySpan<byte> bytes)
    {
        int position = 0;
        while (position < bytes.Length)
        {
            if (Rune.DecodeFromUtf8(bytes[position..], out _, out int consumed) != OperationStatus.Done)
                return position;
            position += consumed;
        }
        return -1;
    }

    /// <summary>
    /// Ids to text, as the reference does it: every byte becomes the character of that number (so what is not ASCII
    /// does not come back), and speaker tags are set off by a space on either side.
    /// </summary>
    /// <exception cref="DiaException">Input: an id stands for neither a tag nor a byte.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var text = new StringBuilder(ids.Length);
        bool afterTag = false;
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] == PadTokenId && skipSpecialTokens)
                continue;
            bool tag = ids[i] is 1 or 2;
            if (text.Length > 0 && (tag || afterTag))
                text.Append(' ');
            if (ids[i] >= 0 && ids[i] < Tags.Length)
                text.Append(Tags[ids[i]]);
            else
                text.Append((char)ByteOf(ids, i));
            afterTag = tag;
        }
        return text.ToString();
    }

    /// <summary>The same for several.</summary>
    /// <exception cref="DiaException">Input: an id stands for neither a tag nor a byte.</exception>
    public string[] BatchDecode(IReadOnlyList<int[]> sequences, bool skipSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        return [.. sequences.Select(ids => Decode(ids, skipSpecialTokens))];
    }

    /// <summary>
    /// Ids back to the text they came from: bytes are joined and read as UTF-8, tags stand as they were typed. Bytes that are no UTF-8 (a character
    /// that truncation cut) become U+FFFD.
    /// </summary>
    /// <exception cref="DiaException">Input: an id stands for neither a tag nor a byte.</exception>
    public string DecodeUtf8(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var bytes = new List<byte>(ids.Length);
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] >= Tags.Length || ids[i] < 0)
                bytes.Add(ByteOf(ids, i));
            else if (ids[i] != PadTokenId || !skipSpecialTokens)
                bytes.AddRange(Utf8Of(ids[i]));
        }
        return Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(bytes));
    }

    /// <summary>The tokens of a text: its tags, and for each byte the character of that number.</summary>
    /// <exception cref="DiaException">Input: the string holds half of a surrogate pair.</exception>
    public string[] Tokenize(string text) => ConvertIdsToTokens(Encode(text));

    /// <summary>Ids to tokens.</summary>
    /// <exception cref="DiaException">Input: an id stands for neither a tag nor a byte.</exception>
    public string[] ConvertIdsToTokens(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var tokens = new List<string>(ids.Length);
        for (int i = 0; i < ids.Length; i++)
            if (ids[i] != PadTokenId || !skipSpecialTokens)
                tokens.Add(ids[i] >= 0 && ids[i] < Tags.Length ? Tags[ids[i]] : ((char)ByteOf(ids, i)).ToString());
        return [.. tokens];
    }

    /// <summary>Tokens to ids.</summary>
    /// <exception cref="DiaException">Input: a token is neither a tag nor the character of a byte.</exception>
    public int[] ConvertTokensToIds(IReadOnlyList<string> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        var ids = new int[tokens.Count];
        for (int i = 0; i < ids.Length; i++)
        {
            string token = tokens[i] ?? throw new ArgumentException("One of the tokens is null.", nameof(tokens));
            int tag = Array.IndexOf(Tags, token);
            ids[i] = tag >= 0 ? tag
                : token.Length == 1 && token[0] <= byte.MaxValue ? token[0] + Offset
                : throw new DiaException(DiaErrorKind.Input, $"Token {i} is no tag and no byte: tokens are {string.Join(", ", Tags)} and the characters to U+00FF.");
        }
        return ids;
    }

    /// <summary>Every token and its id: the tags, and the bytes that no tag hides.</summary>
    public IReadOnlyDictionary<string, int> GetVocab()
    {
        var vocabulary = Enumerable.Range(0, Tags.Length).ToDictionary(id => Tags[id], id => id, StringComparer.Ordinal);
        for (int id = Math.Max(Tags.Length, Offset); id < VocabSize + Offset; id++)
            vocabulary.Add(((char)(id - Offset)).ToString(), id);
        return vocabulary;
    }

    /// <summary>Refuses bytes that are not UTF-8.</summary>
    /// <exception cref="DiaException">Input: the message names the offset.</exception>
    internal static void CheckUtf8(ReadOnlySpan<byte> bytes, string source)
    {
        int invalid = IndexOfInvalidUtf8(bytes);
        if (invalid >= 0)
            throw new DiaException(DiaErrorKind.Input, $"{source} is not valid UTF-8 at byte {invalid} (0x{bytes[invalid]:X2}). Convert it to UTF-8.");
    }

    private int[] EncodeUtf8(ReadOnlySpan<byte> bytes)
    {
        var ids = new int[bytes.Length];
        int count = 0;
        while (!bytes.IsEmpty)
        {
            int id = Tags.Length - 1;
            while (id >= 0 && !bytes.StartsWith(Utf8Of(id)))
                id--;
            ids[count++] = id >= 0 ? id : bytes[0] + Offset;
            bytes = bytes[(id >= 0 ? Tags[id].Length : 1)..];
        }
        return ids[..count];
    }

    private static ReadOnlySpan<byte> Utf8Of(int tag) => tag switch
    {
        0 => "<pad>"u8,
        1 => "[S1]"u8,
        _ => "[S2]"u8,
    };

    /// <summary>The byte that an id stands for which is no tag.</summary>
    private byte ByteOf(ReadOnlySpan<int> ids, int at) => ids[at] - Offset is >= 0 and <= byte.MaxValue and int value
        ? (byte)value
        : throw new DiaException(DiaErrorKind.Input, $"Id {ids[at]} at position {at} is not a text id; ids run from 0 to {byte.MaxValue + Offset}.");
}
