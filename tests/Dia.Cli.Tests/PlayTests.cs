using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Playing, through stand-ins for the system's programs.</summary>
public sealed class PlayTests : TestFolder
{
    private static readonly string[] Say = ["[S1] Hello world.", "--seed", "3"];

    [Theory]
    [InlineData("aplay", "-q -t raw -f S16_LE -c 1 -r 16000 -")]
    [InlineData("paplay", "--raw --format=s16le --channels=1 --rate=16000")]
    [InlineData("ffplay", "-nodisp -autoexit -loglevel error -f s16le -ar 16000 -i -")]
    public void What_is_played_is_what_a_file_gets(string program, string arguments)
    {
        // ffplay is believed only where it takes as long as the sound.
        Install(program, "echo \"$@\" > $OUT/args; cat > $OUT/heard; echo noise; sleep 1");
        Outcome outcome = Succeeds(Run([.. Say, "--play"]));
        Assert.Empty(outcome.Output); // neither sound nor what the program says
        Assert.Equal(arguments, File.ReadAllText(In("args")).Trim());
        Assert.Equal(Succeeds(Dia.Run([.. Say, "--raw"])).Output, File.ReadAllBytes(In("heard")));
    }

    [Fact]
    public void The_first_that_is_there_plays()
    {
        Install("ffplay", "cat > $OUT/second");
        Install("aplay", "cat > $OUT/first");
        Succeeds(Run([.. Say, "--play"]));
        Assert.True(File.Exists(In("first")) && !File.Exists(In("second")));
    }

    [Fact]
    public void Files_are_written_beside_it_whatever_becomes_of_the_sound()
    {
        Install("aplay", "cat > /dev/null");
        Succeeds(Run([.. Say, "--play", "-o", In("a.wav"), "--codes", In("c")]));
        byte[] expected = Succeeds(Dia.Run([.. Say, "-o", "-"])).Output;
        Assert.Equal(Wav.Parse(expected).Samples, Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples);
        Install("aplay", "echo no card >&2; exit 1");
        Outcome outcome = Run([.. Say, "--play", "-o", In("b.wav")]);
        Assert.Equal(6, outcome.ExitCode);
        Assert.Contains("no card", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("aplay could not play", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
    }

    [Fact]
    public void Ffplay_that_ends_at_once_has_played_nothing()
    {
        Install("ffplay", "echo audio open failed >&2; exit 0");
        Outcome outcome = Dia.Run([.. Say, "--play", "-q"], [], ("PATH", In("bin")));
        Assert.Equal(6, outcome.ExitCode);
        Assert.Contains("dia: ffplay could not play the sound (it ended at once", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nothing_can_play_nothing_is_made()
    {
        Directory.CreateDirectory(In("bin"));
        Outcome outcome = Dia.Run([.. Say, "--play", "-o", In("a.wav")], [], ("PATH", In("bin")));
        Fails(6, outcome, "--play", "aplay, paplay, ffplay", "-o FILE");
        Assert.Equal(["bin"], Names());
    }

    [Fact]
    public void Lines_are_played_one_after_the_other()
    {
        Install("aplay", "cat > $OUT/heard");
        byte[] input = Encoding.UTF8.GetBytes("[S1] Hello world.\n[S1] Good night.\n");
        Succeeds(Run(["--lines", "--seed", "3", "--play"], input));
        Assert.Equal(Succeeds(Dia.Run(["--lines", "--seed", "3", "--raw"], input)).Output, File.ReadAllBytes(In("heard")));
        Fails(2, Run(["--lines", "--play", "-o", In("{n}.wav")], input), "--play", "-o");
        Fails(2, Run(["--jsonl", "--play"], input), "--play", "--jsonl");
    }

    [Fact]
    public void A_script_is_played_too()
    {
        Install("aplay", "cat > $OUT/heard");
        string[] script = ["[S1] The voice is blue now. [S2] You know the quiet voice.", "--seed", "3", "--speed", "1.3"];
        Succeeds(Run([.. script, "--play"]));
        Assert.Equal(Succeeds(Dia.Run([.. script, "--raw"])).Output, File.ReadAllBytes(In("heard")));
    }

    [Fact]
    public void An_interruption_ends_the_sound()
    {
        Install("aplay", "touch $OUT/started; exec sleep 60");
        Outcome outcome =
            Dia.Shell(
            "export OUT=$1; PATH=$1/bin:$PATH $DIA '[S1] Hello world.' --seed 3 --play & pid=$!; while [ ! -e $1/started ]; do sleep 0.05; done; sleep 0.5; kill -TERM $pid; wait $pid", Folder);
        Assert.Equal(143, outcome.ExitCode);
    }

    private Outcome Run(string[] args, byte[]? input = null) =>
        Dia.Run(args, input ?? [], ("PATH", In("bin") + ":" + Environment.GetEnvironmentVariable("PATH")), ("OUT", Folder));

    private void Install(string program, string script)
    {
        Directory.CreateDirectory(In("bin"));
        File.WriteAllText(In("bin/" + program), "#!/bin/sh\n" + script + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(In("bin/" + program), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
