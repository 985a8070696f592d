using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>What a user who interrupts is told.</summary>
public sealed class InterruptionTests : TestFolder
{
    private const string LongRun = $"'{Fixtures.LongText}' --device scalar --seed 5";
    private const string Stop = "sleep 0.3; kill -TERM $pid; wait $pid";

    [Theory]
    [InlineData("", "dia: interrupted: $1/a.wav was not complete and was dropped.")]
    [InlineData("--codes $1/c", "dia: interrupted: $1/c, $1/a.wav were not complete and were dropped.")]
    public void Files_that_are_not_there_are_named(string more, string says)
    {
        Outcome outcome =
            Dia.Shell($"$DIA {LongRun} -o $1/a.wav {more} & pid=$!; while [ $(ls -A $1 | grep -c tmp) -lt 1 ]; do sleep 0.05; done; {Stop}", Folder);
        Assert.Equal(143, outcome.ExitCode);
        Assert.Contains(says.Replace("$1", Folder, StringComparison.Ordinal), outcome.Error, StringComparison.Ordinal);
        Assert.Empty(Names());
    }

    [Fact]
    public void Lines_that_are_complete_are_counted()
    {
        // The third line never ends within this test: the first two are there by then.
        string script =
            $"printf '[S1] Hello world.\\n[S1] Good night.\\n%s\\n' '{Fixtures.LongText}' | $DIA --lines --batch 1 --device scalar --seed 5 -o $1/{{n}}.wav & pid=$!; "
            + $"while [ ! -e $1/2.wav ]; do sleep 0.05; done; {Stop}";
        Outcome outcome = Dia.Shell(script, Folder);
        Assert.Equal(143, outcome.ExitCode);
        Assert.Contains($"dia: interrupted: 2 files are complete and stay; {In("3.wav")} was not complete and was dropped.", outcome.Error,
            StringComparison.Ordinal);
        Assert.Equal(["1.wav", "2.wav"], Names());
    }

    [Fact]
    public void A_pipe_keeps_what_it_got()
    {
        Outcome outcome = Dia.Shell($"$DIA {LongRun} --raw > $1/raw & pid=$!; while [ ! -s $1/raw ]; do sleep 0.05; done; {Stop}", Folder);
        Assert.Equal(143, outcome.ExitCode);
        Assert.Contains("dia: interrupted: standard output has what was written so far.", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Before_anything_is_written_it_says_that()
    {
        // Standard input never ends: the text is still being read.
        Outcome outcome =
            Dia.Shell(
            $"mkfifo $1/text; sleep 30 > $1/text & holder=$!; $DIA -o $1/a.wav < $1/text & pid=$!; sleep 1; kill -TERM $pid; wait $pid; code=$?; kill $holder; exit $code", Folder);
        Assert.Equal(143, outcome.ExitCode);
        Assert.Contains("dia: interrupted: nothing was written.", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Quiet_is_quiet()
    {
        Outcome outcome = Dia.Shell($"$DIA {LongRun} -q -o $1/a.wav & pid=$!; while [ $(ls -A $1 | grep -c tmp) -lt 1 ]; do sleep 0.05; done; {Stop}", Folder);
        Assert.Equal(143, outcome.ExitCode);
        Assert.DoesNotContain("interrupted:", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_standard_error_that_nobody_reads_does_not_keep_it()
    {
        // The FIFO is full before the program says its first word, and its reader takes none.
        Outcome outcome = Dia.Shell(
            "mkfifo $1/e; (exec sleep 60) < $1/e & reader=$!; (yes | head -c 70000 > $1/e) 2> /dev/null & sleep 0.5; "
                + "$DIA '[S1] Hello world.' -o $1/a.wav 2> $1/e & pid=$!; sleep 3; kill -TERM $pid; wait $pid; echo $?; "
                + "kill $reader && echo the reader still waits",
            Folder);
        Assert.Equal("143\nthe reader still waits\n", outcome.Text);
    }
}
