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
        Assert.Matches(@"first audio after [0-9.]+ s \(26 steps\), [0-9.]+ s after the program's start", Succeeds(Dia.Run([.. Script, "-v", "-o", In("a.wav")])).Error);

    [Fact]
    public void A_reader_that_leaves_ends_it_at_once()
    {
        var clock = Stopwatch.StartNew();
        Outcome outcome = Dia.Shell("($DIA '[S1] Hello.' --device scalar --temperature 1000 --top-k 0 --top-p 1 --seed 1 --raw -q; echo code $? >&2) | head -c 1000 | wc -c");
        Assert.Equal("code 0\n", outcome.Error);
        Assert.Equal("1000", outcome.Text.Trim());
        // All of its 768 rows would take minutes.
        Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), $"it went on for {clock.Elapsed}");
    }
}
