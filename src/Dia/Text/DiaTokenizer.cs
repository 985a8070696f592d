using System.Buffers;

namespace Dia.Text;

/// <summary>
/// Text to ids and back. An id is a UTF-8 byte (plus <see cref="Offset"/>); the tags <c>&lt;pad&gt;</c>, <c>[S1]</c>
/// and <c>[S2]</c> are the ids 0, 1 and 2. Nothing is stripped, nothing is truncated unless asked.
/// </summary>
public sealed class DiaTokenizer
{
    /// <summary>The id of <c>&lt;pad&gt;</c>.</summary>
    public const int PadTokenId = 0;

    private static readonly string[] Tags = ["<pad>", "[S1]", "[S2]"];
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>A tokenizer whose byte ids start at <paramref name="offset"/> (the released model: 0).</summary>
    /// <exception cref="DiaException">Usage: the offset is negative or above 65536.</exception>
    public DiaTokenizer(int offset = 0)
    {
        if (offset is < 0 or > 65536)
            throw new DiaException(DiaErrorKind.Usage, $"offset is {offset}; it must be between 0 and 65536.");
        Offset = offset;
    }

    /// <summary>What is added to a byte to make its id.</summary>
    public int Offset { get; }

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

    /// <summary>The ids of several texts, padded and truncated as asked.</summary>
    /// <param name="text">The texts.</param>
    /// <param name="padding">How to bring them to one length; the padding id is 0.</param>
    /// <param name="truncation">Whether to cut each text to <paramref name="maxLength"/> ids (at a byte, not at a character).</param>
    /// <param name="maxLength">The length that padding and truncation aim at; it does nothing alone.</param>
    /// <param name="stride">How many ids before the cut are repeated in the overflowing tokens.</param>
    /// <param name="padToMultipleOf">Round the padded length up to a multiple of this.</param>
    /// <param name="paddingSide">Where the padding goes.</param>
    /// <param name="returnAttentionMask">Whether to return the mask.</param>
    /// <param name="returnOverflowingTokens">Whether to return what truncation cut off.</param>
    /// <param name="returnSpecialTokensMask">Whether to return the mask of padding.</param>
    /// <param name="returnLength">Whether to return the lengths before padding.</param>
    /// <exception cref="DiaException">Usage: arguments that contradict each other. Input: a text is not valid Unicode.</exception>
    public BatchEncoding EncodeBatch(
        IReadOnlyList<string> text,
        PaddingStrategy padding = PaddingStrategy.DoNotPad,
        bool truncation = false,
        int? maxLength = null,
        int stride = 0,
        int? padToMultipleOf = null,
        PaddingSide paddingSide = PaddingSide.Right,
        bool returnAttentionMask = true,
        bool returnOverflowingTokens = false,
        bool returnSpecialTokensMask = false,
        bool returnLength = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Contains(null!))
            throw new ArgumentException("One of the texts is null.", nameof(text));
        CheckOptions(padding, truncation, maxLength, stride, padToMultipleOf, returnOverflowingTokens);
        int[][] whole = [.. text.Select(Encode)];
        int[][] cut = truncation ? [.. whole.Select(ids => ids.Length > maxLength ? ids[..maxLength.Value] : ids)] : whole;
        int length = padding switch
        {
            PaddingStrategy.Longest => cut.Length == 0 ? 0 : cut.Max(ids => ids.Length),
            PaddingStrategy.MaxLength => maxLength!.Value,
            _ => 0,
        };
        if (padToMultipleOf is int multiple && length % multiple != 0)
            length = checked(length + multiple - length % multiple);
        int[][] Padded(Func<int[], int[]> values, int pad) => [.. cut.Select(ids => Pad(values(ids), pad, length, paddingSide))];
        return new BatchEncoding
        {
            InputIds = Padded(ids => ids, PadTokenId),
            AttentionMask = returnAttentionMask ? Padded(ids => [.. Enumerable.Repeat(1, ids.Length)], 0) : null,
            SpecialTokensMask = returnSpecialTokensMask ? Padded(ids => new int[ids.Length], 1) : null,
            Length = returnLength ? [.. cut.Select(ids => ids.Length)] : null,
            OverflowingTokens = returnOverflowingTokens
                ? [.. whole.Select(ids => ids.Length > maxLength ? ids[Math.Max(0, maxLength.Value - stride)..] : [])]
                : null,
            NumTruncatedTokens = returnOverflowingTokens ? [.. whole.Select(ids => ids.Length - maxLength!.Value)] : null,
        };
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
            int id = ids[i];
            if (id == PadTokenId && skipSpecialTokens)
                continue;
            bool tag = id is 1 or 2;
            if (text.Length > 0 && (tag || afterTag))
                text.Append(' ');
            if (id >= 0 && id < Tags.Length)
                text.Append(Tags[id]);
            else if (id - Offset is >= 0 and <= 255)
                text.Append((char)(id - Offset));
            else
                throw new DiaException(DiaErrorKind.Input, $"Id {id} at position {i} is not a text id; ids run from 0 to {255 + Offset}.");
            afterTag = tag;
        }
        return text.ToString();
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
            int id = bytes.StartsWith("[S1]"u8) ? 1 : bytes.StartsWith("[S2]"u8) ? 2 : bytes.StartsWith("<pad>"u8) ? 0 : -1;
            ids[count++] = id >= 0 ? id : bytes[0] + Offset;
            bytes = bytes[(id >= 0 ? Tags[id].Length : 1)..];
        }
        return ids[..count];
    }

    private static void CheckOptions(
        PaddingStrategy padding, bool truncation, int? maxLength, int stride, int? padToMultipleOf, bool returnOverflowingTokens)
    {
        string? wrong =
            maxLength < 0 ? $"maxLength is {maxLength}; it must not be negative."
            : stride < 0 ? $"stride is {stride}; it must not be negative."
            : padToMultipleOf < 1 ? $"padToMultipleOf is {padToMultipleOf}; it must be at least 1."
            : padding == PaddingStrategy.MaxLength && maxLength is null ? "padding is MaxLength: give maxLength too."
            : truncation && maxLength is null ? "truncation is on: give maxLength too."
            : returnOverflowingTokens && !truncation ? "returnOverflowingTokens needs truncation."
            : truncation && padding != PaddingStrategy.DoNotPad && maxLength % padToMultipleOf is > 0
                ? $"truncation and padding are both on: maxLength ({maxLength}) must be a multiple of padToMultipleOf ({padToMultipleOf})."
            : null;
        if (wrong is not null)
            throw new DiaException(DiaErrorKind.Usage, wrong);
    }

    private static int[] Pad(int[] values, int pad, int length, PaddingSide side)
    {
        if (values.Length >= length)
            return values;
        IEnumerable<int> padding = Enumerable.Repeat(pad, length - values.Length);
        return side == PaddingSide.Right ? [.. values, .. padding] : [.. padding, .. values];
    }
}
