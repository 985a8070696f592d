using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>What a text means, and what has nothing to say. The codes of a greedy run tell what the model was given.</summary>
public sealed class TextTests : TestFolder
{
    private const string Text = "[S1] Hi you.\n[S2] Good.";

    private static readonly Lazy<string> Codes = new(() => CodesOf([], Text));

    [Theory]
    [InlineData("\uFEFF[S1] Hi you.\r\n[S2] Good.\r\n")]
    [InlineData("\r\n \t\uFEFF[S1] Hi you.\r[S2] Good.\r\r")]
    [InlineData("\u00A0\n[s1] Hi you.\n[s2] Good.\n\n\n")]
    public void A_script_means_the_same_on_every_system(string text)
    {
        File.WriteAllText(In("a.txt"), text, new UTF8Encoding(false));
        Outcome outcome = Succeeds(Dia.Run("-f", In("a.txt"), "--greedy", "--max-tokens", "30", "--codes", In("c")));
        Assert.Equal(Codes.Value, Convert.ToHexString(File.ReadAllBytes(In("c"))));
        Assert.DoesNotContain("note", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Raw_text_is_given_as_it_stands()
    {
        Assert.Equal(Codes.Value, CodesOf(["--raw-text"], Text));
        string blank = CodesOf(["--raw-text"], " " + Text), untagged = CodesOf(["--raw-text"], "Hi.");
        Assert.NotEqual(Codes.Value, blank);
        Assert.NotEqual(Codes.Value, CodesOf(["--raw-text"], Text + "\n"));
        Assert.NotEqual(Codes.Value, CodesOf(["--raw-text"], "\uFEFF" + Text));
        Assert.NotEqual(Codes.Value, CodesOf(["--raw-text"], Text.Replace("\n", "\r\n", StringComparison.Ordinal)));
        Assert.Equal(CodesOf(["--no-fix-text"], "Hi."), untagged);
        Assert.NotEqual(CodesOf([], "Hi."), untagged);
        Fails(4, Dia.Run(["--raw-text", "--codes", In("c")], [(byte)'a', 0xFF]), "byte 1");
        Fails(4, Dia.Run(["--raw-text", "--codes", In("c")], Bytes("[S1] " + new string('a', 300))), "--raw-text", "--truncate");
        Fails(2, Dia.Run(["--raw-text", "--split", "--codes", In("c")], Bytes(Text)), "--split", "--raw-text");
        Assert.Empty(Names());
    }

    [Theory]
    [InlineData("[S1] ")]
    [InlineData("[S1] [S2]")]
    [InlineData("[s1]")]
    [InlineData(" \n\t")]
    [InlineData("\u00A0\u200B\uFEFF")]
    [InlineData("[S1] ...?!")]
    public void Nothing_to_say_is_an_error(string text)
    {
        Fails(4, Dia.Run(["-o", In("a.wav")], Bytes(text)), "standard input", "nothing to say");
        Fails(4, Dia.Run(text, "-o", In("a.wav")), "the text", "nothing to say");
        Assert.Empty(Names());
    }

    [Fact]
    public void An_unset_variable_says_nothing() => Fails(4, Dia.Shell("$DIA \"[S1] $UNSET\" -o \"$1\"", In("a.wav")), "nothing to say");

    [Theory]
    [InlineData("[S1] (laughs)")]
    [InlineData("[S1] 7")]
    [InlineData("[S1] 語")]
    [InlineData("[S1] \U00010400")]
    public void Sounds_digits_and_letters_of_any_script_are_something(string text) => Succeeds(Dia.Run(text, "--max-tokens", "20", "--codes", In("c")));

    [Fact]
    public void A_transcript_must_say_something()
    {
        string recording = Fixtures.Path("demo/voice.wav");
        Fails(4, Dia.Run("[S1] Hi.", "--clone", recording, "--clone-text", "[S1] ...", "-o", In("a.wav")), "--clone-text", "nothing to say");
        Fails(4, Dia.Run("[S1]", "--clone", recording, "--clone-text", "[S1] The letter is fast again.", "-o", In("a.wav")), "the text", "nothing to say");
        Fails(4, Dia.Run("voice", recording, "--text", "[S1] \u00A0", "-o", In("v")), "--text", "nothing to say");
        Assert.Empty(Names());
    }

    [Fact]
    public void A_transcript_means_the_same_on_every_system()
    {
        string recording = Fixtures.Path("demo/voice.wav");
        foreach (var (name, transcript) in (ReadOnlySpan<(string, string)>)[("a", "[S1] The letter\nis fast again."),
            ("b", "\uFEFF\r\n[s1] The letter\r\nis fast again.\r\n")])
        {
            Succeeds(Dia.Run("voice", recording, "--text", transcript, "-o", In(name + ".voice")));
            Succeeds(Dia.Run("[S1] Hi.", "--clone", recording, "--clone-text", transcript, "--greedy", "--max-tokens", "30", "--codes", In(name)));
        }

        Assert.Equal(File.ReadAllBytes(In("a.voice")), File.ReadAllBytes(In("b.voice")));
        Assert.Equal(File.ReadAllBytes(In("a")), File.ReadAllBytes(In("b")));
        Succeeds(Dia.Run("voice", recording, "--raw-text", "--text", "[S1] The letter\r\nis fast again.", "-o", In("c.voice")));
        Assert.NotEqual(File.ReadAllBytes(In("a.voice")), File.ReadAllBytes(In("c.voice")));
    }

    [Fact]
    public void A_split_script_is_given_a_transcripts_missing_tag_as_a_whole_text_is()
    {
        string[] options = ["[S1] Hi you.", "--clone", Fixtures.Path("demo/voice.wav"), "--seed", "3", "--codes", In("c"), "--clone-text"];
        Succeeds(Dia.Run([.. options, "[S1] The letter is fast again.", "--split"]));
        byte[] tagged = File.ReadAllBytes(In("c"));
        Assert.Contains("[S1] was put in front", Succeeds(Dia.Run([.. options, "The letter is fast again.", "--split"])).Error, StringComparison.Ordinal);
        Assert.Equal(tagged, File.ReadAllBytes(In("c")));
    }

    [Fact]
    public void UTF_16_is_named()
    {
        File.WriteAllText(In("a.txt"), Text, Encoding.Unicode);
        Fails(4, Dia.Run("-f", In("a.txt"), "-o", In("a.wav")), "a.txt", "UTF-16", "iconv -f UTF-16 -t UTF-8");
        Fails(4, Dia.Run("--lines", "-f", In("a.txt"), "-o", In("wav")), "a.txt", "UTF-16", "iconv");
    }

    [Fact]
    public void One_note_names_what_is_read_as_text()
    {
        Outcome outcome = Succeeds(Dia.Run("[S1] Hi <pause 1s> there. [S3] **Good**. [S4] No.", "--max-tokens", "20", "--codes", In("c")));
        Assert.Equal(1, outcome.Error.Split("note: ").Length - 1);
        foreach (string part in (string[])["<pause 1s>, [S3], **Good**", "read as text", "[S1] and [S2]", "(laughs)"])
            Assert.Contains(part, outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("note: ", Succeeds(Dia.Run("[S1] Hi, e.g. a [sic]. (laughs) 1 < 2.", "--max-tokens", "20", "--codes", In("c"))).Error,
            StringComparison.Ordinal);
        Assert.DoesNotContain("[S3]", Succeeds(Dia.Run("[S3] Hi.", "-q", "--max-tokens", "20", "--codes", In("c"))).Error, StringComparison.Ordinal);
        Assert.Contains("[s1]", Succeeds(Dia.Run("[s1] Hi.", "--raw-text", "--max-tokens", "20", "--codes", In("c"))).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_small_model_is_no_matter_of_length() =>
        Assert.DoesNotContain("the released model", Succeeds(Dia.Run("[S1] Hi.", "--seed", "1", "--codes", In("c"))).Error, StringComparison.Ordinal);

    [Fact]
    public void A_tag_put_in_front_counts_before_a_text_is_split()
    {
        // 255 bytes alone, 257 with the tag and its blank: more than the model's 256.
        string text = string.Concat(Enumerable.Repeat("We go home. ", 22))[..254] + "a";
        Assert.Contains("pieces", Succeeds(Dia.Run(text, "--seed", "1", "--max-tokens", "40", "--codes", In("c"))).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Full_stops_alone_are_no_piece()
    {
        Outcome outcome =
            Succeeds(Dia.Run("[S1] Hi you. " + string.Concat(Enumerable.Repeat(". ", 200)), "--seed", "1", "--max-tokens", "40", "-v", "--codes", In("c")));
        Assert.DoesNotMatch(@"\d characters[^:]*: \[S1\] [. ]+\n", outcome.Error);
        Assert.DoesNotContain("1 pieces", outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("No.", "[S1] We walked along the street to the house at No. 5 and rang the bell.")]
    [InlineData("approx.", "[S1] We walked along the street for approx. 3 hours and rang the bell.")]
    [InlineData("R.", "[S1] We walked along the street with J. R. R. Tolkien and rang the bell.")]
    public void No_piece_ends_at_a_full_stop_that_ends_no_sentence(string end, string text)
    {
        string error = Succeeds(Dia.Run(text, "--split", "--seed", "1", "-v", "--codes", In("c"))).Error;
        string[] pieces = [.. error.Split('\n').Where(l => l.StartsWith("piece ", StringComparison.Ordinal))];
        Assert.True(pieces.Length > 1, error);
        Assert.DoesNotContain(pieces, p => p.EndsWith(" " + end, StringComparison.Ordinal));
    }

    [Fact]
    public void The_name_of_a_file_is_not_spoken()
    {
        File.WriteAllText(In("script.txt"), Text);
        File.WriteAllText(In("other.txt"), Text);
        File.Copy(Fixtures.Path("demo/voice.wav"), In("me.wav"));
        string[] before = Names();
        string script = In("script.txt");
        Fails(2, Dia.Run(script, "-o", In("a.wav")), $"dia -f {script}", $"dia -- {script}");
        Fails(2, Dia.Run("--lines", script, "-o", In("a.wav")), $"dia --lines -f {script}");
        Fails(2, Dia.Run("--jsonl", script), $"dia --jsonl -f {script}");
        Fails(2, Dia.Run(script, In("other.txt"), "-o", In("a.wav")), "cat ", script, In("other.txt"));
        Fails(2, Dia.Run(In("me.wav"), "-o", In("a.wav")), "--clone", "dia encode");
        Fails(2, Dia.Run("[S1] Hi.", "--clone", In("me.wav"), "--clone-text", script, "-o", In("a.wav")), "--clone-text", $"$(cat {script})");
        Fails(2, Dia.Run("voice", In("me.wav"), "--text", script, "-o", In("v")), "--text", $"$(cat {script})");
        Assert.Equal(before, Names());
        Succeeds(Dia.Run("--max-tokens", "20", "--codes", In("c"), "--", script));
        Succeeds(Dia.Run("say", script, "--max-tokens", "20", "--codes", In("c")));
        Succeeds(Dia.Run(In("missing.txt"), "--max-tokens", "20", "--codes", In("c")));
    }

    [Fact]
    public void The_help_says_so()
    {
        string help = string.Join(' ', Succeeds(Dia.Run("--help")).Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        foreach (string part in (string[])["--raw-text", "[DIA_RAW_TEXT]", "byte order mark", "[s1] and [s2] are the same", "without a letter or digit"])
            Assert.Contains(part, help, StringComparison.Ordinal);
        Assert.Contains("--raw-text", Succeeds(Dia.Run("voice", "--help")).Text, StringComparison.Ordinal);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string CodesOf(string[] args, string input)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".safetensors");
        try
        {
            Succeeds(Executable.Dia.Run(["--greedy", "--max-tokens", "30", "--codes", path, .. args], Bytes(input)));
            return Convert.ToHexString(File.ReadAllBytes(path));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
