using System.Diagnostics;
using System.Globalization;
using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>What somebody who had never seen the program ran into.</summary>
public sealed class OutsiderTests : TestFolder
{
    private static readonly string[] Say = ["[S1] Hello there.", "--seed", "1"];

    [Theory]
    [InlineData("--trim=false")]
    [InlineData("--quiet=0")]
    [InlineData("--greedy=no")]
    [InlineData("--raw:0")]
    [InlineData("-q=false")]
    public void A_flag_takes_no_value(string flag)
    {
        Fails(2, Dia.Run([.. Say, flag, "-o", In("a.wav")]), "takes no value");
        Assert.Empty(Names());
    }

    [Fact]
    public void Text_may_look_like_a_flag_behind_the_dashes() => Succeeds(Dia.Run("--seed", "1", "-o", In("a.wav"), "--", "--trim=false"));

    [Theory]
    [InlineData("100")]
    [InlineData("256")]
    public void A_small_stack_is_too_little_memory(string kib)
    {
        foreach (string call in (string[])["--version", "'[S1] Hello there.' --seed 1 -q -o $1/a.wav"])
        {
            Outcome outcome = Dia.Shell($"ulimit -S -s {kib}; exec $DIA {call}", Folder);
            Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error)); // The program may raise it.
            Fails(5, Dia.Shell($"ulimit -s {kib}; exec $DIA {call}", Folder), "too little memory", "ulimit -s");
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Few_descriptors_are_told(int count)
    {
        foreach (string call in (string[])["'[S1] Hello there.' --seed 1 -q -o $1/a.wav", $"encode {Fixtures.Path("demo/voice.wav")} -q -o $1/b"])
        {
            Outcome outcome = Dia.Shell($"ulimit -n {count}; exec $DIA {call}", Folder);
            Assert.True(outcome.ExitCode is 0 or 5, $"{outcome.ExitCode}: {outcome.Error}");
            if (outcome.ExitCode == 5)
                Assert.Contains("ulimit -n", outcome.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_was_cut_off_the_text_is_not_judged()
    {
        string text = "[S1] " + string.Concat(Enumerable.Repeat("Hello there. ", 100));
        Outcome outcome = Dia.Run(text, "--truncate", "--seed", "1", "--max-tokens", "300", "-o", In("a.wav"));
        Assert.DoesNotContain("1300", outcome.Error, StringComparison.Ordinal);
        Assert.Matches("the text has 25[0-9] characters", outcome.Error);
    }

    [Fact]
    public void Speech_that_does_not_end_asks_for_another_seed()
    {
        // Four letters, and the demo model goes on under this seed until it is stopped: with this rounding.
        (string, string) level = ("DIA_ISA", "avx2");
        Outcome outcome = Succeeds(Dia.Run(["[s2]hi[s1]ho", "--seed", "1", "--exact", "-q", "--codes", In("c")], [], level));
        Assert.Contains("went on until the length limit", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("Another seed may help", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Shorten", outcome.Error, StringComparison.Ordinal);
        // Another seed is what --retries tries.
        Outcome again = Succeeds(Dia.Run(["[s2]hi[s1]ho", "--seed", "1", "--exact", "--retries", "3", "--codes", In("c")], [], level));
        Assert.Contains("spoken again with seed 2", again.Error, StringComparison.Ordinal);
        Assert.Contains("ended by itself", again.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("utf-16le")]
    [InlineData("utf-16be")]
    [InlineData("utf-32")]
    public void Text_of_two_bytes_a_letter_is_named_without_a_mark_too(string encoding)
    {
        var encoder = (Encoding)Encoding.GetEncoding(encoding).Clone();
        File.WriteAllBytes(In("t.txt"), [.. encoding == "utf-32" ? encoder.GetPreamble() : [], .. encoder.GetBytes("[S1] Hello there.")]);
        Fails(4, Dia.Run("-f", In("t.txt"), "-o", In("a.wav")), encoding.ToUpperInvariant(), "iconv");
    }

    [Theory]
    [InlineData("\u200B[S1] Hello there.")]
    [InlineData("\u200F \u2060[S1] Hello there.\u200B")]
    public void What_shows_nothing_counts_for_nothing(string text)
    {
        Outcome outcome = Succeeds(Dia.Run([text, .. Say[1..], "-o", In("a.wav")]));
        Assert.DoesNotContain("speaker tag", outcome.Error, StringComparison.Ordinal);
        Succeeds(Dia.Run([.. Say, "-o", In("b.wav")]));
        Assert.Equal(File.ReadAllBytes(In("b.wav")), File.ReadAllBytes(In("a.wav")));
    }

    [Fact]
    public void A_transcript_without_its_recording_is_refused_beside_another_voice()
    {
        Succeeds(Dia.Run("voice", Fixtures.Path("demo/voice.wav"), "--text", "[S1] Yes.", "-o", In("v")));
        Fails(2, Dia.Run([.. Say, "--voice", In("v"), "--clone-text", "[S1] No.", "-o", In("a.wav")]), "--clone-text", "--voice");
        Outcome left = Dia.Run([.. Say, "--voice", In("v"), "-o", In("a.wav")], [], ("DIA_CLONE_TEXT", "[S1] No."));
        Assert.Equal(0, left.ExitCode); // left over in the environment
    }

    [Fact]
    public void Quit_leaves_no_half_file()
    {
        // Not through a shell: its background jobs ignore the signal.
        using Process process = Dia.Start(Fixtures.LongText, "--device", "scalar", "--seed", "5", "-o", In("a.wav"), "--codes", In("c"));
        for (var clock = Stopwatch.StartNew(); Names().Length < 2 && clock.Elapsed < TimeSpan.FromMinutes(1);)
            Thread.Sleep(20);
        Process.Start("kill", ["-QUIT", process.Id.ToString(CultureInfo.InvariantCulture)])!.WaitForExit();
        Outcome outcome = Executable.Finish(process, []);
        Assert.True(outcome.ExitCode == 131, $"{outcome.ExitCode}: {outcome.Error}");
        Assert.Empty(Names());
    }

    [Fact]
    public void A_constant_is_silence()
    {
        File.WriteAllBytes(In("dc.wav"), Wav.OfFloats(16000, 1, [.. Enumerable.Repeat(0.5f, 16000)]));
        Fails(4, Dia.Run([.. Say, "--clone", In("dc.wav"), "--clone-text", "[S1] Yes.", "-o", In("a.wav")]), "silent");
    }

    [Fact]
    public void Commands_in_messages_can_be_typed()
    {
        File.WriteAllText(In("my script.txt"), "[S1] Hello there.");
        Fails(2, Dia.Run(In("my script.txt")), $"-f '{In("my script.txt")}'");
        File.WriteAllText(In("jobs.jsonl"), "{}");
        Fails(2, Dia.Run(In("jobs.jsonl")), $"--jsonl -f {In("jobs.jsonl")}");
    }

    [Theory]
    [InlineData("c.npy")]
    [InlineData("c.pt")]
    public void Codes_are_safetensors(string name) => Fails(2, Dia.Run([.. Say, "--codes", In(name)]), "safetensors");
}
