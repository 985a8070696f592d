using System.Text;
using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>A list is read whole, and what it names is opened, without speaking.</summary>
public sealed class CheckTests : LinesTest
{
    private string[] Json => ["--jsonl", "--check", "--input-dir", Folder, "--output-dir", Folder];

    [Fact]
    public void A_good_list_is_answered_by_nothing_and_makes_nothing()
    {
        File.Copy(Fixtures.Path("demo/voice.wav"), In("v.wav"));
        const string list = """
            {"text":"[S1] Hello world.","output":"a.wav"}
            {"text":"[S1] Hello world.","clone":"v.wav","clone_text":"[S1] Yes.","output":"b.wav"}
            """;
        Outcome outcome = Succeeds(Run(Dia, Json, list));
        Assert.Empty(outcome.Output);
        Assert.Contains("2 lines, 0 would fail; nothing was spoken", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(["v.wav"], Names());
    }

    [Fact]
    public void Every_line_that_would_fail_is_answered_as_it_would_be()
    {
        File.WriteAllText(In("no.wav"), "no recording");
        File.WriteAllBytes(In("silent.wav"), Wav.OfFloats(16000, 1, new float[16000]));
        string[] lines =
        [
            """{"text":"[S1] Hello world.","output":"a.wav"}""",
            """{"text":"..."}""",
            "no json",
            """{"text":"[S1] Hello world.","temperature":-1}""",
            """{"text":"[S1] Hello world.","clone":"no.wav","clone_text":"[S1] Yes."}""",
            """{"text":"[S1] Hello world.","clone":"silent.wav","clone_text":"[S1] Yes."}""",
            """{"text":"[S1] Hello world.","clone":"missing.wav","clone_text":"[S1] Yes."}""",
            """{"text":"[S1] Hello world.","output":"missing/a.wav"}""",
            """{"text":"[S1] Hello world.","output":"../a.wav"}""",
            $$"""{"text":"[S1] {{new string('a', 300)}}"}""",
        ];
        string list = string.Join('\n', lines);
        string[] options = [.. Json, "--no-split"];
        Outcome check = Run(Dia, options, list), run = Run(Dia, [.. options.Where(o => o != "--check"), "--seed", "3"], list);
        Assert.Equal(1, check.ExitCode);
        Assert.Contains("10 lines, 9 would fail", check.Error, StringComparison.Ordinal);
        Assert.Equal(["input", "input", "usage", "input", "input", "input", "output", "usage", "input"], Answers(check).Select(Error));
        // The very answers of the run itself.
        Assert.Equal(Answers(run).Where(a => Error(a) is not null).Select(a => a.GetRawText()), Answers(check).Select(a => a.GetRawText()));
    }

    [Fact]
    public void What_would_not_come_out_as_meant_is_said()
    {
        const string list = """
            {"id":1,"text":"[S1] Hello world.","output":"a.wav"}
            {"id":2,"text":"[S1] Hello world.","output":"a.wav"}
            {"id":3,"text":"[S1] Hello world, how are you today my friends?","max_tokens":20}
            """;
        Outcome outcome = Succeeds(Run(Dia, Json, list));
        JsonElement[] answers = Answers(outcome);
        Assert.Equal([2, 3], answers.Select(Line));
        Assert.Contains("the output of line 1 too", Warning(answers[0]), StringComparison.Ordinal);
        Assert.Contains("Raise --max-tokens", Warning(answers[1]), StringComparison.Ordinal);
        Assert.Contains("3 lines, 0 would fail, 2 with warnings", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(1, Run(Dia, [.. Json, "--strict"], list).ExitCode);
    }

    [Fact]
    public void Lines_of_text_are_checked_too()
    {
        byte[] input = [.. "[S1] Hello world.\n"u8, 0xFF, .. "\n\n[S1] Good night.\n"u8];
        Outcome outcome = Dia.Run(["--lines", "--check", "-o", In("{n}.wav")], input);
        Assert.Equal(1, outcome.ExitCode);
        Assert.Contains("line 2: ", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("3 lines, 1 would fail; nothing was spoken", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(Names());
        Assert.Empty(Succeeds(Run(Dia, ["--lines", "--check"], "[S1] Hello world.\n")).Output);
    }

    [Fact]
    public void A_voice_of_the_command_is_checked()
    {
        File.WriteAllBytes(In("silent.wav"), Wav.OfFloats(16000, 1, new float[16000]));
        Fails(4, Run(Dia, ["--lines", "--check", "--clone", In("silent.wav"), "--clone-text", "[S1] Yes."], "[S1] Hello world.\n"), "silent");
    }

    [Fact]
    public void A_single_script_is_no_list() => Fails(2, Dia.Run("[S1] Hello world.", "--check", "-o", In("a.wav")), "--check", "--lines", "--jsonl");

    private static string Warning(JsonElement answer) => answer.GetProperty("warnings")[0].GetProperty("message").GetString()!;
}
