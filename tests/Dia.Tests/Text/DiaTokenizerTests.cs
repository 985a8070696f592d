using System.Text;
using System.Text.Json;
using Dia.Text;
using Xunit;

namespace Dia.Tests.Text;

public sealed class DiaTokenizerTests
{
    private static readonly DiaTokenizer Tokenizer = new();

    [Fact]
    public void Encodes_as_the_reference()
    {
        foreach (JsonElement item in Fixtures.Json("tokenizer", "encode.json").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            int[] expected = Ints(item.GetProperty("ids"));
            Assert.Equal(expected, Tokenizer.Encode(text));
            Assert.Equal(expected, Tokenizer.Encode(Encoding.UTF8.GetBytes(text).AsSpan()));
        }
    }

    [Fact]
    public void Decodes_as_the_reference()
    {
        foreach (JsonElement item in Fixtures.Json("tokenizer", "decode.json").EnumerateArray())
        {
            int[] ids = Ints(item.GetProperty("ids"));
            Assert.Equal(item.GetProperty("text").GetString(), Tokenizer.Decode(ids));
            Assert.Equal(item.GetProperty("text_skip_special_tokens").GetString(), Tokenizer.Decode(ids, skipSpecialTokens: true));
        }
    }

    [Fact]
    public void Pads_a_batch_as_the_reference()
    {
        JsonElement item = Fixtures.Json("tokenizer", "batch.json");
        BatchEncoding encoding = Tokenizer.EncodeBatch(
            Strings(item.GetProperty("texts")), null, new EncodingOptions { Padding = PaddingStrategy.Longest });
        Assert.Equal(Matrix(item.GetProperty("input_ids")), encoding.InputIds);
        Assert.Equal(Matrix(item.GetProperty("attention_mask")), encoding.AttentionMask);
    }

    [Fact]
    public void Truncates_a_batch_as_the_reference()
    {
        JsonElement item = Fixtures.Json("tokenizer", "truncate.json");
        var options = new EncodingOptions { Padding = PaddingStrategy.MaxLength, Truncation = TruncationStrategy.LongestFirst };
        string[] texts = Strings(item.GetProperty("texts"));
        int length = item.GetProperty("max_length").GetInt32();
        BatchEncoding encoding = Tokenizer.EncodeBatch(texts, null, options with { MaxLength = length });
        Assert.Equal(encoding.InputIds, new DiaTokenizer { ModelMaxLength = length }.EncodeBatch(texts, null, options).InputIds);
        Assert.Equal(Matrix(item.GetProperty("input_ids")), encoding.InputIds);
        Assert.Equal(Matrix(item.GetProperty("attention_mask")), encoding.AttentionMask);
    }

    [Fact]
    public void Takes_the_references_options()
    {
        int outputs = 0;
        foreach (JsonElement item in Fixtures.Json("tokenizer", "options.json").EnumerateArray())
        {
            string[] texts = Strings(item.GetProperty("texts"));
            JsonElement options = item.GetProperty("options");
            JsonElement[] expected = [.. item.GetProperty("out").EnumerateArray()];
            if (options.TryGetProperty("offset", out JsonElement offset))
            {
                Assert.Equal(Ints(expected[0].GetProperty("input_ids")), new DiaTokenizer(offset.GetInt32()).Encode(texts[0]));
                continue;
            }
            string[][] calls = item.GetProperty("one_call_per_text").GetBoolean() ? [.. texts.Select(t => new[] { t })] : [texts];
            for (int i = 0; i < calls.Length; i++, outputs++)
                AssertSame(expected[i], Encode(calls[i], options));
        }
        Assert.Equal(11, outputs);
    }

    [Fact]
    public void Has_the_references_vocabulary()
    {
        JsonElement more = Fixtures.Json("tokenizer", "more.json");
        Assert.Equal(DiaTokenizer.VocabSize, more.GetProperty("vocab_size").GetInt32());
        IReadOnlyDictionary<string, int> vocabulary = Tokenizer.GetVocab();
        Assert.Equal(more.GetProperty("length").GetInt32(), vocabulary.Count);
        Assert.Equal(more.GetProperty("vocab").EnumerateObject().OrderBy(p => p.Value.GetInt32()).Select(p => $"{p.Value.GetInt32()} {p.Name}"),
            vocabulary.OrderBy(p => p.Value).Select(p => $"{p.Value} {p.Key}"));
        foreach (int offset in new[] { 0, 2, 5 })
        {
            var tokenizer = new DiaTokenizer(offset);
            Assert.All(tokenizer.GetVocab(), entry => Assert.Equal([entry.Key], tokenizer.ConvertIdsToTokens([entry.Value])));
        }
    }

    [Fact]
    public void Tokens_and_ids_are_the_references_both_ways()
    {
        JsonElement more = Fixtures.Json("tokenizer", "more.json");
        foreach (JsonProperty text in more.GetProperty("tokenize").EnumerateObject())
        {
            Assert.Equal(Strings(text.Value), Tokenizer.Tokenize(text.Name));
            Assert.Equal(Tokenizer.Encode(text.Name), Tokenizer.ConvertTokensToIds(Strings(text.Value)));
        }
        Assert.Equal(Strings(more.GetProperty("tokens_of_ids")), Tokenizer.ConvertIdsToTokens([0, 1, 2, 3, 65, 195, 255]));
        Assert.Equal(["[S1]", "A"], Tokenizer.ConvertIdsToTokens([0, 1, 65, 0], skipSpecialTokens: true));
        Assert.Equal(Ints(more.GetProperty("ids_of_tokens")), Tokenizer.ConvertTokensToIds(["a", "[S1]", "\u00e9", "<pad>"]));
        Assert.Equal(Strings(more.GetProperty("batch_decode")), Tokenizer.BatchDecode([[1, 32, 72], [2, 33]]));
        foreach (string token in new[] { "", "ab", "[S3]", "\u0100" })
            Assert.Contains("Token 1 ", Assert.Throws<DiaException>(() => Tokenizer.ConvertTokensToIds(["a", token])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pairs_words_and_ragged_batches_are_the_references()
    {
        JsonElement more = Fixtures.Json("tokenizer", "more.json");
        var first = new EncodingOptions { Truncation = TruncationStrategy.OnlyFirst, MaxLength = 6 };
        AssertSame(more.GetProperty("pair"), Tokenizer.EncodeBatch("[S1] a", "b"));
        AssertSame(more.GetProperty("only_first"), Tokenizer.EncodeBatch("[S1] abcdef", "gh", first));
        AssertSame(more.GetProperty("longest_first"),
            Tokenizer.EncodeBatch("[S1] abcdef", "ghij", new EncodingOptions { Truncation = TruncationStrategy.LongestFirst, MaxLength = 8 }));
        AssertSame(more.GetProperty("words"), Tokenizer.EncodeWords([["[S1]", "ab", "c"]]));
        Assert.Equal(Matrix(more.GetProperty("ragged")), Tokenizer.EncodeBatch(["[S1] Hi.", "abc"]).InputIds);
        Assert.Null(Tokenizer.ModelMaxLength); // The reference's 1e30.
    }

    /// <summary>As the reference's documentation has it; not in the fixtures.</summary>
    [Fact]
    public void A_pair_is_truncated_where_it_is_asked_to_be()
    {
        var options = new EncodingOptions { MaxLength = 5, ReturnTokenTypeIds = true, Padding = PaddingStrategy.Longest };
        BatchEncoding Encode(TruncationStrategy truncation, string text, string pair) =>
            Tokenizer.EncodeBatch([text, "a"], [pair, "b"], options with { Truncation = truncation });
        Assert.Equal("abcx", Tokenizer.Decode(Encode(TruncationStrategy.OnlySecond, "abc", "x").InputIds[0], skipSpecialTokens: true));
        Assert.Equal("abcxy", Tokenizer.Decode(Encode(TruncationStrategy.OnlySecond, "abc", "xyz").InputIds[0]));
        BatchEncoding both = Encode(TruncationStrategy.LongestFirst, "abcdef", "wxyz"); // 2 of the longer, then 1 and 2 of both
        Assert.Equal("abcwx", Tokenizer.Decode(both.InputIds[0]));
        Assert.Equal([[0, 0, 0, 1, 1], [0, 1, 0, 0, 0]], both.TokenTypeIds);
        Assert.Equal([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], both.AttentionMask);
        BatchEncoding overflow = Tokenizer.EncodeBatch("abc", "vwxyz",
            new EncodingOptions { Truncation = TruncationStrategy.OnlySecond, MaxLength = 4, ReturnOverflowingTokens = true, Stride = 2 });
        Assert.Equal("vwxyz", Tokenizer.Decode(overflow.OverflowingTokens![0])); // One is left of it, with two before the cut: all.
        Assert.Equal([4], overflow.NumTruncatedTokens!);
        Assert.Equal("ab", Tokenizer.Decode(Tokenizer.EncodeBatch("abcd", null, new EncodingOptions { MaxLength = 2 }).InputIds[0]));
        Assert.Equal("[S1]"u8.ToArray().Select(b => (int)b), Tokenizer.EncodeWords([["[S", "1]"]]).InputIds[0]); // A tag over two words is none.
    }

    [Fact]
    public void Padding_goes_where_the_tokenizer_says()
    {
        var left = new DiaTokenizer { PaddingSide = PaddingSide.Left };
        var longest = new EncodingOptions { Padding = PaddingStrategy.Longest };
        Assert.Equal([[0, 97], [98, 99]], left.EncodeBatch(["a", "bc"], null, longest).InputIds);
        Assert.Equal([[97, 0], [98, 99]], left.EncodeBatch(["a", "bc"], null, longest with { PaddingSide = PaddingSide.Right }).InputIds);
    }

    [Fact]
    public void Text_comes_back_from_its_bytes()
    {
        foreach (JsonElement item in Fixtures.Json("tokenizer", "encode.json").EnumerateArray())
        {
            // The bytes 0, 1 and 2 are the ids of tags: what was typed so comes back as those.
            string text = item.GetProperty("text").GetString()!;
            if (!text.Any(c => c < 3))
                Assert.Equal(text, Tokenizer.DecodeUtf8(Tokenizer.Encode(text)));
        }
        Assert.Equal("[S1]é[S2]日", new DiaTokenizer(7).DecodeUtf8(new DiaTokenizer(7).Encode("[S1]é[S2]日")));
        Assert.Equal("a\uFFFD[S2]", Tokenizer.DecodeUtf8([97, 0xE6, 0x97, 2, 0], skipSpecialTokens: true)); // a character that was cut
        Assert.Equal("\uFFFD<pad>\uFFFD", Tokenizer.DecodeUtf8([0xFF, 0, 0x80]));
        Assert.Throws<DiaException>(() => Tokenizer.DecodeUtf8([256]));
    }

    [Fact]
    public void Decodes_padding_inside_text()
    {
        // Not in the fixtures: the padding token is no speaker tag, so no spaces go around it.
        Assert.Equal("H<pad>i [S2] <pad>!", Tokenizer.Decode([72, 0, 105, 2, 0, 33]));
        Assert.Equal("Hi [S2] !", Tokenizer.Decode([72, 0, 105, 2, 0, 33], skipSpecialTokens: true));
        Assert.Equal("[S1] H", new DiaTokenizer(3).Decode([1, 75]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(256)]
    public void Refuses_ids_that_are_not_text(int id)
    {
        var error = Assert.Throws<DiaException>(() => Tokenizer.Decode([65, id]));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
        Assert.Contains("position 1", error.Message);
    }

    [Theory]
    [InlineData(new[] { 0x61, 0x62, 0xD800 }, 2)]
    [InlineData(new[] { 0xDC00, 0x78 }, 0)]
    [InlineData(new[] { 0xD83D, 0xDC4B, 0xD83D, 0x78 }, 2)]
    [InlineData(new[] { 0xD800, 0xD83D, 0xDC4B }, 0)]
    public void Refuses_half_surrogate_pairs(int[] characters, int position)
    {
        // As numbers: an attribute's strings pass through UTF-8, which replaces them.
        string text = string.Concat(characters.Select(c => (char)c));
        var error = Assert.Throws<DiaException>(() => Tokenizer.Encode(text));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
        Assert.Contains($"character {position} ", error.Message);
    }

    [Theory]
    [InlineData(new byte[] { 0x61, 0xFF }, 1)]
    [InlineData(new byte[] { 0xC0, 0x80 }, 0)] // overlong
    [InlineData(new byte[] { 0x61, 0x62, 0xE4, 0xBD }, 2)] // cut off
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 }, 0)] // a surrogate
    [InlineData(new byte[] { 0xF4, 0x90, 0x80, 0x80 }, 0)] // past U+10FFFF
    [InlineData(new byte[] { 0xC3, 0xA9, 0x80 }, 2)]
    [InlineData(new byte[] { 0xC3, 0xA9, 0xF4, 0x8F, 0xBF, 0xBF }, -1)]
    [InlineData(new byte[0], -1)]
    public void NamesTheFirstInvalidByte(byte[] bytes, int offset)
    {
        Assert.Equal(offset, DiaTokenizer.IndexOfInvalidUtf8(bytes));
        if (offset < 0)
            return;
        var error = Assert.Throws<DiaException>(() => Tokenizer.Encode(bytes.AsSpan()));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
        Assert.Contains($"byte {offset} ", error.Message);
    }

    [Fact]
    public void Refuses_options_that_contradict()
    {
        Action[] calls =
        [
            Call(new EncodingOptions { Padding = PaddingStrategy.MaxLength }),
            Call(new EncodingOptions { Truncation = TruncationStrategy.LongestFirst }),
            Call(new EncodingOptions { ReturnOverflowingTokens = true }),
            Call(new EncodingOptions { Truncation = TruncationStrategy.LongestFirst, MaxLength = 4, ReturnOverflowingTokens = true }, "b"),
            Call(new EncodingOptions { Truncation = TruncationStrategy.OnlySecond, MaxLength = 4 }),
            Call(new EncodingOptions { Truncation = TruncationStrategy.OnlyFirst, MaxLength = 1 }, "bcd"),
            Call(new EncodingOptions { Padding = PaddingStrategy.Longest, Truncation = TruncationStrategy.LongestFirst, MaxLength = 5, PadToMultipleOf = 4 }),
            Call(new EncodingOptions { Padding = PaddingStrategy.Longest, MaxLength = 5 }),
            Call(new EncodingOptions { MaxLength = 0 }),
            Call(new EncodingOptions { PadToMultipleOf = 4 }),
            Call(new EncodingOptions { Padding = PaddingStrategy.Longest, PadToMultipleOf = 0 }),
            Call(new EncodingOptions { Stride = -1 }),
            () => _ = new DiaTokenizer(-1),
            () => _ = new DiaTokenizer { ModelMaxLength = 0 },
        ];
        Assert.All(calls, call => Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(call).Kind));
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => Tokenizer.EncodeBatch(["a"], ["b", "c"])).Kind);

        Action Call(EncodingOptions options, string? pair = null) => () => Tokenizer.EncodeBatch("a", pair, options);
    }

    private static BatchEncoding Encode(string[] texts, JsonElement options)
    {
        JsonElement? Option(string name) => options.TryGetProperty(name, out JsonElement value) ? value : null;
        return Tokenizer.EncodeBatch(texts, null, new EncodingOptions
        {
            Padding = Option("padding") is not JsonElement p ? null
                : p.ValueKind == JsonValueKind.True || p.GetString() == "longest" ? PaddingStrategy.Longest : PaddingStrategy.MaxLength,
            Truncation = Option("truncation")?.GetBoolean() == true ? TruncationStrategy.LongestFirst : null,
            MaxLength = Option("max_length")?.GetInt32(),
            Stride = Option("stride")?.GetInt32() ?? 0,
            PadToMultipleOf = Option("pad_to_multiple_of")?.GetInt32(),
            PaddingSide = Option("padding_side")?.GetString() == "left" ? PaddingSide.Left : null,
            ReturnAttentionMask = Option("return_attention_mask")?.GetBoolean() ?? true,
            ReturnOverflowingTokens = Option("return_overflowing_tokens")?.GetBoolean() ?? false,
            ReturnSpecialTokensMask = Option("return_special_tokens_mask")?.GetBoolean() ?? false,
            ReturnLength = Option("return_length")?.GetBoolean() ?? false,
        });
    }

    private static void AssertSame(JsonElement expected, BatchEncoding encoding)
    {
        int[][]? Expected(string name) => !expected.TryGetProperty(name, out JsonElement value) ? null
            : value.GetArrayLength() > 0 && value[0].ValueKind == JsonValueKind.Array ? Matrix(value) : [Ints(value)];
        Assert.Equal(Expected("input_ids"), encoding.InputIds);
        Assert.Equal(Expected("attention_mask"), encoding.AttentionMask);
        Assert.Equal(Expected("special_tokens_mask"), encoding.SpecialTokensMask);
        Assert.Equal(Expected("overflowing_tokens"), encoding.OverflowingTokens);
        Assert.Equal(Expected("length")?[0], encoding.Length);
        int? truncated = expected.TryGetProperty("num_truncated_tokens", out JsonElement count) ? count.GetInt32() : null;
        Assert.Equal(truncated, encoding.NumTruncatedTokens?[0]);
    }

    private static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetString()!)];

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    private static int[][] Matrix(JsonElement array) => [.. array.EnumerateArray().Select(Ints)];
}
