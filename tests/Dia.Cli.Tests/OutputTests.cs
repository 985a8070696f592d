using System.Diagnostics;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

public sealed class OutputTests : TestFolder
{
    // Random ids hardly ever end by themselves, and plain loops are slow: minutes of work.
    private static readonly string[] LongRun = [Fixtures.LongText, "--device", "scalar", "--seed", "5"];
    private static readonly string[] Hello = ["[S1] Hello world.", "--greedy"];

    [Fact]
    public void A_file_has_true_sizes()
    {
        Succeeds(Dia.Run([.. Hello, "-o", In("a.wav")]));
        byte[] bytes = File.ReadAllBytes(In("a.wav"));
        Wav wav = Wav.Parse(bytes);
        Assert.Equal(16000, wav.Rate);
        Assert.Equal((uint)bytes.Length - 8, wav.RiffSize);
        Assert.Equal((uint)bytes.Length - 44, wav.DataSize);
        Assert.True(wav.Samples.Length > 5000);
        Assert.Contains(wav.Samples, s => Math.Abs((int)s) > 1000);
        Assert.Equal(["a.wav"], Names());
    }

    [Fact]
    public void A_pipe_has_unknown_sizes_and_the_same_samples()
    {
        Succeeds(Dia.Run([.. Hello, "-o", In("a.wav")]));
        Wav pipe = Wav.Parse(Succeeds(Dia.Run(Hello)).Output);
        Assert.Equal([uint.MaxValue, uint.MaxValue], new[] { pipe.RiffSize, pipe.DataSize });
        Assert.Equal(Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples, pipe.Samples);
        Assert.Equal(pipe.Samples, Wav.Parse(Succeeds(Dia.Run([.. Hello, "-o", "-"])).Output).Samples);
        Assert.Equal(pipe.Samples, Wav.Raw(Succeeds(Dia.Run([.. Hello, "--raw"])).Output));
    }

    [Fact]
    public void A_redirected_file_has_true_sizes_and_what_follows_follows()
    {
        Succeeds(Dia.Shell("($DIA '[S1] Hello world.' --greedy; printf END) > $1", In("a.wav")));
        byte[] bytes = File.ReadAllBytes(In("a.wav"));
        Assert.Equal("END"u8.ToArray(), bytes[^3..]);
        Assert.Equal((uint)bytes.Length - 3 - 44, Wav.Parse(bytes[..^3]).DataSize);
    }

    [Fact]
    public void An_appended_file_keeps_what_it_had()
    {
        Succeeds(Dia.Shell("printf START > $1; $DIA '[S1] Hello world.' --greedy >> $1", In("a.wav")));
        byte[] bytes = File.ReadAllBytes(In("a.wav"));
        Assert.Equal("START"u8.ToArray(), bytes[..5]);
        Assert.Equal(uint.MaxValue, Wav.Parse(bytes[5..]).DataSize);
    }

    [Fact]
    public void A_FIFO_is_written_directly()
    {
        Outcome outcome = Succeeds(Dia.Shell("mkfifo $1 && ($DIA '[S1] Hello world.' --greedy -q -o $1 & cat $1; wait)", In("fifo")));
        Assert.Equal(Wav.Parse(Succeeds(Dia.Run(Hello)).Output).Samples, Wav.Parse(outcome.Output).Samples);
        Assert.Equal(["fifo"], Names());
    }

    [Fact]
    public void A_link_stays_and_its_target_is_written()
    {
        Directory.CreateDirectory(In("real"));
        File.CreateSymbolicLink(In("link.wav"), "real/a.wav");
        Succeeds(Dia.Run([.. Hello, "-o", In("link.wav")]));
        Assert.Equal(["link.wav", "real", "real/a.wav"], Names());
        Assert.NotNull(new FileInfo(In("link.wav")).LinkTarget);
    }

    [Fact]
    public void A_closed_pipe_ends_quietly()
    {
        Outcome outcome = Dia.Shell("($DIA '[S1] Hello world.' --greedy -q; echo code $? >&2) | true");
        Assert.Equal("code 0\n", outcome.Error);
        outcome = Dia.Shell("mkfifo $1 && (true < $1 & $DIA '[S1] Hello world.' --greedy -q -o $1; echo code $? >&2)", In("fifo"));
        Assert.Equal("code 0\n", outcome.Error);
    }

    [Theory]
    [InlineData("exec $DIA '[S1] Hi.' --greedy > /dev/full")]
    [InlineData("exec $DIA '[S1] Hi.' --greedy -o /dev/full")]
    [InlineData("exec $DIA '[S1] Hi.' --greedy --codes /dev/full")]
    [InlineData("exec $DIA --help > /dev/full")]
    [InlineData("exec $DIA info > /dev/full")]
    public void A_full_disk_is_an_output_error(string script) => Assert.Equal(6, Dia.Shell(script).ExitCode);

    [Fact]
    public void What_cannot_be_written_is_an_output_error()
    {
        Fails(6, Dia.Run([.. Hello, "-o", In("no/such/folder.wav")]), "folder.wav");
        Fails(6, Dia.Run([.. Hello, "-o", Folder]), Folder);
        Fails(6, Dia.Run([.. Hello, "--codes", In("no/such/codes")]), "codes");
        Assert.Empty(Names());
    }

    [Fact]
    public void A_failure_leaves_the_old_file()
    {
        File.WriteAllText(In("a.wav"), "old");
        Fails(4, Dia.Run("[S1] " + new string('a', 500), "--no-split", "-o", In("a.wav")));
        Assert.Equal(["a.wav"], Names());
        Assert.Equal("old", File.ReadAllText(In("a.wav")));
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void An_interruption_leaves_no_half_file(string signal, int exitCode)
    {
        File.WriteAllText(In("a.wav"), "old");
        using Process process = Dia.Start([.. LongRun, "-o", In("a.wav"), "--codes", In("a.codes")]);
        // Both files are open once both temporary names are there; then the generation begins.
        for (var clock = Stopwatch.StartNew(); Names().Length < 3 && clock.Elapsed < TimeSpan.FromSeconds(60);)
            Thread.Sleep(20);
        Assert.Equal(3, Names().Length);
        Assert.False(process.HasExited);
        Process.Start("kill", [$"-{signal}", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)])!.WaitForExit();
        Outcome outcome = Executable.Finish(process, []);
        Assert.Equal(exitCode, outcome.ExitCode);
        Assert.Equal($"dia: interrupted: {In("a.codes")}, {In("a.wav")} were not complete and were dropped.\n", outcome.Error);
        Assert.Equal(["a.wav"], Names());
        Assert.Equal("old", File.ReadAllText(In("a.wav")));
    }

    [Fact]
    public void An_interruption_ends_even_what_does_not_look_up()
    {
        // Nobody reads the FIFO, so opening it takes for ever; the codes' file is open by then.
        Outcome outcome =
            Dia.Shell(
            "mkfifo $1/fifo && { $DIA '[S1] Hi.' -q --codes $1/codes -o $1/fifo & pid=$!; while ! ls -A $1 | grep -q tmp; do sleep 0.05; done; kill -TERM $pid; wait $pid; }", Folder);
        Assert.Equal(143, outcome.ExitCode);
        Assert.Equal(["fifo"], Names());
    }

    [Fact]
    public void Messages_are_one_line_and_stay_off_standard_output()
    {
        Outcome outcome = Succeeds(Dia.Run([.. Hello, "--seed", "12345", "-o", In("a.wav")]));
        Assert.Empty(outcome.Output);
        Assert.Single(outcome.Error.TrimEnd('\n').Split('\n'));
        Assert.DoesNotContain('\r', outcome.Error);
        Assert.DoesNotContain('\e', outcome.Error);
        Assert.Contains("seed 12345", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("ended by itself", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(Succeeds(Dia.Run([.. Hello, "-q", "-o", In("a.wav")])).Error);
        Assert.Empty(Succeeds(Dia.Run(["Hello.", "--greedy", "-q", "-o", In("a.wav")])).Error);
        string verbose = Succeeds(Dia.Run([.. Hello, "-v", "-o", In("a.wav")])).Error;
        foreach (string part in new[] { "loaded in", "cpu", "memory", "steps" })
            Assert.Contains(part, verbose, StringComparison.Ordinal);
    }

    [Fact]
    public void A_terminal_sees_progress()
    {
        using var terminal = new Terminal();
        Outcome outcome = Succeeds(
            Dia.Shell("exec $DIA '[S1] Hello world. How are you today?' --device scalar --greedy --max-tokens 60 -o $2 2> $1", terminal.Path, In("a.wav")));
        string shown = terminal.Read();
        Assert.Contains("times real time, at most", shown, StringComparison.Ordinal);
        Assert.Contains("seed", shown, StringComparison.Ordinal);
        Assert.Empty(outcome.Output);
    }

    [Fact]
    public void A_model_that_ends_at_once_gives_an_empty_wav_and_a_warning()
    {
        // EOS of channel 0 gets the very state after the BOS row as its weights: no other id comes near its score.
        const int eos = 256, width = 256;
        byte[] text = [1, .. " Hi."u8];
        TensorFile.Write(In("in"), ("input_ids", [1, text.Length], text));
        Succeeds(Dia.Run("forward", In("in"), In("out"), "--hidden-states"));
        float[] state = TensorFile.Open(In("out")).Floats("decoder_hidden_states.5");
        Assert.Equal(width, state.Length);
        string model = CopyOf(Fixtures.Demo);
        TensorFile.OverwriteBFloat16(Path.Combine(model, "model.safetensors"), "logits_dense.weight", eos * width, state);

        Outcome outcome =
            Succeeds(Dia.Run("[S1] Hi.", "--model", model, "--greedy", "--cfg-scale", "1", "-o", In("a.wav"), "--codes", In("c"), "--plot", In("p.png")));
        Png.Parse(File.ReadAllBytes(In("p.png")));
        Assert.Contains("warning: ", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("no audio", outcome.Error, StringComparison.Ordinal);
        Wav wav = Wav.Parse(File.ReadAllBytes(In("a.wav")));
        Assert.Empty(wav.Samples);
        Assert.Equal(0u, wav.DataSize);
        Assert.Equal([0, 9], TensorFile.Open(In("c")).Shape("codes"));
    }

    [Fact]
    public void Memory_that_runs_out_is_a_device_error()
    {
        // The encoder's arena for a million ids takes several gigabytes.
        const int ids = 1_000_000;
        TensorFile.Write(In("in"), ("input_ids", [1, ids], new byte[ids]));
        Fails(5, Dia.Shell("ulimit -v 2000000; exec $DIA forward $1 $2", In("in"), In("out")), "too little memory", "it takes", "ulimit -v");
        Assert.Equal(["in"], Names());
    }

    [Fact]
    public void A_length_limit_is_reported_and_leaves_its_frames()
    {
        Outcome outcome = Succeeds(Dia.Run([.. Hello, "--max-tokens", "17", "-o", In("a.wav")]));
        Assert.Contains("length limit", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(512, Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples.Length); // 17 - 15 - 1 frames
    }
}
