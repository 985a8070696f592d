using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>The executable needs libc and libm only: every command runs where nothing else is.</summary>
public sealed partial class BareSystemTests : TestFolder
{
    private const string Text = "[S1] Hello world.";

    // In this order: a command reads what those before it wrote.
    private static readonly string[][] Calls =
    [
        ["--version"],
        ["--help"],
        [Text, "--codes", "/codes", "-o", "/a.wav", "--plot", "/a.png"], // A random seed.
        [Text, "--retries", "1", "--split", "--speed", "0.9", "-o", "/split.wav"],
        ["--lines", "-f", "/lines.txt", "--batch", "2", "-o", "/{n}.wav"],
        ["--jsonl", "-f", "/lines.jsonl"],
        [Text, "--clone", "/voice.wav", "--clone-text", "[S1] The letter is fast again.", "-o", "/b.wav"],
        ["voice", "/voice.wav", "--text", "[S1] The letter is fast again.", "-o", "/voice"],
        [Text, "--voice", "/voice", "--greedy", "-o", "/c.wav"],
        ["encode", "/voice.wav", "-o", "/encoded"],
        ["decode", "/codes", "-o", "/d.wav"],
        ["forward", "/forward", "/logits"],
        ["prepare", "--text", Text, "--audio", "/voice.wav", "-o", "/prepared"],
        ["generate", "/prepared", "/rows", "--max-tokens", "20", "--hidden-states"],
        ["train", "--data", "/data.jsonl", "--lora", "1", "--steps", "1", "-o", "/adapter"],
        [Text, "--adapter", "/adapter", "--greedy", "-o", "/g.wav"],
        ["synth", "--config", "dia-demo", "-o", "/synth"],
        ["convert", "/synth", "--dtype", "f16", "-o", "/f16"],
        ["bundle", "/f16", "-o", "/bundle"],
        ["info"],
        ["info", "--device", "cpu"],
        ["selftest", "--small", "--device", "cpu"],
        ["bench", "--device", "cpu"],
        ["completion", "bash"],
        ["completion", "zsh"],
        ["completion", "fish"],
        ["man"],
    ];

    [BareRootFact]
    public void Every_command_runs_with_libc_libm_and_the_loader_alone_and_looks_for_nothing_else()
    {
        var root = new BareRoot(Folder);
        Assert.Equal(["ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6"], root.Libraries());
        File.Copy(Fixtures.Path("demo/voice.wav"), root.In("/voice.wav"));
        File.WriteAllText(root.In("/lines.txt"), $"{Text}\n{Text}\n");
        File.WriteAllText(root.In("/lines.jsonl"), $$"""{"text":"{{Text}}","output":"j.wav"}""");
        File.WriteAllText(root.In("/data.jsonl"), """{"audio":"voice.wav","text":"[S1] The letter is fast again."}""");
        TensorFile.Write(root.In("/forward"), ("input_ids", [1, 3], new long[] { 1, 72, 105 }));
        foreach (string[] call in Calls)
        {
            Outcome outcome = root.Run(["/dia", .. call]);
            Assert.True(outcome.ExitCode == 0, $"{string.Join(' ', call)}: exit code {outcome.ExitCode}: {outcome.Error}");
            string[] sought = root.Sought();
            Assert.True(sought.Length >= 2, "the loader's notes are missing");
            Assert.All(sought, name => Assert.Matches(@"^(libc\.so\.6|libm\.so\.6|ld-linux-x86-64\.so\.2|libcuda\.so\.1|libcublas\.so\.\d+)$", name));
        }

        // Its own model, which it finds without /proc; and what was written is what is written elsewhere.
        Succeeds(root.Run("/bundle", Text, "--seed", "4", "-o", "/e.wav"));
        Succeeds(Dia.Run(Text, "--seed", "4", "--model", root.In("/f16"), "-o", root.In("/f.wav")));
        Assert.Equal(File.ReadAllBytes(root.In("/f.wav")), File.ReadAllBytes(root.In("/e.wav")));
    }

    /// <summary>A command that is new must be tried too.</summary>
    [Fact]
    public void Every_command_is_tried()
    {
        string help = Succeeds(Dia.Run("--help")).Text;
        string[] commands = [.. CommandName().Matches(help[help.IndexOf("\nCommands:\n", StringComparison.Ordinal)..]).Select(m => m.Groups[1].Value)];
        Assert.Contains("encode", commands);
        Assert.All(commands, name => Assert.Contains(Calls, c => c[0] == name));
    }

    [GeneratedRegex("^  ([a-z]+)", RegexOptions.Multiline)]
    private static partial Regex CommandName();
}
