using System.Diagnostics;
using System.Globalization;
using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>What a well-made tool does when its surroundings are not as usual.</summary>
public sealed class MannersTests : TestFolder
{
    private const string LongRun = $"'{Fixtures.LongText}' --device scalar --seed 5";
    private const string Hello = "'[S1] Hello world.' --greedy --seed 1";

    [Fact]
    public void A_closed_standard_input_is_an_input_error()
    {
        Fails(4, Dia.Shell("exec $DIA -o $1/a.wav <&-", Folder), "standard input", "closed");
        Fails(4, Dia.Shell("exec $DIA -f - -o $1/a.wav <&-", Folder), "standard input", "closed");
        Assert.Empty(Names());
        Succeeds(Dia.Shell($"exec $DIA {Hello} -o $1/a.wav <&-", Folder)); // Not needed, no matter.
    }

    [Fact]
    public void A_closed_standard_output_is_an_output_error()
    {
        foreach (string call in new[] { Hello, "info", "--help", "--version", "man", "completion bash" })
            Fails(6, Dia.Shell($"exec $DIA {call} >&-"), "standard output", "closed");
        Succeeds(Dia.Shell($"exec $DIA {Hello} -o $1/a.wav >&-", Folder));
    }

    [Theory]
    [InlineData("2>&-")]
    [InlineData("<&- 2>&-")]
    [InlineData("<&- >&- 2>&-")]
    public void Messages_that_nobody_can_hear_get_into_no_file(string closed)
    {
        Succeeds(Dia.Shell($"exec $DIA {Hello} -q -o $1/a.wav", Folder));
        Succeeds(Dia.Shell($"exec $DIA {Hello} -v -o $1/b.wav --codes $1/c --plot $1/d.png {closed}", Folder));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
        Png.Parse(File.ReadAllBytes(In("d.png")));
        Assert.Equal(2, Dia.Shell($"exec $DIA --bogus {closed}").ExitCode);
        Assert.Equal(4, Dia.Shell($"exec $DIA -f $1/nothing -o $1/x {closed}", Folder).ExitCode);
    }

    [Theory]
    [InlineData("HUP", 129)]
    [InlineData("TERM", 143)] // A shell's background jobs ignore SIGINT; OutputTests interrupts a foreground one.
    public void A_signal_leaves_no_half_file_of_any_kind(string signal, int exitCode)
    {
        // All three files are open once their temporary names are there.
        Outcome outcome =
            Dia.Shell(
            $"$DIA {LongRun} -o $1/a.wav --codes $1/c --plot $1/p.png & pid=$!; while [ $(ls -A $1 | grep -c tmp) -lt 3 ]; do sleep 0.05; done; sleep 0.3; kill -$2 $pid; wait $pid", Folder, signal);
        Assert.Equal(exitCode, outcome.ExitCode);
        Assert.Empty(Names());
    }

    [Theory]
    [InlineData("HUP")]
    [InlineData("INT")]
    [InlineData("TERM")]
    public void An_ignored_signal_stays_ignored(string signal)
    {
        // nohup, and background jobs of a script.
        Outcome outcome =
            Dia.Shell(
            $"trap '' $2; $DIA {LongRun} -q -o $1/a.wav & pid=$!; while [ $(ls -A $1 | grep -c tmp) -lt 1 ]; do sleep 0.05; done; sleep 0.3; kill -$2 $pid; sleep 1.5; kill -0 $pid && echo alive; kill -KILL $pid; wait $pid", Folder, signal);
        Assert.Equal("alive\n", outcome.Text);
    }

    [Theory]
    [InlineData("> $1/a.wav", "standard output")]
    [InlineData("-o $1/a.wav", "a.wav")]
    [InlineData("--codes $1/c -o /dev/null", "c: file too large", 0)]
    public void A_file_over_its_limit_is_an_output_error(string output, string says, int blocks = 8)
    {
        Outcome outcome = Dia.Shell($"ulimit -f {blocks}; exec $DIA {Hello} -q {output}", Folder);
        Assert.Equal(6, outcome.ExitCode);
        Assert.Contains(says, outcome.Error, StringComparison.Ordinal);
        Assert.Contains("too large", outcome.Error, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Names(), n => n != "a.wav" || !output.StartsWith('>'));
    }

    [MountFact]
    public void A_full_disk_is_an_output_error_and_keeps_the_old_file()
    {
        Directory.CreateDirectory(In("small"));
        Outcome outcome =
            Dia.Shell(
            $"unshare -m sh -c 'mount -t tmpfs -o size=8k none $1 && echo old > $1/a.wav && $0 \"[S1] Hello world.\" --greedy -q -o $1/a.wav; echo $?; $0 \"[S1] Hello world.\" --greedy -q -o $1/c.wav; echo $?; $0 \"[S1] Hello world.\" --greedy -q > $1/b.wav; echo $?; ls -A $1; cat $1/a.wav' $DIA $1", In("small"));
        Assert.Equal("6\n6\n6\na.wav\nb.wav\nold\n", outcome.Text);
        string[] errors = outcome.Error.TrimEnd('\n').Split('\n');
        Assert.Equal(3, errors.Length);
        Assert.All(errors, e => Assert.Contains("No space left on device", e, StringComparison.Ordinal));
        Assert.Contains("a.wav", errors[0], StringComparison.Ordinal);
        Assert.DoesNotContain(".tmp", outcome.Error, StringComparison.Ordinal);
    }

    [MountFact]
    public void A_read_only_file_system_is_an_output_error()
    {
        Directory.CreateDirectory(In("fixed"));
        Outcome outcome = Dia.Shell($"unshare -m sh -c 'mount -t tmpfs -o ro none $1 && exec $0 \"[S1] Hi.\" -o $1/a.wav' $DIA $1", In("fixed"));
        Fails(6, outcome, "a.wav", "Read-only file system");
        Assert.DoesNotContain(".tmp", outcome.Error, StringComparison.Ordinal);
    }

    [NeedsFact("setpriv")]
    public void An_unwritable_folder_is_an_output_error()
    {
        Directory.CreateDirectory(In("fixed"));
        // Root may write anywhere; without its capabilities it is a user like others.
        Outcome outcome =
            Dia.Shell(
            "chmod 555 $1; if [ $(id -u) = 0 ]; then exec setpriv --bounding-set -all $DIA '[S1] Hi.' -o $1/a.wav; else exec $DIA '[S1] Hi.' -o $1/a.wav; fi",
            In("fixed"));
        Fails(6, outcome, "a.wav", "permission denied");
        Assert.DoesNotContain(".tmp", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(["fixed"], Names());
    }

    [Fact]
    public void A_slow_text_is_waited_for()
    {
        byte[] usual = Succeeds(Dia.Shell($"exec $DIA {Hello}")).Output;
        Assert.Equal(usual, Succeeds(Dia.Shell("(printf '[S1] Hel'; sleep 1; printf 'lo wor'; sleep 1; printf 'ld.') | $DIA --greedy --seed 1")).Output);
    }

    [Fact]
    public void A_text_that_never_comes_can_be_interrupted()
    {
        using Process process = Dia.Start("-o", In("a.wav"));
        Thread.Sleep(500);
        var clock = Stopwatch.StartNew();
        Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)])!.WaitForExit();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.Equal(130, process.ExitCode);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30)); // One, but machines can be busy.
        Assert.Empty(Names());
    }

    [Theory]
    [InlineData("yes '[S1] on and on'")]
    [InlineData("cat /dev/zero")]
    public void A_text_without_an_end_is_refused_in_bounded_memory(string source) =>
        Fails(4, Dia.Shell($"ulimit -v 2000000; {source} 2> /dev/null | $DIA -q -o $1/a.wav", Folder), "standard input", "16777216 bytes");

    [Fact]
    public void Garbage_is_refused_by_the_byte()
    {
        byte[] garbage = new byte[1 << 20];
        new Random(1).NextBytes(garbage);
        Fails(4, Dia.Run(["-o", In("a.wav")], garbage), "standard input", "UTF-8 at byte");
        File.WriteAllBytes(In("garbage"), garbage);
        Fails(4, Dia.Run("-f", In("garbage"), "-o", In("a.wav")), "garbage", "UTF-8 at byte");
        Fails(4, Dia.Run("-f", Folder, "-o", In("a.wav")), Folder);
        Assert.Equal(["garbage"], Names());
    }

    [Theory]
    [InlineData("C")]
    [InlineData("POSIX")]
    [InlineData("de_DE")]
    [InlineData("de_DE.ISO-8859-15")]
    [InlineData("ja_JP.SJIS")]
    [InlineData("tr_TR.UTF-8")]
    [InlineData("no-such-locale")]
    public void A_locale_changes_no_byte(string locale)
    {
        string[] call = ["[S1] Gr\u00FC\u00DFe, I said 1.5.", "--greedy", "--temperature", "1.5", "--seed", "1"];
        Outcome usual = Succeeds(Dia.Run(call, [], ("LC_ALL", "C.UTF-8"))),
            other = Succeeds(Dia.Run([.. call, "--codes", In("Gr\u00FC\u00DFe"), "-o", "-"], [], ("LC_ALL", locale), ("LANG", locale)));
        Assert.Equal(usual.Output, other.Output);
        Assert.Equal(usual.Error.Split(" in ")[0], other.Error.Split(" in ")[0]);
        Assert.Equal(["Gr\u00FC\u00DFe"], Names());
    }

    [Theory]
    [InlineData("DIA_TEMPERATURE")]
    [InlineData("DIA_TOP_P")]
    [InlineData("DIA_TOP_K")]
    [InlineData("DIA_CFG_SCALE")]
    [InlineData("DIA_MAX_TOKENS")]
    [InlineData("DIA_SEED")]
    [InlineData("DIA_GREEDY")]
    [InlineData("DIA_DEVICE")]
    [InlineData("DIA_THREADS")]
    [InlineData("DIA_RAW")]
    [InlineData("DIA_NO_FIX_TEXT")]
    [InlineData("DIA_TRUNCATE")]
    [InlineData("DIA_QUIET")]
    [InlineData("DIA_VERBOSE")]
    public void A_bad_variable_is_named(string variable)
    {
        Fails(2, Dia.Run(["[S1] Hi.", "-o", In("a.wav")], [], (variable, "1,5x")), $"{variable} is '1,5x'", "must be");
        Assert.Contains($"[{variable}]", Succeeds(Dia.Run("--help")).Text.Replace("\n" + new string(' ', 28), " ", StringComparison.Ordinal),
            StringComparison.Ordinal);
        Assert.Empty(Names());
    }

    [Fact]
    public void A_variable_s_file_is_named_in_the_error()
    {
        Fails(4, Dia.Run([], [], ("DIA_FILE", In("nothing"))), "nothing");
        Fails(3, Dia.Run(["[S1] Hi."], [], ("DIA_MODEL", In("nothing"))), "nothing");
        Fails(6, Dia.Run(["[S1] Hi."], [], ("DIA_PLOT", In("no/p.png"))), "p.png");
        Fails(2, Dia.Run(["[S1] Hi."], [], ("DIA_PLOT", "-")), "DIA_PLOT");
    }

    [NeedsFact("script")]
    public void Progress_is_one_line_that_is_written_over_and_gone_at_the_end()
    {
        string shown = Succeeds(
            Dia.Shell("exec script -qec \"$DIA '[S1] Hello there.' --device scalar --greedy --max-tokens 60 --seed 1 -o $1\" /dev/null", In("a.wav"))).Text;
        string[] updates = shown.Split('\r', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(updates.Length > 4);
        Assert.Matches(@"^\d+\.\d s of audio, \d+\.\d\d times real time, at most \d+ s left\e\[K$", updates[0]);
        Assert.Equal(1, shown.Count(c => c == '\n'));
        Assert.Equal("\e[K", updates[^2][..3]);
        Assert.EndsWith("seed 1", updates[^2], StringComparison.Ordinal);
        string quiet =
            Succeeds(Dia.Shell("exec script -qec \"$DIA '[S1] Hi.' -q --device scalar --greedy --max-tokens 60 -o $1\" /dev/null", In("a.wav"))).Text;
        Assert.Empty(quiet);
    }

    [Theory]
    [InlineData("'[S1] Hello world.' -o $1/a.wav")]
    [InlineData("'[S1] Hello world.' --speed 1.2 --exact -o $1/a.wav")]
    [InlineData("'[S1] Hello world.' --lines -o $1/{n}.wav")]
    public void The_stages_have_their_times(string call)
    {
        Outcome outcome = Succeeds(Dia.Shell($"exec $DIA {call} --seed 1 -v", Folder));
        Assert.Matches(@"(?m)^encoder 0\.\d{3} s, prompt 0\.\d{3} s, steps \d\.\d{3} s, codec \d\.\d{3} s$", outcome.Error);
        Assert.Matches(@"loaded in \d+\.\d\d s", outcome.Error);
        string caches = call.Contains("--exact", StringComparison.Ordinal) ? "float32" : "float16";
        Assert.Contains("keys and values in " + caches, outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Standard_error_into_the_pipe_is_all_that_is_not_audio()
    {
        Outcome outcome = Succeeds(Dia.Shell($"$DIA {Hello} -v 2> $1 | cat", In("messages")));
        Wav.Parse(outcome.Output);
        Assert.Contains("seed 1", File.ReadAllText(In("messages"), Encoding.ASCII), StringComparison.Ordinal);
    }
}
