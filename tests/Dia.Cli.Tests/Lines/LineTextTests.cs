using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>What the texts of lines mean.</summary>
public sealed class LineTextTests : LinesTest
{
    private static readonly string[] Args = ["--lines", "--seed", "4", "--max-tokens", "20"];

    [Fact]
    public void A_line_with_nothing_to_say_is_empty()
    {
        Outcome outcome = Succeeds(Run(Dia, [.. Args, "--codes", In("c")], "\uFEFF\n[S1] Hi.\n   \n[S1]\n...\n\u00A0\u200B\n[S2] Hi.\n"));
        Assert.Equal(["c", "c/2.safetensors", "c/7.safetensors"], Names());
        Assert.Contains("2 lines, 0 failed", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_end_as_every_system_ends_them()
    {
        Succeeds(Run(Dia, [.. Args, "--codes", In("unix")], "[S1] Hi.\n[S2] Good.\n\n[S1] No.\n"));
        Succeeds(Run(Dia, [.. Args, "--codes", In("windows")], "\uFEFF[s1] Hi.\r\n  [S2] Good. \r\n\r\n[S1] No."));
        Succeeds(Run(Dia, [.. Args, "--codes", In("old")], "[S1] Hi.\r[S2] Good.\r\r[S1] No.\r"));
        foreach (string file in (string[])["1.safetensors", "2.safetensors", "4.safetensors"])
        {
            byte[] expected = File.ReadAllBytes(Path.Combine(In("unix"), file));
            Assert.Equal(expected, File.ReadAllBytes(Path.Combine(In("windows"), file)));
            Assert.Equal(expected, File.ReadAllBytes(Path.Combine(In("old"), file)));
        }

        Assert.Equal(12, Names().Length);
    }

    [Fact]
    public void A_JSON_text_with_nothing_to_say_is_an_error_of_its_line()
    {
        Outcome outcome = Run(Executable.WithFixtures, Small, "{\"text\":\"[S1] Hi.\"}\n{\"id\":7,\"text\":\"[S1] \\u00a0...\"}\n{\"text\":\"[S1] Hi.\"}\n");
        Assert.Equal(1, outcome.ExitCode);
        JsonElement[] answers = Answers(outcome);
        Assert.Equal([null, "input", null], answers.Select(Error));
        Assert.Contains("nothing to say", answers[1].GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(7, answers[1].GetProperty("id").GetInt32());
    }

    [Fact]
    public void A_JSON_text_means_the_same_on_every_system_unless_it_is_raw()
    {
        const string lines = "{\"text\":\"[S1] Hi.\\nOh.\"}\n{\"text\":\"\\ufeff\\r\\n [s1] Hi.\\r\\nOh.\\r\\n\"}\n";
        Succeeds(Run(Executable.WithFixtures, Small, lines));
        Assert.Equal(File.ReadAllBytes(In("codes/1.safetensors")), File.ReadAllBytes(In("codes/2.safetensors")));
        Succeeds(Run(Executable.WithFixtures, [.. Small, "--raw-text"], lines));
        Assert.NotEqual(File.ReadAllBytes(In("codes/1.safetensors")), File.ReadAllBytes(In("codes/2.safetensors")));
    }

    [Fact]
    public void Notes_are_given_once_for_all_lines()
    {
        Outcome outcome = Succeeds(Run(Dia, [.. Args, "--codes", In("c")], "[S1] Hi.\nHi.\n[S3] Good.\n[S1] <pause 1s> No.\nYou.\n"));
        Assert.Equal(2, outcome.Error.Split("note: ").Length - 1);
        Assert.Contains("note: line 2 starts with no speaker tag", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("note: line 3 holds [S3]", outcome.Error, StringComparison.Ordinal);
    }
}
