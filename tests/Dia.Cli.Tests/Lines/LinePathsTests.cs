using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>JSON lines read and write only under their folders.</summary>
public sealed class LinePathsTests : LinesTest
{
    private string[] Args => ["--jsonl", "--seed", "1", "--max-tokens", "17", "--output-dir", In("out"), "--input-dir", In("in")];

    /// <summary>Paths that lead out, and what the message says.</summary>
    public static TheoryData<string, string> WaysOut() => new()
    {
        { "../a.wav", "`..`" },
        { "sub/../../a.wav", "`..`" },
        { "sub/..", "`..`" },
        { "ABSOLUTE", "absolute" },
        { "linked/a.wav", "link that leads out" },
        { "sub/linked/a.wav", "link that leads out" },
        { "file", "link that leads out" },
        { "dangling", "link that leads out" },
        { "", "not the name of a file" },
        { ".", "not the name of a file" },
        { "sub/", "not the name of a file" },
        { "a\\u0000.wav", "not the name of a file" },
    };

    [Theory]
    [MemberData(nameof(WaysOut))]
    public void An_output_stays_in_its_folder(string path, string says)
    {
        Make();
        string[] before = Names();
        Outcome outcome = Run(Dia, Args, "{\"text\":\"[S1] Hi.\",\"output\":\"" + path.Replace("ABSOLUTE", In("out/a.wav"), StringComparison.Ordinal)
            + "\"}\n{\"text\":\"[S1] Hi.\",\"output\":\"sub/good.wav\"}\n");
        JsonElement[] answers = Answers(outcome);
        Assert.Equal(1, outcome.ExitCode);
        Assert.NotNull(Error(answers[0]));
        Assert.Contains(says, answers[0].GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Null(Error(answers[1]));
        Assert.Equal(before.Append("out/sub/good.wav").Order(StringComparer.Ordinal), Names());
        Assert.Equal("secret", File.ReadAllText(In("secret")));
    }

    [Fact]
    public void Any_path_lets_them_out()
    {
        Make();
        Succeeds(Run(Dia, [.. Args, "--any-path"], $$"""
            {"text":"[S1] Hi.","output":"../a.wav"}
            {"text":"[S1] Hi.","output":"{{In("b.wav")}}"}
            {"text":"[S1] Hi.","output":"linked/c.wav"}
            {"text":"[S1] Hi.","output":"file"}

            """));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("outside/c.wav")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("secret")));
    }

    [Fact]
    public void A_link_inside_is_followed()
    {
        Make();
        File.CreateSymbolicLink(In("out/alias"), In("out/sub"));
        Directory.CreateSymbolicLink(In("door"), In("out"));
        Succeeds(Run(Dia, [.. Args[..^4], "--output-dir", In("door")], "{\"text\":\"[S1] Hi.\",\"output\":\"alias/a.wav\"}\n"));
        Assert.True(File.Exists(In("out/sub/a.wav")));
    }

    [Fact]
    public void What_cannot_be_written_is_an_error_of_the_line()
    {
        Make();
        Outcome outcome = Run(Dia, Args, """
            {"text":"[S1] Hi.","output":"missing/a.wav"}
            {"text":"[S1] Hi.","output":"sub"}
            {"text":"[S1] Hi.","output":"-"}

            """);
        Assert.Equal(["output", "output", null], Answers(outcome).Select(Error));
        Assert.True(File.Exists(In("out/-")));
    }

    [Fact]
    public void The_later_of_two_lines_with_one_output_stays()
    {
        string input = "{\"text\":\"[S1] Hello world.\",\"output\":\"a.wav\",\"max_tokens\":60}\n{\"text\":\"[S1] Hi.\",\"output\":\"a.wav\"}\n";
        Succeeds(Run(Dia, ["--jsonl", "--seed", "1", "--max-tokens", "17", "--batch", "2", "--output-dir", In("out")], input));
        Succeeds(Dia.Run("[S1] Hi.", "--seed", "1", "--max-tokens", "17", "-o", In("b.wav")));
        Assert.Equal(File.ReadAllBytes(In("b.wav")), File.ReadAllBytes(In("out/a.wav")));
    }

    private void Make()
    {
        Directory.CreateDirectory(In("in"));
        Directory.CreateDirectory(In("out/sub"));
        Directory.CreateDirectory(In("outside"));
        File.WriteAllText(In("secret"), "secret");
        Directory.CreateSymbolicLink(In("out/linked"), In("outside"));
        Directory.CreateSymbolicLink(In("out/sub/linked"), "../../outside");
        File.CreateSymbolicLink(In("out/file"), In("secret"));
        File.CreateSymbolicLink(In("out/dangling"), In("outside/new"));
    }
}
