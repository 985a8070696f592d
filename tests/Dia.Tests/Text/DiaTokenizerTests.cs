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
        BatchEncoding encoding = Tokenizer.EncodeBatch(Strings(item.GetProperty("texts")), PaddingStrategy.Longest);
        Assert.Equal(Matrix(item.GetProperty("input_ids")), encoding.InputIds);
        Assert.Equal(Matrix(item.GetProperty("attention_mask")), encoding.AttentionMask);
    }

    [Fact]
    public void Truncates_a_batch_as_the_reference()
    {
        JsonElement item = Fixtures.Json("tokenizer", "truncate.json");
        BatchEncoding encoding = Tokenizer.EncodeBatch(
            Strings(item.GetProperty("texts")), PaddingStrategy.MaxLength, truncation: true, item.GetProperty("max_length").GetInt32());
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
            () => Tokenizer.EncodeBatch(["a"], PaddingStrategy.MaxLength),
            () => Tokenizer.EncodeBatch(["a"], truncation: true),
            () => Tokenizer.EncodeBatch(["a"], returnOverflowingTokens: true, maxLength: 1),
            () => Tokenizer.EncodeBatch(["a"], PaddingStrategy.Longest, truncation: true, maxLength: 5, padToMultipleOf: 4),
            () => Tokenizer.EncodeBatch(["a"], maxLength: -1),
            () => Tokenizer.EncodeBatch(["a"], padToMultipleOf: 0),
            () => _ = new DiaTokenizer(-1),
        ];
        Assert.All(calls, call => Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(call).Kind));
    }

    private static BatchEncoding Encode(string[] texts, JsonElement options)
    {
        JsonElement? Option(string name) => options.TryGetProperty(name, out JsonElement value) ? value : null;
        PaddingStrategy padding = Option("padding") is not JsonElement p ? PaddingStrategy.DoNotPad
            : p.ValueKind == JsonValueKind.True || p.GetString() == "longest" ? PaddingStrategy.Longest : PaddingStrategy.MaxLength;
        return Tokenizer.EncodeBatch(
            texts,
            padding,
            truncation: Option("truncation")?.GetBoolean() ?? false,
            maxLength: Option("max_length")?.GetInt32(),
            stride: Option("stride")?.GetInt32() ?? 0,
            padToMultipleOf: Option("pad_to_multiple_of")?.GetInt32(),
            paddingSide: Option("padding_side")?.GetString() == "left" ? PaddingSide.Left : PaddingSide.Right,
            returnAttentionMask: Option("return_attention_mask")?.GetBoolean() ?? true,
            returnOverflowingTokens: Option("return_overflowing_tokens")?.GetBoolean() ?? false,
            returnSpecialTokensMask: Option("return_special_tokens_mask")?.GetBoolean() ?? false,
            returnLength: Option("return_length")?.GetBoolean() ?? false);
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
