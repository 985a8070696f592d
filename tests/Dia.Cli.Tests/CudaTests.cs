using System.Globalization;
using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>The demo model on the software GPU, through the executable people get: the captured step, the sampler on the device, the codec.</summary>
public sealed partial class CudaTests : TestFolder
{
    [Fact]
    public void A_sentence_is_the_processors()
    {
        Succeeds(Dia.RunOn("cpu", "[S1] Hello world.", "--exact", "--greedy", "-o", In("cpu.wav"), "--codes", In("cpu")));
        Succeeds(Dia.RunOn("cuda", "[S1] Hello world.", "--greedy", "-o", In("cuda.wav"), "--codes", In("cuda")));
        Assert.Equal(File.ReadAllBytes(In("cpu")), File.ReadAllBytes(In("cuda")));
        short[] expected = Wav.Parse(File.ReadAllBytes(In("cpu.wav"))).Samples, samples = Wav.Parse(File.ReadAllBytes(In("cuda.wav"))).Samples;
        Assert.Equal(expected.Length, samples.Length);
        // The codec's weights are bfloat16: on tensor cores each product is off by at most 2^-17 of what it adds up, a quarter of a step of
        // 16 bits at full scale, over which rounding can fall to either side.
        for (int i = 0; i < samples.Length; i++)
            Assert.InRange(samples[i], expected[i] - 1, expected[i] + 1);
    }

    [Fact]
    public void Lines_that_share_steps_draw_the_processors_ids()
    {
        // Four lines in two places: sequences end and come while others are some rows ahead of the host.
        File.WriteAllLines(In("lines"), ["[S1] Yes.", "[S2] No, thank you.", "[S1] Hi.", "[S1] Maybe so."]);
        foreach (string device in new[] { "cpu", "cuda" })
        {
            Directory.CreateDirectory(In(device));
            Succeeds(Dia.RunOn(device, "--exact", "--lines", "-f", In("lines"), "--batch", "2", "--seed", "4", "--codes", In(device)));
        }

        for (int line = 1; line <= 4; line++)
            Assert.Equal(File.ReadAllBytes(In($"cpu/{line}.safetensors")), File.ReadAllBytes(In($"cuda/{line}.safetensors")));
    }

    [Fact]
    public void A_step_is_one_launch_of_a_graph()
    {
        (long kernels, long graphs) few = Launches(20), many = Launches(30);

        // Ten rows more (of some forty before it ends by itself) are ten graphs more, give or take the steps that are under way when the sequence ends, and no
        // kernel more.
        Assert.Equal(few.kernels, many.kernels);
        Assert.InRange(many.graphs - few.graphs, 6, 14);
    }

    private (long Kernels, long Graphs) Launches(int rows)
    {
        string[] args = ["[S1] Hi.", "--model", Fixtures.Path("generate/model"), "--greedy", "--max-tokens", rows.ToString(CultureInfo.InvariantCulture),
            "--device", "cuda", "--codes", In("c")];
        Outcome outcome = Succeeds(Executable.WithFixtures.RunOnGpu(args, ("DIA_SOFTGPU_STATS", "1")));
        Match calls = Calls().Match(outcome.Error);
        Assert.True(calls.Success, outcome.Error);
        return (long.Parse(calls.Groups[1].ValueSpan, CultureInfo.InvariantCulture), long.Parse(calls.Groups[2].ValueSpan, CultureInfo.InvariantCulture));
    }

    [GeneratedRegex("([0-9]+) cuLaunchKernel, .*?([0-9]+) cuGraphLaunch")]
    private static partial Regex Calls();
}
