using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>Lists that are ended before their end and gone on with, and lists in parts.</summary>
public sealed class JournalTests : LinesTest
{
    private const int Lines = 240;

    private static readonly string List = string.Concat(Enumerable.Range(1, Lines).Select(i => i % 40 == 0 ? "\n" : $"[S1] Number {i}.\n"));

    private string[] Speak(string folder, params string[] more) =>
    [
        "--lines", "--model", Fixtures.Path("generate/model"), "--cfg-scale", "1", "--max-tokens", "60", "-f", In("list"), "--codes", In(folder), .. more,
    ];

    public JournalTests() => File.WriteAllText(In("list"), List);

    /// <summary>Twenty kills, each at a random moment of a twentieth of what the whole takes, so that there is something left for each.</summary>
    [Fact]
    public void Killed_at_any_moment_and_resumed_a_list_is_complete_each_output_once_and_the_same_bytes()
    {
        var clock = Stopwatch.StartNew();
        Succeeds(Executable.WithFixtures.Run(Speak("whole", "--seed", "7")));
        double part = clock.Elapsed.TotalMilliseconds / 20;
        var random = new Random(4);
        string[] resume = Speak("parts", "--seed", "7", "--journal", In("journal"), "--resume");
        for (int kill = 0; kill < 20; kill++)
        {
            using Process process = Executable.WithFixtures.Start(resume);
            Thread.Sleep(TimeSpan.FromMilliseconds(random.NextDouble() * 2 * part));
            process.Kill();
            Executable.Finish(process, []);
        }

        Outcome last = Succeeds(Executable.WithFixtures.Run(resume));
        Assert.DoesNotContain("again", last.Error, StringComparison.Ordinal); // What the journal has is there.
        Assert.Equal(Files("whole"), Files("parts"));
        Assert.Equal(Lines - Lines / 40, Files("parts").Count);
        long[] kept = [.. File.ReadLines(In("journal")).Select(l => Parse(l).GetProperty("line").GetInt64()).Where(n => n > 0)];
        Assert.Equal(Files("parts").Count, kept.Distinct().Count());
        Assert.Equal(kept.Length, kept.Distinct().Count()); // Nothing was made after the journal had it.
        Assert.Matches($"{kept.Length} lines, 0 failed, .*{kept.Length} there already in .*; seed 7\n$", Succeeds(Executable.WithFixtures.Run(resume)).Error);
    }

    [Fact]
    public void What_asks_for_something_else_or_is_not_what_it_was_is_spoken_again_and_that_is_said()
    {
        File.WriteAllText(In("list"), "[S1] One.\n[S1] Two.\n[S1] Three.\n[S1] Four.\n");
        string[] speak = Speak("codes", "--journal", In("journal"), "--resume");
        Succeeds(Executable.WithFixtures.Run(speak));
        SortedDictionary<string, byte[]> before = Files("codes");
        File.WriteAllText(In("list"), "[S1] One.\n[S1] Too.\n[S1] Three.\n[S1] Four.\n[S1] Five.\n");
        File.Delete(In("codes/3.safetensors"));
        File.AppendAllText(In("codes/4.safetensors"), "x");
        File.AppendAllText(In("journal"), "{\"line\":5,\"requ"); // torn
        Outcome outcome = Succeeds(Executable.WithFixtures.Run(speak));
        Assert.Equal(
            ["line 2 is spoken again: it asks for something else than the journal says, or was spoken at another DIA_ISA or on another kind of device.", $"line 3 is spoken again: {In("codes/3.safetensors")} is not there, or not what the journal says.", $"line 4 is spoken again: {In("codes/4.safetensors")} is not there, or not what the journal says."],
            Regex.Matches(outcome.Error, "(?<=note: )line .*again.*").Select(m => m.Value));
        Assert.Matches("5 lines, 0 failed, .*1 there already", outcome.Error);
        SortedDictionary<string, byte[]> after = Files("codes"); // The seed is the journal's: nobody gave one.
        foreach (string same in new[] { "1", "3", "4" })
            Assert.Equal(before[same + ".safetensors"], after[same + ".safetensors"]);
        Assert.NotEqual(before["2.safetensors"], after["2.safetensors"]);
        Assert.Matches("5 lines, 0 failed, .*5 there already", Succeeds(Executable.WithFixtures.Run(speak)).Error);
        Assert.Matches("5 lines, 0 would fail, .*5 there already", Succeeds(Executable.WithFixtures.Run([.. speak, "--check"])).Error);

        // Another way to speak is another request of each line, and so is another seed.
        foreach (string[] other in new[] { new[] { "--top-k", "3" }, ["--seed", "3"], ["--truncate"] })
            Assert.DoesNotContain("already", Succeeds(Executable.WithFixtures.Run([.. speak, .. other])).Error, StringComparison.Ordinal);
    }

    [Avx512Fact]
    public void Another_instruction_level_and_another_arithmetic_are_other_requests()
    {
        File.WriteAllText(In("list"), "[S1] One.\n");
        string[] speak = ["--lines", "-f", In("list"), "--max-tokens", "20", "--codes", In("codes"), "--journal", In("journal"), "--resume", "--seed", "7"];
        Succeeds(Dia.Run(speak, [], ("DIA_ISA", "avx512")));
        Assert.Contains("1 there already", Succeeds(Dia.Run(speak, [], ("DIA_ISA", "avx512"))).Error, StringComparison.Ordinal);
        Assert.Contains("line 1 is spoken again", Succeeds(Dia.Run(speak, [], ("DIA_ISA", "avx2"))).Error, StringComparison.Ordinal);
        Assert.Contains("line 1 is spoken again", Succeeds(Dia.Run([.. speak, "--exact"], [], ("DIA_ISA", "avx2"))).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void JSON_lines_that_are_there_are_answered_as_such()
    {
        string[] options = [.. Small, "--journal", In("journal"), "--resume"];
        const string lines = "{\"id\":\"a\",\"text\":\"[S1] One.\",\"seed\":9}\n{\"id\":2,\"text\":\"[S1] Two.\"}\n{\"text\":1}\n";
        Outcome first = Run(Executable.WithFixtures, options, lines), second = Run(Executable.WithFixtures, options, lines);
        Assert.Equal((1, 1), (first.ExitCode, second.ExitCode)); // The third line is wrong each time.
        string codes = JsonSerializer.Serialize(In("codes"));
        Assert.Equal(
            [$"{{\"line\":1,\"id\":\"a\",\"codes\":{codes[..^1]}/1.safetensors\",\"seed\":9,\"kept\":true", $"{{\"line\":2,\"id\":2,\"codes\":{codes[..^1]}/2.safetensors\",\"seed\":5,\"kept\":true"],
            Answers(second).Take(2).Select(a => a.GetRawText().Split(",\"warnings\"")[0].TrimEnd('}')));
        Assert.Equal(Answers(first)[2].GetRawText(), Answers(second)[2].GetRawText());

        // What went into the answers, and what two lines share, no journal can speak for.
        const string others = "{\"text\":\"[S1] One.\"}\n{\"text\":\"[S1] One.\",\"output\":\"a.wav\"}\n{\"text\":\"[S1] Two.\",\"output\":\"a.wav\"}\n";
        JsonElement[] answers = Answers(Run(Dia, ["--jsonl", "--check", "--output-dir", Folder, "--journal", In("other")], others));
        Assert.Equal([1, 3], answers.Select(Line));
        Assert.Equal(["usage", "usage"], answers.Select(Error));
        Assert.False(File.Exists(In("other")));
    }

    [Fact]
    public void Parts_of_a_list_are_the_list()
    {
        File.WriteAllText(In("list"), string.Concat(List.Split('\n')[..60].Select(l => l + "\n")));
        Succeeds(Executable.WithFixtures.Run(Speak("whole", "--seed", "7")));
        foreach (int k in new[] { 3, 1, 2 })
        {
            string error = Succeeds(Executable.WithFixtures.Run(Speak("parts", "--seed", "7", "--shard", $"{k}/3", "--journal", In($"journal{k}")))).Error;
            Assert.Contains($"{(k == 1 ? 19 : 20)} lines, 0 failed", error, StringComparison.Ordinal); // of 60, of which line 40 is empty
        }

        Assert.Equal(Files("whole"), Files("parts"));
        File.WriteAllText(In("journal"), string.Concat(new[] { 1, 2, 3 }.Select(k => File.ReadAllText(In($"journal{k}")))));
        Assert.Contains("59 there already", Succeeds(Executable.WithFixtures.Run(Speak("parts", "--journal", In("journal"), "--resume"))).Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Two_runs_do_not_share_a_journal()
    {
        using Process process = Executable.WithFixtures.Start([.. Small, "-q", "--journal", In("journal")]);
        process.StandardInput.Write("{\"text\":\"[S1] Hi.\"}\n");
        process.StandardInput.Flush();
        _ = process.StandardOutput.ReadLine();
        Fails(6, Executable.WithFixtures.Run([.. Small, "--journal", In("journal"), "--resume"]), "another run", In("journal"));
        Assert.Equal(0, Executable.Finish(process, []).ExitCode);
    }

    [Theory]
    [InlineData(2, "--resume", "--resume", "--journal")]
    [InlineData(2, "--journal j --resume --play", "-o DIR")]
    [InlineData(2, "--journal . -o out", "no regular file")]
    [InlineData(2, "--journal /dev/null -o out", "no regular file")]
    [InlineData(2, "--journal there -o out", "there already", "--resume")]
    [InlineData(4, "--journal there --resume -o out", "there, line 2", "no line of a journal")]
    [InlineData(4, "--journal text --resume -o out", "text, line 1", "no line of a journal")]
    [InlineData(2, "--shard 0/3 -o out", "--shard", "K/N")]
    [InlineData(2, "--shard 4/3 -o out", "--shard", "K/N")]
    [InlineData(2, "--shard 3 -o out", "--shard", "K/N")]
    [InlineData(2, "--shard 1/3 -o out", "--shard needs --seed N")]
    public void What_cannot_be_is_refused_and_nothing_is_written(int exitCode, string options, params string[] says)
    {
        File.WriteAllText(In("there"), "{\"line\":0,\"seed\":1}\n{\"line\":1}\n");
        File.WriteAllText(In("text"), "my only notes"); // without an end, like a torn line
        string[] given = [.. options.Split(' ').Select(o => o is "j" or "there" or "text" or "out" ? In(o) : o)];
        Fails(exitCode, Dia.Run(["--lines", "-f", In("list"), .. given]), says);
        Assert.Equal(["list", "text", "there"], Names().Where(n => n != "out"));
        Assert.Equal("my only notes", File.ReadAllText(In("text")));
    }

    [Theory]
    [InlineData("--journal", "j")]
    [InlineData("--resume")]
    [InlineData("--shard", "1/2")]
    public void A_single_script_is_no_list(params string[] options) =>
        Fails(2, Dia.Run(["[S1] Hello world.", .. options, "-o", In("a.wav")]), options[0], "--lines", "--jsonl");

    private SortedDictionary<string, byte[]> Files(string folder) =>
        new(Directory.GetFiles(In(folder)).ToDictionary(f => Path.GetFileName(f), File.ReadAllBytes), StringComparer.Ordinal);
}
