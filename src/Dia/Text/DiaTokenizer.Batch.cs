namespace Dia.Text;

/// <summary>Texts to padded and truncated ids: the reference's <c>__call__</c>.</summary>
public sealed partial class DiaTokenizer
{
    /// <summary>The ids of a text, padded and truncated as asked: a batch of one.</summary>
    /// <param name="text">The text.</param>
    /// <param name="textPair">A text whose ids follow.</param>
    /// <param name="options">How; null: the ids and their mask.</param>
    /// <exception cref="DiaException">Usage: options that contradict each other. Input: a text is not valid Unicode.</exception>
    public BatchEncoding EncodeBatch(string text, string? textPair = null, EncodingOptions? options = null) =>
        EncodeBatch([text], textPair is null ? null : [textPair], options);

    /// <summary>The ids of several texts, padded and truncated as asked.</summary>
    /// <param name="text">The texts.</param>
    /// <param name="textPair">For each text one whose ids follow; null: none.</param>
    /// <param name="options">How; null: the ids and their masks, each item at its own length.</param>
    /// <exception cref="DiaException">Usage: options that contradict each other. Input: a text is not valid Unicode, or the counts differ.</exception>
    public BatchEncoding EncodeBatch(IReadOnlyList<string> text, IReadOnlyList<string>? textPair = null, EncodingOptions? options = null) =>
        Assemble(Ids(text, nameof(text), Encode), textPair is null ? null : Ids(textPair, nameof(textPair), Encode), options);

    /// <summary>
    /// The same of texts that are split into words (<c>is_split_into_words</c>): a tag is one only within a word, and nothing stands between words.
    /// </summary>
    /// <param name="text">The words of each text.</param>
    /// <param name="textPair">For each text the words of one whose ids follow; null: none.</param>
    /// <param name="options">How; null: the ids and their masks, each item at its own length.</param>
    /// <exception cref="DiaException">Usage: options that contradict each other. Input: a word is not valid Unicode, or the counts differ.</exception>
    public BatchEncoding EncodeWords(
        IReadOnlyList<IReadOnlyList<string>> text, IReadOnlyList<IReadOnlyList<string>>? textPair = null, EncodingOptions? options = null)
    {
        return Assemble(Ids(text, nameof(text), Joined), textPair is null ? null : Ids(textPair, nameof(textPair), Joined), options);

        int[] Joined(IReadOnlyList<string> words) => words.Contains(null!) ? throw new ArgumentException("One of the words is null.") : [.. words.SelectMany(Encode)];
    }

    private static int[][] Ids<T>(IReadOnlyList<T> texts, string argument, Func<T, int[]> encode)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(texts, argument);
        return texts.Contains(null!) ? throw new ArgumentException("One of the texts is null.", argument) : [.. texts.Select(encode)];
    }

    private BatchEncoding Assemble(int[][] first, int[][]? second, EncodingOptions? options)
    {
        EncodingOptions o = (options ?? new EncodingOptions()).Resolve(PaddingStrategy.DoNotPad, ModelMaxLength, second is not null);
        if (second is not null && second.Length != first.Length)
            throw new DiaException(DiaErrorKind.Input, $"There are {first.Length} texts but {second.Length} second texts; there must be one for each.");
        var items = new Item[first.Length];
        for (int i = 0; i < items.Length; i++)
            items[i] = Cut(i, first[i], second?[i] ?? [], second is not null, o);
        int length = PaddedLength(items, o);
        return new BatchEncoding
        {
            InputIds = Padded(item => [.. item.First, .. item.Second], PadTokenId),
            AttentionMask = o.ReturnAttentionMask ? Padded(item => [.. Enumerable.Repeat(1, item.Length)], 0) : null,
            TokenTypeIds = o.ReturnTokenTypeIds ? Padded(item => [.. new int[item.First.Length], .. Enumerable.Repeat(1, item.Second.Length)], 0) : null,
            SpecialTokensMask = o.ReturnSpecialTokensMask ? Padded(item => new int[item.Length], 1) : null,
            Length = o.ReturnLength ? [.. items.Select(item => item.Length)] : null,
            OverflowingTokens = o.ReturnOverflowingTokens ? [.. items.Select(item => item.Overflow)] : null,
            NumTruncatedTokens = o.ReturnOverflowingTokens ? [.. items.Select(item => item.TooMany)] : null,
        };

        int[][] Padded(Func<Item, int[]> values, int pad) => [.. items.Select(item => Pad(values(item), pad, length, o.PaddingSide ?? PaddingSide))];
    }

    private static int PaddedLength(Item[] items, EncodingOptions o)
    {
        int length = o.Padding switch
        {
            PaddingStrategy.Longest => items.Length == 0 ? 0 : items.Max(item => item.Length),
            PaddingStrategy.MaxLength => o.MaxLength!.Value,
            _ => 0,
        };
        return o.PadToMultipleOf is int multiple && length % multiple != 0 ? checked(length + multiple - length % multiple) : length;
    }

    /// <summary>An item without what is too much of it, and what was cut with the ids before it.</summary>
    private static Item Cut(int index, int[] first, int[] second, bool pair, EncodingOptions o)
    {
        int tooMany = o.MaxLength is int most ? first.Length + second.Length - most : 0;
        if (o.Truncation == TruncationStrategy.DoNotTruncate || tooMany <= 0)
            return new Item(first, second, [], tooMany);
        if (pair && o.Truncation == TruncationStrategy.LongestFirst)
        {
            int fromLonger = Math.Min(Math.Abs(first.Length - second.Length), tooMany), fromBoth = tooMany - fromLonger;
            int fromFirst = fromBoth / 2 + (first.Length > second.Length ? fromLonger : 0);
            return new Item(first[..^fromFirst], second[..^(tooMany - fromFirst)], [], tooMany);
        }
        bool ofSecond = o.Truncation == TruncationStrategy.OnlySecond;
        int[] cut = ofSecond ? second : first;
        if (cut.Length <= tooMany)
            throw new DiaException(DiaErrorKind.Usage,
                $"Item {index}: {tooMany} ids are too many, but the {(ofSecond ? "second" : "first")} text has {cut.Length}. Truncate by LongestFirst, or raise MaxLength.");
        int[] overflow = cut[^(int)Math.Min(cut.Length, (long)tooMany + o.Stride)..], rest = cut[..^tooMany];
        return ofSecond ? new Item(first, rest, overflow, tooMany) : new Item(rest, second, overflow, tooMany);
    }

    private static int[] Pad(int[] values, int pad, int length, PaddingSide side)
    {
        if (values.Length >= length)
            return values;
        IEnumerable<int> padding = Enumerable.Repeat(pad, length - values.Length);
        return side == PaddingSide.Right ? [.. values, .. padding] : [.. padding, .. values];
    }

    /// <summary>One or two texts.</summary>
    private readonly record struct Item(int[] First, int[] Second, int[] Overflow, int TooMany)
    {
        public int Length => First.Length + Second.Length;
    }
}
