using System.Text;
using Dia.Text;
using Xunit;

namespace Dia.Tests.Text;

public sealed class ScriptSplitterTests
{
    private static readonly DiaTokenizer Tokenizer = new();

    [Fact]
    public void A_text_that_fits_is_one_piece_as_it_is()
    {
        const string text = "  [S1] Hello there.  [S2] Hi. ";
        var script = new ScriptPiece(text);
        Assert.Same(script, Assert.Single(ScriptSplitter.Split(script, 256)));
        Assert.Equal((0, text.Length, text), (script.Start, script.Length, script.Text));
    }

    [Fact]
    public void Cuts_are_at_turns_and_every_piece_starts_with_its_speaker()
    {
        string turn = string.Concat(Enumerable.Repeat("We walk along the river and talk. ", 4)).TrimEnd();
        string text = $"[S1] {turn} [S2] {turn}\n[S1] {turn}";
        // 136 characters a turn, 9 seconds: two turns fit into 300 characters, three do not, and one alone is as good as two.
        Assert.All(ScriptSplitter.Split(new ScriptPiece(text), 200), p => Assert.True(p.Text is ['[', 'S', _, ']', ' ', .. var rest] && rest == turn));
        Assert.Equal(3, ScriptSplitter.Split(new ScriptPiece(text), 200).Count);
    }

    [Fact]
    public void A_piece_inside_a_turn_repeats_the_tag()
    {
        string sentence = "This is a sentence that takes about four seconds to say aloud.";
        string text = "[S2] " + string.Join(' ', Enumerable.Repeat(sentence, 9));
        var pieces = ScriptSplitter.Split(new ScriptPiece(text), 1024);
        Assert.True(pieces.Count >= 2);
        Assert.All(pieces, p => Assert.StartsWith("[S2] This", p.Text, StringComparison.Ordinal));
        Assert.All(pieces, p => Assert.EndsWith("aloud.", p.Text, StringComparison.Ordinal));
        Assert.All(pieces, p => Assert.InRange(p.Seconds, ScriptSplitter.ShortestSeconds, ScriptSplitter.LongestSeconds));
    }

    [Fact]
    public void No_tiny_rest_is_left()
    {
        // 21 seconds in sentences of 3: not 18 and 3.
        string sentence = new string('a', 43) + ".";
        var pieces = ScriptSplitter.Split(new ScriptPiece("[S1] " + string.Join(' ', Enumerable.Repeat(sentence, 7))), 1024);
        Assert.All(pieces, p => Assert.InRange(p.Seconds, 8, 14));
    }

    [Theory]
    [InlineData("Mr. Smith went home, and Dr. J. Who came back to us", ',')] // no full stop of an abbreviation
    [InlineData("We said \"Is it?\" and no more; nobody knew the answer to it", ';')] // and none before a small letter
    [InlineData("What do you want from me today, my (clears throat) dear friend", ',')]
    public void Clauses_are_next_best(string text, char end)
    {
        var pieces = ScriptSplitter.Split(new ScriptPiece("[S1] " + text), 44);
        Assert.Equal(2, pieces.Count);
        Assert.Equal(end, pieces[0].Text[^1]);
    }

    [Fact]
    public void Sounds_in_parentheses_stay_whole()
    {
        string text = "[S1] " + string.Concat(Enumerable.Repeat("(clears throat) ", 40));
        Assert.All(ScriptSplitter.Split(new ScriptPiece(text), 64), p => Assert.EndsWith("(clears throat)", p.Text, StringComparison.Ordinal));
    }

    [Fact]
    public void A_word_longer_than_a_piece_is_cut()
    {
        string word = string.Concat(Enumerable.Repeat("äß😀", 100));
        var pieces = ScriptSplitter.Split(new ScriptPiece("[S1] " + word + " end."), 40);
        Assert.True(pieces.Count > 20);
        Assert.All(pieces, p => Assert.InRange(Tokenizer.Encode(p.Text).Length, 1, 40));
        Assert.Equal(word + " end.", string.Concat(pieces.Select(p => p.Text["[S1] ".Length..])));
    }

    [Fact]
    public void Sentences_without_spaces_are_found()
    {
        string sentence = string.Concat(Enumerable.Repeat("語", 20)) + "。";
        var pieces = ScriptSplitter.Split(new ScriptPiece("[S1] " + string.Concat(Enumerable.Repeat(sentence, 10))), 200);
        Assert.True(pieces.Count > 1);
        Assert.All(pieces, p => Assert.EndsWith("。", p.Text, StringComparison.Ordinal));
    }

    [Fact]
    public void A_last_tag_alone_is_no_piece()
    {
        string text = "[S1] " + string.Concat(Enumerable.Repeat("We go home now. ", 30)) + "[S2]";
        Assert.EndsWith("now. [S2]", ScriptSplitter.Split(new ScriptPiece(text), 256)[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Limits_out_of_range_are_refused()
    {
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => ScriptSplitter.Split(new ScriptPiece("a"), 15)).Kind);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => ScriptSplitter.Split(new ScriptPiece("a"), 16, double.NaN)).Kind);
    }

    [Fact]
    public void A_huge_text_takes_seconds_at_most()
    {
        // One word of 4 million letters, and many tags: the search must not be quadratic.
        Assert.NotEmpty(ScriptSplitter.Split(new ScriptPiece(new string('a', 4_000_000)), 1024));
        Assert.NotEmpty(ScriptSplitter.Split(new ScriptPiece(string.Concat(Enumerable.Repeat("[S1]", 100_000))), 1024));
    }

    [Fact]
    public void Nothing_is_lost_and_every_limit_holds()
    {
        string[] parts =
        [
            "[S1]", "[S2]", "[S1] ", " [S2] ", "\u0001", "\u0002 ", "<pad>", " ", "  ", "\n", "\n\n", "\r\n", ". ", "? ", "! ", ", ", ".", "…", "。", "」",
                "(laughs)", "(clears throat) ", "(",
            "word", "Mr. ", "I. ", "é", "ß", "😀", "語", "e\u0301", "Supercalifragilisticexpialidocious", "[S3]", "[S", "1]", "a", "B", "7 ", "\"",
        ];
        var random = new Random(20260101);
        for (int round = 0; round < 3000; round++)
        {
            var text = new StringBuilder();
            for (int n = random.Next(1, 120); n > 0; n--)
                text.Append(random.Next(3) == 0 ? "some words " : parts[random.Next(parts.Length)]);
            Check(text.ToString(), random.Next(16, 300), random.Next(2) == 0 ? ScriptSplitter.LongestSeconds : 1 + random.NextDouble() * 10);
        }
    }

    private static void Check(string text, int maxIds, double seconds)
    {
        var pieces = ScriptSplitter.Split(new ScriptPiece(text), maxIds, seconds);
        int position = 0;
        string speaker = "";
        foreach (ScriptPiece piece in pieces)
        {
            // Between the pieces is white space only, so that together they are the text.
            Assert.True(string.IsNullOrWhiteSpace(text[position..piece.Start]), $"'{text[position..piece.Start]}' is lost in '{text}'");
            position = piece.Start + piece.Length;
            string part = text[piece.Start..position];
            bool tagged = Tokenizer.Encode(part) is [1 or 2, ..];
            Assert.Equal(tagged || speaker.Length == 0 || pieces.Count == 1 ? part : speaker + " " + part, piece.Text);
            Assert.Equal(Tokenizer.Encode(piece.Text), piece.Ids);
            Assert.InRange(piece.Ids.Length, pieces.Count == 1 ? 0 : 1, maxIds);
            Assert.True(piece.Seconds <= seconds, $"{piece.Seconds} of {seconds} seconds");
            for (int i = 0; i < part.Length;)
            {
                var unit = ScriptUnit.At(part, i);
                speaker = unit.IsSpeaker ? part.Substring(i, unit.Length) : speaker;
                i += unit.Length;
            }
        }

        Assert.True(string.IsNullOrWhiteSpace(text[position..]));
        // Neither a character nor a tag is cut: the pieces' ids are the text's, but for white space and repeated tags.
        int[] whole = [.. Tokenizer.Encode(text).Where(NotSpace)];
        int[] joined = [.. pieces.SelectMany(p => Tokenizer.Encode(text.Substring(p.Start, p.Length))).Where(NotSpace)];
        Assert.Equal(whole, joined);
    }

    private static bool NotSpace(int id) => id is not (' ' or '\n' or '\r');
}
