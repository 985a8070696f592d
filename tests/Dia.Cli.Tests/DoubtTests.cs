using System.Text;
using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Speech that may not be what its text asks for: scripts are told, whatever else is silenced.</summary>
public sealed class DoubtTests : TestFolder
{
    private const string Hello = "[S1] Hello world.";

    // The demo model says nothing for a row of full stops and ends after a second, whatever the seed.
    private static readonly string Short = "[S1] a" + new string('.', 80);

    private static readonly string Recording = Fixtures.Path("demo/voice.wav");
    private static readonly string Transcript = File.ReadAllText(Fixtures.Path("demo/voice.txt")).Trim();

    [Theory]
    [InlineData("--max-tokens", "20", "cut by the length limit", "Raise --max-tokens")]
    [InlineData("--max-tokens", "17", "cut by the length limit", "Raise --max-tokens")]
    public void Speech_that_was_cut_is_suspicious(string option, string value, string says, string help)
    {
        string[] args = [Hello, "--seed", "3", "-q", option, value, "-o", In("a.wav")];
        Outcome outcome = Succeeds(Dia.Run(args));
        Assert.Contains("dia: warning: the speech was " + says, outcome.Error, StringComparison.Ordinal);
        Assert.Contains(help, outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("seed may help", outcome.Error, StringComparison.Ordinal); // It would be cut as well.
        Assert.Equal(1, Dia.Run([.. args, "--strict"]).ExitCode);
        Assert.True(File.Exists(In("a.wav"))); // It is there all the same.
    }

    [Fact]
    public void Speech_shorter_than_its_text_is_suspicious()
    {
        string[] args = [Short, "--seed", "3", "-q", "-o", In("a.wav")];
        Assert.Matches(
            "^dia: warning: the speech ended after .* s, too soon for its 82 characters\\. Another seed may help \\(--retries N tries some\\)\\.\n$",
            Succeeds(Dia.Run(args)).Error);
        Assert.Equal(1, Dia.Run([.. args, "--strict"]).ExitCode);
        Outcome greedy = Succeeds(Dia.Run([Short, "--greedy", "-q", "-o", In("a.wav")]));
        Assert.DoesNotContain("seed may help", greedy.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Good_speech_is_not_suspicious()
    {
        Outcome outcome = Succeeds(Dia.Run(Hello, "--seed", "3", "-q", "--strict", "-o", In("a.wav")));
        Assert.Empty(outcome.Error);
        Assert.Empty(Succeeds(Dia.Run(Hello, "--seed", "3", "-q", "--strict", "--codes", In("c"))).Error);
    }

    [Fact]
    public void Codes_alone_are_judged_by_the_codec_s_configuration()
    {
        Assert.Contains("too soon", Succeeds(Dia.Run(Short, "--seed", "3", "-q", "--codes", In("c"))).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_voice_that_leaves_too_little_room_is_said_before_the_work()
    {
        short[] once = Wav.Parse(File.ReadAllBytes(Recording)).Samples;
        float[] samples = [.. Enumerable.Repeat(once, 16).SelectMany(s => s).Select(s => s / 32768f)];
        File.WriteAllBytes(In("long.wav"), Wav.OfFloats(16000, 1, samples));
        Outcome outcome = Succeeds(Dia.Run("[S1] Hello world, how are you today my friends?", "--seed", "3", "-q", "--clone", In("long.wav"), "--clone-text",
            Transcript, "-o", In("a.wav")));
        string[] lines = outcome.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Matches(
            "the text has 43 characters, which take about 2.9 s to say, and there is room for 1.0 s after the voice. Use a shorter voice.", lines[0]);
        Assert.All(lines, l => Assert.DoesNotContain("seed may help", l, StringComparison.Ordinal));
        Assert.True(lines.Length > 1, outcome.Error); // what became of it
    }

    [Fact]
    public void Lines_and_the_summary_say_it()
    {
        byte[] input = Encoding.UTF8.GetBytes($"{Hello}\n{Short}\n");
        string[] args = ["--lines", "--seed", "3", "-o", In("{n}.wav")];
        Outcome outcome = Succeeds(Dia.Run(args, input));
        Assert.Contains("dia: warning: line 2: the speech ended after", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("line 1", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("2 lines, 0 failed, 1 with warnings", outcome.Error, StringComparison.Ordinal);
        Outcome quiet = Dia.Run([.. args, "-q", "--strict"], input);
        Assert.Equal(1, quiet.ExitCode);
        Assert.Single(quiet.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(["1.wav", "2.wav"], Names());
    }

    [Fact]
    public void Json_answers_say_it()
    {
        byte[] input = Encoding.UTF8.GetBytes($$"""
            {"text":"{{Hello}}","output":"a.wav"}
            {"text":"{{Short}}","output":"b.wav"}
            {"text":"{{Hello}}","output":"c.wav","max_tokens":20}

            """);
        string[] args = ["--jsonl", "--seed", "3", "--output-dir", Folder];
        Outcome outcome = Succeeds(Dia.Run(args, input));
        JsonElement[] answers = [.. outcome.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];
        Assert.False(answers[0].TryGetProperty("warnings", out _));
        Assert.Equal(["short", "cut"], answers[1..].Select(a => a.GetProperty("warnings")[0].GetProperty("code").GetString()));
        Assert.Contains("Raise --max-tokens", answers[2].GetProperty("warnings")[0].GetProperty("message").GetString(),
            StringComparison.Ordinal); // the line's own
        Assert.Contains("too soon", answers[1].GetProperty("warnings")[0].GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Contains("3 lines, 0 failed, 2 with warnings", outcome.Error, StringComparison.Ordinal);
        Outcome strict = Dia.Run([.. args, "--strict", "-q"], input);
        Assert.Equal(1, strict.ExitCode);
        Assert.Empty(strict.Error);
        Assert.Equal(0, Dia.Run([.. args, "--strict", "-q"], [.. input[..input.AsSpan().IndexOf((byte)'\n')], (byte)'\n']).ExitCode);
    }

    [Fact]
    public void A_piece_that_failed_its_retries_is_suspicious()
    {
        Outcome outcome = Dia.Run(Short, "--seed", "3", "--retries", "1", "-q", "--strict", "-o", In("a.wav"));
        Assert.Equal(1, outcome.ExitCode);
        Assert.Contains("dia: warning: the text ended after", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("the best of 2 attempts", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("1 with warnings", Succeeds(Dia.Run(Short, "--seed", "3", "--retries", "1", "-o", In("a.wav"))).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_environment_asks_for_it_too() =>
        Assert.Equal(1, Dia.Run([Hello, "--seed", "3", "--max-tokens", "20", "-o", In("a.wav")], [], ("DIA_STRICT", "1")).ExitCode);
}
