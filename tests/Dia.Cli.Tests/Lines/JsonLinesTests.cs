using System.Text;
using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>The protocol of JSON lines: requests, answers, errors.</summary>
public sealed class JsonLinesTests : LinesTest
{
    [Fact]
    public void An_answer_has_the_keys_of_the_contract()
    {
        Outcome outcome = Succeeds(Run(Dia, ["--jsonl", "--output-dir", Folder, "--seed", "3", "--max-tokens", "60"], """
            {"id":"a1","text":"[S1] Hello world.","output":"a1.wav","seed":7,"temperature":1.0}
            {"text":"[S1] Hi."}

            """));
        JsonElement[] answers = Answers(outcome);
        Assert.Equal(["line", "id", "output", "seconds", "frames", "stop", "seed", "rtf"], answers[0].EnumerateObject().Select(p => p.Name));
        Assert.Equal("a1", answers[0].GetProperty("id").GetString());
        Assert.Equal("a1.wav", answers[0].GetProperty("output").GetString());
        Assert.Equal(7u, answers[0].GetProperty("seed").GetUInt64());
        Assert.Contains(answers[0].GetProperty("stop").GetString(), new[] { "eos", "length" });
        Wav file = Wav.Parse(File.ReadAllBytes(In("a1.wav")));
        Assert.Equal(answers[0].GetProperty("frames").GetInt32() * 512, file.Samples.Length);
        Assert.Equal(file.Samples.Length / (double)file.Rate, answers[0].GetProperty("seconds").GetDouble(), 0.001); // rounded to milliseconds
        Assert.Equal((uint)file.Samples.Length * 2, file.DataSize);

        Assert.Equal(JsonValueKind.Null, answers[1].GetProperty("id").ValueKind);
        Assert.Equal(3u, answers[1].GetProperty("seed").GetUInt64());
        byte[] audio = answers[1].GetProperty("audio").GetBytesFromBase64();
        Succeeds(Dia.Run("[S1] Hi.", "--seed", "3", "--max-tokens", "60", "-o", In("single.wav")));
        Assert.Equal(File.ReadAllBytes(In("single.wav")), audio);
        Assert.Equal(["a1.wav", "single.wav"], Names());
    }

    [Fact]
    public void A_line_is_spoken_as_it_is_alone()
    {
        Outcome outcome = Succeeds(Run(Executable.WithFixtures, [.. Small, "--batch", "3"], """
            {"text":"[S1] Hello there.","max_tokens":60}
            {"text":"[S1] Hi.","seed":18446744073709551615,"max_tokens":40}
            {"text":"[S1] Hello.","greedy":true,"cfg_scale":2.5,"max_tokens":30}
            {"text":"[S1] Good day.","temperature":0.7,"top_k":7,"top_p":0.8,"max_tokens":30}

            """));
        string[][] alone =
        [
            ["[S1] Hello there.", "--max-tokens", "60", "--seed", "5", "--cfg-scale", "1"],
            ["[S1] Hi.", "--max-tokens", "40", "--seed", "18446744073709551615", "--cfg-scale", "1"],
            ["[S1] Hello.", "--max-tokens", "30", "--greedy", "--cfg-scale", "2.5"],
            ["[S1] Good day.", "--max-tokens", "30", "--seed", "5", "--cfg-scale", "1", "--temperature", "0.7", "--top-k", "7", "--top-p", "0.8"],
        ];
        Assert.Equal(["5", "18446744073709551615", "5", "5"], Answers(outcome).Select(a => a.GetProperty("seed").GetRawText()));
        for (int i = 0; i < alone.Length; i++)
        {
            Succeeds(Executable.WithFixtures.Run([.. alone[i], "--model", Fixtures.Path("generate/model"), "--codes", In("alone")]));
            Assert.Equal(File.ReadAllBytes(In("alone")), File.ReadAllBytes(In($"codes/{i + 1}.safetensors")));
        }
    }

    public static TheoryData<string, string, string> BadLines() => new()
    {
        { "not json", "input", "not valid JSON" },
        { "{\"text\":\"[S1] Hi.\"", "input", "not valid JSON" },
        { "{\"text\":\"[S1] Hi.\"} {}", "input", "not valid JSON" },
        { "[1]", "input", "object" },
        { "\"text\"", "input", "object" },
        { "{}", "input", "text is missing" },
        { "{\"text\":null}", "input", "text is missing" },
        { "{\"text\":\"\"}", "input", "empty" },
        { "{\"text\":7}", "usage", "text must be a string" },
        { "{\"text\":\"x\",\"bogus\":1}", "usage", "unknown key bogus" },
        { "{\"text\":\"x\",\"Seed\":1}", "usage", "unknown key Seed" },
        { "{\"text\":\"x\",\"model\":\"y\"}", "usage", "unknown key model" },
        { "{\"text\":\"x\",\"adapter\":\"y\"}", "usage", "all lines share one adapter" },
        { "{\"text\":\"x\",\"text\":\"y\"}", "usage", "twice" },
        { "{\"text\":\"x\",\"t\\u0065xt\":\"y\"}", "usage", "twice" },
        { "{\"text\":\"x\",\"id\":{}}", "usage", "id must be" },
        { "{\"text\":\"x\",\"seed\":\"7\"}", "usage", "seed must be a number" },
        { "{\"text\":\"x\",\"seed\":-2}", "usage", "from 0 to 18446744073709551615" },
        { "{\"text\":\"x\",\"seed\":18446744073709551616}", "usage", "from 0 to 18446744073709551615" },
        { "{\"text\":\"x\",\"temperature\":0}", "usage", "greater than 0" },
        { "{\"text\":\"x\",\"temperature\":1e999}", "usage", "greater than 0" },
        { "{\"text\":\"x\",\"top_k\":1.5}", "usage", "whole number" },
        { "{\"text\":\"x\",\"greedy\":1}", "usage", "true or false" },
        { "{\"text\":\"x\",\"max_tokens\":16}", "usage", "17" },
        { "{\"text\":\"x\",\"max_tokens\":1000000}", "usage", "17" },
        { "{\"text\":\"\\ud800\"}", "input", "Unicode" },
        { "{\"\\ud800\":1}", "input", "Unicode" },
        { "{\"text\":\"" + new string('a', 100) + "\"}", "input", "64" },
        { new string('[', 100_000), "input", "not valid JSON" },
        { "{\"text\":\"x\",\"output\":" + string.Concat(Enumerable.Repeat("{\"a\":", 50_000)), "input", "not valid JSON" },
        { "{\"text\":\"x\",\"" + new string('k', 100_000) + "\":1}", "usage", "unknown key kkk" },
        { "{\"text\":\"x\",\"top_k\":" + new string('1', 100_000) + "}", "usage", "top_k is '111" },
        { "{\"text\":\"x\0y\"}", "input", "not valid JSON" },
        { "\0", "input", "not valid JSON" },
        { "\uFEFF{\"text\":\"x\"}", "input", "not valid JSON" }, // allowed before the first line only
        { "{\"text\":\"" + new string('a', 2_000_000) + "\"}", "input", "longer than 1048576 bytes" },
    };

    [Fact]
    public void Bad_lines_are_answered_and_the_rest_goes_on()
    {
        var cases = BadLines().Select(row => ((string)row[0], (string)row[1], (string)row[2])).ToList();
        var input = new StringBuilder();
        foreach (var (line, _, _) in cases)
            input.Append("{\"text\":\"[S1] Hi.\",\"id\":\"good\"}\n").Append(line).Append('\n');
        Outcome outcome = Run(Executable.WithFixtures, Small, input.ToString());
        Assert.Equal(1, outcome.ExitCode);
        JsonElement[] answers = Answers(outcome);
        Assert.Equal(Enumerable.Range(1, 2 * cases.Count), answers.Select(Line));
        for (int i = 0; i < cases.Count; i++)
        {
            Assert.Null(Error(answers[2 * i]));
            Assert.Equal("good", answers[2 * i].GetProperty("id").GetString());
            JsonElement bad = answers[2 * i + 1];
            Assert.True(cases[i].Item2 == Error(bad), $"{cases[i].Item1[..Math.Min(60, cases[i].Item1.Length)]}: {bad}");
            string message = bad.GetProperty("error").GetProperty("message").GetString()!;
            Assert.Contains(cases[i].Item3, message, StringComparison.Ordinal);
            Assert.InRange(message.Length, 10, 600);
            Assert.Equal(["line", "id", "error"], bad.EnumerateObject().Select(p => p.Name));
        }

        Assert.Contains($"{2 * cases.Count} lines, {cases.Count} failed", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_carries_the_id()
    {
        Outcome outcome = Run(Executable.WithFixtures, Small, """
            {"text":"x","bogus":1,"id":"a \"quoted\" \u00e9"}
            {"id":12.50,"text":""}
            {"text":"x","seed":-7,"id":null}

            """);
        Assert.Equal(["a \"quoted\" é", "12.50", null],
            Answers(outcome).Select(a => a.GetProperty("id")).Select(id => id.ValueKind == JsonValueKind.Number ? id.GetRawText() : id.GetString()));
    }

    [Fact]
    public void Bytes_that_are_not_UTF8_are_named()
    {
        byte[] input = [.. "{\"text\":\"x"u8, 0xFF, .. "\"}\n{\"text\":\"[S1] gr\u00FC\u00DFe\"}\n"u8];
        Outcome outcome = Executable.WithFixtures.Run(Small, input);
        JsonElement[] answers = Answers(outcome);
        Assert.Equal(["input", null], answers.Select(Error));
        Assert.Contains("byte 10 (0xFF)", answers[0].GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Blank_lines_and_line_ends_mean_nothing()
    {
        Outcome outcome = Succeeds(Run(Executable.WithFixtures, Small, "\uFEFF{\"text\":\"[S1] Hi.\"}\r\n\r\n  \t\n\n{\"text\":\"[S1] Hi.\",\"seed\":null}"));
        Assert.Equal([1, 5], Answers(outcome).Select(Line));
        Assert.Equal(File.ReadAllBytes(In("codes/1.safetensors")), File.ReadAllBytes(In("codes/5.safetensors")));
        Assert.Empty(Succeeds(Run(Executable.WithFixtures, Small, "\n")).Output);
        Assert.Empty(Succeeds(Run(Executable.WithFixtures, Small, "")).Output);
    }

    [Fact]
    public void A_NUL_as_an_escape_is_text()
    {
        Succeeds(Run(Executable.WithFixtures, Small, "{\"text\":\"[S1] Hi\\u0000there.\"}\n{\"text\":\"[S1] Hi<pad>there.\"}\n"));
        Assert.Equal(File.ReadAllBytes(In("codes/1.safetensors")), File.ReadAllBytes(In("codes/2.safetensors")));
    }

    [Fact]
    public void A_random_seed_is_one_for_all_lines_and_repeats_the_run()
    {
        string input =
            "{\"text\":\"[S1] Hi.\",\"max_tokens\":40}\n{\"text\":\"[S1] Hi.\",\"max_tokens\":40}\n{\"text\":\"[S1] Hi.\",\"max_tokens\":40,\"seed\":-1}\n";
        string[] args = ["--jsonl", "--model", Fixtures.Path("generate/model")];
        JsonElement[] answers = Answers(Succeeds(Run(Executable.WithFixtures, [.. args, "--codes", In("a")], input)));
        ulong[] seeds = [.. answers.Select(a => a.GetProperty("seed").GetUInt64())];
        Assert.Equal(seeds[0], seeds[1]);
        Assert.NotEqual(seeds[0], seeds[2]); // both random: equal once in two billion runs
        Succeeds(Run(Executable.WithFixtures, [.. args, "--codes", In("b"), "--seed", $"{seeds[0]}"], input));
        Assert.Equal(File.ReadAllBytes(In("a/2.safetensors")), File.ReadAllBytes(In("b/2.safetensors")));
    }

    [Fact]
    public void Lines_may_come_from_a_file()
    {
        File.WriteAllText(In("jobs"), "{\"text\":\"[S1] Hi.\"}\n");
        Assert.Single(Answers(Succeeds(Executable.WithFixtures.Run([.. Small, "-f", In("jobs")]))));
        Fails(4, Executable.WithFixtures.Run([.. Small, "-f", In("nothing")]), "nothing");
    }

    [Fact]
    public void Contradictions_are_refused()
    {
        Fails(2, Run(Dia, ["--jsonl", "--lines"], ""), "--lines", "--jsonl");
        Fails(2, Run(Dia, ["--jsonl", "-o", In("a.wav")], ""), "--output-dir");
        Fails(2, Run(Dia, ["--lines", "-o", In("a.wav")], ""), "{n}");
        Fails(2, Run(Dia, ["--lines", "-o", In("{n}"), "--codes", In("{n}")], ""), "same files");
        Fails(2, Run(Dia, ["--jsonl", "--batch", "0"], ""), "from 1 to 64");
        Fails(4, Run(Dia, ["--jsonl", "--input-dir", In("missing")], ""), "missing");
        Fails(6, Run(Dia, ["--lines", "-o", In("missing/{n}.wav")], ""), "missing");
        Assert.Empty(Names());
    }
}
