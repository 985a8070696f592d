using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>Order, batches, memory and interruption of long runs.</summary>
public sealed class ManyLinesTests : LinesTest
{
    // A third of what is sent where lines are hostile: the collector's slack over lines of a megabyte (twice a line's size for its text, and the
    // budget of a generation, which depends on the processor's caches), the runtime and the model. It was 110 with 100 lines and with 400.
    private const double MostMemory = 192;

    [Fact]
    public void Ten_thousand_lines_of_which_some_are_bad()
    {
        const int count = 10_000, badEvery = 7;
        using Process process = Executable.WithFixtures.Start([.. Small, "-q", "--batch", "8"]);
        Thread writing = Feed(process, input =>
        {
            for (int i = 1; i <= count; i++)
                input.Write(Encoding.UTF8.GetBytes(i % badEvery == 0
                    ? $"{{\"id\":{i},\"text\":\"[S1] Hi.\",\"bogus\":{i}}}\n" : $"{{\"id\":{i},\"text\":\"[S1] Number {i}.\"}}\n"));
        });
        double early = 0, late;
        for (int i = 1; i <= count; i++)
        {
            JsonElement answer = Parse(process.StandardOutput.ReadLine()!);
            Assert.Equal(i, Line(answer));
            Assert.Equal(i, answer.GetProperty("id").GetInt32());
            Assert.Equal(i % badEvery == 0 ? "usage" : null, Error(answer));
            if (i == count / 2)
                early = PeakMemory(process); // The collector's heap has its size after some six thousand lines, sooner or later as the machine is busy.
        }

        writing.Join();
        late = PeakMemory(process);
        Outcome outcome = Executable.Finish(process, []);
        Assert.Equal(1, outcome.ExitCode);
        Assert.Empty(outcome.Output);
        Assert.Empty(outcome.Error);
        Assert.Equal(count - count / badEvery, Directory.GetFiles(In("codes")).Length);
        Assert.True(late < early + 32, $"{early} MiB became {late} MiB"); // the collector's own slack
        Assert.InRange(late, 1, MostMemory);
    }

    [Fact]
    public void The_number_of_places_changes_no_byte()
    {
        var random = new Random(1);
        var input = new StringBuilder();
        for (int i = 0; i < 40; i++)
            input.Append(i % 9 == 8
                ? "{\"text\":1}\n" : $"{{\"text\":\"[S1] Number {i}.\",\"seed\":{i},\"max_tokens\":{random.Next(17, 100)},\"cfg_scale\":{1 + i % 3}}}\n");
        string[]? expected = null;
        foreach (string batch in new[] { "1", "2", "8" })
        {
            Outcome outcome = Run(Executable.WithFixtures, [.. Small[..^1], In("codes" + batch), "--batch", batch], input.ToString());
            string[] answers =
                [.. Answers(outcome)
                .Select(a =>
                $"{Line(a)} {a.GetProperty("id")} {Error(a)} {(Error(a) is null ? $"{a.GetProperty("frames")} {a.GetProperty("stop")} {a.GetProperty("seed")}" : "")}")];
            expected ??= answers;
            Assert.Equal(expected, answers);
            foreach (string file in Directory.GetFiles(In("codes1")))
                Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(In($"codes{batch}/{Path.GetFileName(file)}")));
        }
    }

    [Fact]
    public void Answers_come_in_input_order_unless_they_need_not()
    {
        string input = "{\"text\":\"[S1] A long one.\",\"greedy\":true,\"max_tokens\":110,\"cfg_scale\":3}\n"
            + string.Concat(Enumerable.Range(2, 5).Select(i => $"{{\"text\":\"[S1] Short {i}.\"}}\n"));
        JsonElement[] ordered = Answers(Succeeds(Run(Executable.WithFixtures, [.. Small, "--batch", "2"], input)));
        Assert.Equal(Enumerable.Range(1, 6), ordered.Select(Line));
        Assert.True(ordered[0].GetProperty("frames").GetInt32() > 10, "the first line is not long");
        JsonElement[] unordered = Answers(Succeeds(Run(Executable.WithFixtures, [.. Small, "--batch", "2", "--unordered"], input)));
        Assert.Equal(Enumerable.Range(1, 6), unordered.Select(Line).Order());
        Assert.NotEqual(1, Line(unordered[0]));
        foreach (JsonElement answer in unordered)
            Assert.Equal(ordered[Line(answer) - 1].GetProperty("frames").GetInt32(), answer.GetProperty("frames").GetInt32());
    }

    [Fact]
    public void A_line_is_answered_before_the_next_one_comes()
    {
        using Process process = Executable.WithFixtures.Start([.. Small, "-q", "--batch", "8"]);
        for (int i = 1; i <= 5; i++)
        {
            process.StandardInput.Write(i == 3 ? "{}\n" : "{\"text\":\"[S1] Hi.\"}\n");
            process.StandardInput.Flush();
            Assert.Equal(i, Line(Parse(process.StandardOutput.ReadLine()!)));
            if (i == 4)
                Thread.Sleep(300);
        }

        // Closed in the middle of a line.
        Outcome outcome = Executable.Finish(process, "{\"text\":\"[S1] H"u8.ToArray());
        Assert.Equal(1, outcome.ExitCode);
        Assert.Equal(["input"], Answers(outcome).Select(Error));
        Assert.Equal([6], Answers(outcome).Select(Line));
    }

    [Fact]
    public void A_slow_line_holds_up_the_lines_behind_it_and_not_their_answers()
    {
        // The first line is slow on the scalar device; a hundred megabytes of bad lines behind it would make as many of answers.
        using Process process = Executable.WithFixtures.Start([.. Small, "-q", "--device", "scalar"]);
        Thread writing = Feed(process, input =>
        {
            input.Write("{\"text\":\"[S1] A long one.\",\"max_tokens\":110,\"cfg_scale\":3}\n"u8);
            byte[] bad = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat($"{{\"id\":\"{new string('i', 1000)}\"}}\n", 1000)));
            for (int i = 0; i < 100; i++)
                input.Write(bad);
        });
        for (int i = 1; i <= 100_001; i++)
            Assert.Equal(i, Line(Parse(process.StandardOutput.ReadLine()!)));
        writing.Join();
        Assert.InRange(PeakMemory(process), 1, MostMemory);
        Assert.Equal(1, Executable.Finish(process, []).ExitCode);
    }

    [Fact]
    public void Lines_of_hostile_length_take_bounded_memory()
    {
        using Process process = Executable.WithFixtures.Start([.. Small, "-q"]);
        byte[] megabyte = new byte[1 << 20];
        Array.Fill(megabyte, (byte)'a');
        Thread writing = Feed(process, input =>
        {
            for (int i = 0; i < 500; i++)
                input.Write(megabyte);
            input.Write("\n"u8);
            for (int i = 0; i < 100; i++)
            {
                input.Write("{\"text\":\""u8);
                input.Write(megabyte.AsSpan(100));
                input.Write("\"}\n"u8);
            }

            input.Write("{\"text\":\"[S1] Hi.\"}\n"u8);
        });
        string[] errors = [.. Enumerable.Range(0, 102).Select(_ => Error(Parse(process.StandardOutput.ReadLine()!)) ?? "none")];
        writing.Join();
        Assert.Equal(Enumerable.Repeat("input", 101).Append("none"), errors);
        Assert.InRange(PeakMemory(process), 1, MostMemory);
        Assert.Equal(1, Executable.Finish(process, []).ExitCode);
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void An_interruption_leaves_complete_answers_only(string signal, int exitCode)
    {
        using Process process = Executable.WithFixtures.Start([.. Small, "-q", "--batch", "4"]);
        byte[] lines = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"text\":\"[S1] Hi.\",\"max_tokens\":60}\n", 20_000)));
        Thread writing = Feed(process, input => input.Write(lines));
        var answers = new List<string>();
        for (int i = 0; i < 5; i++)
            answers.Add(process.StandardOutput.ReadLine()!);
        Signal(process, signal);
        string rest = process.StandardOutput.ReadToEnd();
        writing.Join();
        process.WaitForExit();
        Assert.Equal(exitCode, process.ExitCode);
        Assert.True(rest.Length == 0 || rest.EndsWith('\n'), "the last answer is cut");
        answers.AddRange(rest.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.InRange(answers.Count, 5, 19_999);
        Assert.Equal(Enumerable.Range(1, answers.Count), answers.Select(a => Line(Parse(a))));
        Assert.Equal(answers.Count, Directory.GetFileSystemEntries(In("codes")).Length); // no temporary file, no file without an answer
    }

    [Fact]
    public void A_reader_that_leaves_ends_the_run_quietly()
    {
        File.WriteAllText(In("jobs"), string.Concat(Enumerable.Repeat("{\"text\":\"[S1] Hi.\"}\n", 20_000)));
        Outcome outcome = Executable.WithFixtures.Shell("{ $DIA --jsonl -q --model $1 --max-tokens 17 --codes $2 -f $3; echo $? >&2; } | head -n 2",
            Fixtures.Path("generate/model"), In("codes"), In("jobs"));
        Assert.Equal(2, Answers(outcome).Length);
        Assert.Equal("0\n", outcome.Error);
        Assert.DoesNotContain(Names(), n => n.EndsWith(".tmp", StringComparison.Ordinal));
    }
}
