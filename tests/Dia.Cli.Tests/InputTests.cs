using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>What the text is: told from the codes of a greedy run, which depend on every byte of it.</summary>
public sealed class InputTests : TestFolder
{
    private const string Text = "[S1] Hello world.";

    private static readonly Lazy<string> HelloCodes = new(() => CodesOf([Text], []));

    [Fact]
    public void Arguments_are_joined_by_spaces() => Assert.Equal(HelloCodes.Value, CodesOf(["[S1]", "Hello", "world."], []));

    [Fact]
    public void Standard_input_is_a_text() => Assert.Equal(HelloCodes.Value, CodesOf([], Encoding.UTF8.GetBytes(Text)));

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void Newlines_at_the_end_are_dropped(string newline)
    {
        Assert.Equal(HelloCodes.Value, CodesOf([], Encoding.UTF8.GetBytes(Text + newline)));

        // As long as the model takes: one more byte would be too many.
        string full = "[S1] " + new string('a', 254);
        Succeeds(Dia.Run(["--codes", In("c"), "--max-tokens", "17", "--no-split"], Encoding.UTF8.GetBytes(full + newline + newline)));
        Fails(4, Dia.Run(["--codes", In("c"), "--max-tokens", "17", "--no-split"], Encoding.UTF8.GetBytes(full + "a" + newline)), "256");
    }

    [Fact]
    public void A_file_is_a_text()
    {
        File.WriteAllText(In("text.txt"), Text + "\n");
        Assert.Equal(HelloCodes.Value, CodesOf(["-f", In("text.txt")], []));
        Assert.Equal(HelloCodes.Value, CodesOf(["--file", In("text.txt")], []));
        Assert.Equal(HelloCodes.Value, CodesOf(["-f", "-"], Encoding.UTF8.GetBytes(Text)));
    }

    [Fact]
    public void Raw_bytes_stand_for_the_tags() => Assert.Equal(HelloCodes.Value, CodesOf([], Encoding.UTF8.GetBytes("\u0001 Hello world.")));

    [Fact]
    public void A_NUL_is_a_byte_of_text() => Assert.Equal(CodesOf(["[S1] Hi<pad>there."], []), CodesOf([], "[S1] Hi\0there."u8.ToArray()));

    [Fact]
    public void A_text_without_a_speaker_gets_one()
    {
        Outcome outcome = Succeeds(Dia.Run("Hello world.", "--greedy", "--codes", In("c")));
        Assert.Contains("note: ", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("--no-fix-text", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(HelloCodes.Value, Convert.ToHexString(File.ReadAllBytes(In("c"))));
        Assert.NotEqual(HelloCodes.Value, CodesOf(["Hello world.", "--no-fix-text"], []));
        Assert.DoesNotContain("note: ", Succeeds(Dia.Run("[S2] Hello.", "--greedy", "--codes", In("c"))).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_command_word_after_two_dashes_is_text()
    {
        Assert.Equal(CodesOf(["[S1] info"], []), CodesOf(["--greedy", "--", "info"], [], greedy: false));
        Assert.Equal(CodesOf(["[S1] --help"], []), CodesOf(["--greedy", "--", "--help"], [], greedy: false));
        Assert.Equal(CodesOf(["[S1] say info"], []), CodesOf(["say", "info"], []));
    }

    [Fact]
    public void Options_may_stand_before_a_command() => Assert.Contains("sha256", Succeeds(Dia.Run("-q", "info")).Text, StringComparison.Ordinal);

    [Fact]
    public void Bytes_that_are_not_UTF8_are_named()
    {
        Fails(4, Dia.Run(["--codes", In("c")], [(byte)'a', (byte)'b', 0xFF, (byte)'c']), "standard input", "byte 2", "0xFF");
        File.WriteAllBytes(In("bad.txt"), [.. "[S1] gr\u00FC"u8.ToArray()[..^1]]);
        Fails(4, Dia.Run("-f", In("bad.txt"), "--codes", In("c")), "bad.txt", "byte 7");
        Fails(4, Dia.Shell("exec $DIA \"$(printf 'ab')\" \"$(printf 'c\\377')\" --codes \"$1\"", In("c")), "byte 4", "0xFF");
        Assert.Equal(["bad.txt"], Names());
    }

    [Fact]
    public void An_empty_text_is_refused()
    {
        Fails(4, Dia.Run("--codes", In("c")), "empty");
        Fails(4, Dia.Run(["--codes", In("c")], "\n"u8.ToArray()), "empty");
        Fails(4, Dia.Run("", "--codes", In("c")), "empty");
        Assert.Empty(Names());
    }

    [Fact]
    public void A_missing_file_is_named() => Fails(4, Dia.Run("-f", In("nothing.txt"), "--codes", In("c")), "nothing.txt");

    [Fact]
    public void A_text_that_is_too_long_is_cut_only_if_asked()
    {
        string full = "[S1] " + new string('a', 254), longer = full + "bcd";
        Fails(4, Dia.Run(longer, "--no-split", "--codes", In("c")), "259", "256", "--truncate");
        Assert.Empty(Names());
        string[] short300 = ["--max-tokens", "30"];
        Assert.Equal(CodesOf([full, .. short300], []), CodesOf([longer, "--truncate", .. short300], []));
    }

    private static string CodesOf(string[] args, byte[] input, bool greedy = true)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".safetensors");
        try
        {
            string[] all = [.. greedy ? ["--greedy"] : Array.Empty<string>(), "--codes", path, .. args];
            Succeeds(Executable.Dia.Run(all, input));
            return Convert.ToHexString(File.ReadAllBytes(path));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
