using System.Diagnostics;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Audio leaves while it is made, and is what it would be all at once.</summary>
public sealed class StreamingTests : TestFolder
{
    private static readonly string[] Script = ["[S1] The letter is fast again. [S2] Hello world. [S1] The letter is fast again.", "--seed", "5"];

    [Theory]
    [InlineData("--raw", 1024)]
    [InlineData("--quiet", 44 + 1024)]
    public void The_first_chunk_arrives_long_before_the_end(string option, int firstBytes)
    {
        // Plain loops make each step slow enough to see what comes when. One frame of the demo's codec has 512 samples.
        var clock = Stopwatch.StartNew();
        using Process process = Dia.Start([.. Script, "--device", "scalar", "--max-tokens", "80", "--greedy", option]);
        process.StandardInput.Close();
        byte[] first = new byte[firstBytes];
        process.StandardOutput.BaseStream.ReadExactly(first);
        Assert.False(process.HasExited);
        TimeSpan atFirst = clock.Elapsed;
        var rest = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(rest);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        // 26 of 80 steps are done at the first chunk: what is left takes a while.
        Assert.True(clock.Elapsed > 1.3 * atFirst, $"the first chunk came after {atFirst} of {clock.Elapsed}");
        Assert.True(rest.Length > 20 * 1024);
    }

    [Fact]
    public void A_pipe_a_file_and_the_codes_have_the_same_samples()
    {
        Succeeds(Dia.Run([.. Script, "-o", In("a.wav"), "--codes", In("c")]));
        short[] file = Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples;
        Assert.True(file.Length > 64 * 512, "too short to have more than a window");
        Assert.Equal(file, Wav.Raw(Succeeds(Dia.Run([.. Script, "--raw"])).Output));
        Assert.Equal(file, Wav.Parse(Succeeds(Dia.Run([.. Script, "--threads", "1"])).Output).Samples);
        Succeeds(Dia.Run("decode", In("c"), "-o", In("b.wav")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
    }

    [Fact]
    public void Verbose_tells_the_time_to_first_audio() =>
        Assert.Matches(@"first audio after [0-9.]+ s \(27 steps\), [0-9.]+ s after the program's start",
            Succeeds(Dia.Run([.. Script, "-v", "-o", In("a.wav")])).Error);

    [Fact]
    public void A_reader_that_leaves_ends_it_at_once()
    {
        var clock = Stopwatch.StartNew();
        Outcome outcome = Dia.Shell($"($DIA '{Fixtures.LongText}' --device scalar --seed 5 --raw -q; echo code $? >&2) | head -c 1000 | wc -c");
        Assert.Equal("code 0\n", outcome.Error);
        Assert.Equal("1000", outcome.Text.Trim());
        // All of it would take minutes.
        Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), $"it went on for {clock.Elapsed}");
    }

    // Plain loops are slow enough to be stopped in the middle.
    private static readonly string[] Slow = [.. Script, "--device", "scalar", "--greedy", "--max-tokens", "170"];

    // All of it, spoken once for all tests.
    private static readonly Lazy<byte[]> WholeRaw = new(() => Succeeds(Executable.Dia.Run([.. Slow, "--raw"])).Output),
        WholeWav = new(() => Succeeds(Executable.Dia.Run([.. Slow, "--quiet"])).Output);

    [Theory]
    [InlineData("INT", 130, "--raw", 0)]
    [InlineData("TERM", 143, "--raw", 0)]
    [InlineData("INT", 130, "--quiet", 44)]
    [InlineData("TERM", 143, "--quiet", 44)]
    public void A_signal_in_the_middle_leaves_whole_samples_in_the_pipe(string signal, int exitCode, string option, int header)
    {
        using Process process = Dia.Start([.. Slow, option]);
        process.StandardInput.Close();
        byte[] first = new byte[header + 1024];
        process.StandardOutput.BaseStream.ReadExactly(first);
        Signal(process, signal);
        var output = new MemoryStream();
        output.Write(first);
        process.StandardOutput.BaseStream.CopyTo(output);
        Assert.Equal(option == "--quiet" ? "" : "dia: interrupted: standard output has what was written so far.\n", process.StandardError.ReadToEnd());
        process.WaitForExit();
        Assert.Equal(exitCode, process.ExitCode);
        byte[] whole = (header == 0 ? WholeRaw : WholeWav).Value;
        Assert.InRange(output.Length, first.Length, whole.Length - 2048);
        // Whole frames of the codec: the chunk that was being written is complete.
        Assert.Equal(0, (output.Length - header) % 1024);
        Assert.Equal(whole[..(int)output.Length], output.ToArray());
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void A_signal_while_a_file_grows_leaves_none(string signal, int exitCode)
    {
        using Process process = Dia.Start([.. Slow, "-o", In("a.wav")]);
        // It has a temporary name, a header and a frame at least.
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromMinutes(1) && !Names().Any(n => new FileInfo(In(n)).Length > 44 + 1024);)
            Thread.Sleep(5);
        Assert.Single(Names());
        Signal(process, signal);
        Outcome outcome = Executable.Finish(process, []);
        Assert.Equal(exitCode, outcome.ExitCode);
        Assert.Equal($"dia: interrupted: {In("a.wav")} was not complete and was dropped.\n", outcome.Error);
        Assert.Empty(Names());
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void A_signal_leaves_whole_samples_in_a_file_that_the_shell_has_opened(string signal, int exitCode)
    {
        byte[] whole = WholeRaw.Value;
        // The shell's file cannot be taken back; exec makes the process that is signalled the program itself.
        using Process process = Dia.StartShell("exec $DIA \"$@\" > $0", [In("a.raw"), .. Slow, "--raw"]);
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromMinutes(1)
            && !(File.Exists(In("a.raw")) && new FileInfo(In("a.raw")).Length >= 1024);)
            Thread.Sleep(5);
        Signal(process, signal);
        Outcome outcome = Executable.Finish(process, []);
        Assert.Equal(exitCode, outcome.ExitCode);
        byte[] part = File.ReadAllBytes(In("a.raw"));
        Assert.InRange(part.Length, 1024, whole.Length - 2048);
        Assert.Equal(0, part.Length % 1024);
        Assert.Equal(whole[..part.Length], part);
    }

    [Fact]
    public void An_end_that_is_forced_removes_the_progress_line()
    {
        using var terminal = new Terminal();
        // A reader that takes a second, reads some, so that there is progress to show, and then no more: once the FIFO is full (64 KiB) the program
        // waits for it. All of the text makes 700 KB.
        Outcome outcome = Dia.Shell(
            "mkfifo $1/fifo; (sleep 1; head -c 300000; exec sleep 60) < $1/fifo > /dev/null 2>&1 & reader=$!; $DIA \"$3\" --seed 1 --raw -o $1/fifo 2> $2 & pid=$!; sleep 5; kill -TERM $pid; wait $pid; echo $?; kill $reader && echo the reader still waits",
            Folder,
            terminal.Path,
            Fixtures.LongText);
        Assert.Equal("143\nthe reader still waits\n", outcome.Text);
        string shown = terminal.Read();
        Assert.Contains("times real time", shown, StringComparison.Ordinal);
        Assert.Matches(@"\r\e\[Kdia: interrupted: .*/fifo has what was written so far\.\r?\n$", shown);
    }

    private static void Signal(Process process, string signal) =>
        Process.Start("kill", [$"-{signal}", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)])!.WaitForExit();
}
