using System.Globalization;
using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Choosing a device, and what a device that is not there or fails is told as.</summary>
public sealed class DeviceTests : TestFolder
{
    private static readonly string[] Speak = ["[S1] Hi.", "--max-tokens", "24", "--seed", "3"];

    [Fact]
    public void A_rows_codes_on_the_GPU_are_those_of_the_processor()
    {
        // Greedy: equal but for scores closer than rounding, which this text has none of.
        string[] greedy = ["[S1] Hello world.", "--max-tokens", "40", "--greedy"];
        Succeeds(Dia.Run([.. greedy, "--device", "cpu", "--codes", In("cpu")]));
        Assert.Contains("cuda, Software GPU", Succeeds(Dia.RunOnGpu([.. greedy, "--device", "cuda", "--codes", In("cuda"), "-v"])).Error,
            StringComparison.Ordinal);
        Assert.Equal(TensorFile.Open(In("cpu")).Ints("rows"), TensorFile.Open(In("cuda")).Ints("rows"));
    }

    [Fact]
    public void Auto_takes_the_processor_without_a_word_where_there_is_no_driver()
    {
        string said = Succeeds(Dia.Run([.. Speak, "--codes", In("a"), "-v"])).Error;
        Assert.Contains("on cpu,", said, StringComparison.Ordinal);
        Assert.DoesNotContain("GPU", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_takes_a_GPU_that_the_plan_fits_and_says_why_it_does_not_take_another()
    {
        string said = Succeeds(Dia.RunOnGpu([.. Speak, "--codes", In("a"), "-v"])).Error;
        Assert.Contains("on cuda, Software GPU", said, StringComparison.Ordinal);
        Assert.DoesNotContain("note", said, StringComparison.Ordinal);

        foreach ((string name, string value, string says) in new[] { ("DIA_SOFTGPU_MEMORY", "20000000", "memory"), ("DIA_SOFTGPU_DRIVER", "11000", "11.4"),
            ("DIA_SOFTGPU_SM", "75", "7.5"), ("DIA_SOFTGPU_FAIL", "cuInit:1=100", "NVIDIA GPU") })
        {
            said = Succeeds(Dia.RunOnGpu([.. Speak, "--codes", In("b"), "-v"], (name, value))).Error;
            Assert.Contains("on cpu,", said, StringComparison.Ordinal);
            string note = Assert.Single(said.Split('\n'), l => l.StartsWith("dia: note: running on the processor.", StringComparison.Ordinal));
            Assert.Contains(says, note, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("note", Succeeds(Dia.RunOnGpu([.. Speak, "--codes", In("c"), "-q"], ("DIA_SOFTGPU_MEMORY", "20000000"))).Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_takes_the_first_GPU_that_fits_and_names_those_it_passes_over()
    {
        string said = Succeeds(Dia.RunOnGpu([.. Speak, "--codes", In("a"), "-v"], ("DIA_SOFTGPU_MEMORY", "20000000,1000000000,1000000000"))).Error;
        Assert.Contains("on cuda, Software GPU 1,", said, StringComparison.Ordinal);
        string note = Assert.Single(said.Split('\n'), l => l.StartsWith("dia: note: running on cuda, Software GPU 1 (cuda:1). ", StringComparison.Ordinal));
        Assert.Contains("cuda:0: The GPU Software GPU has too little memory", note, StringComparison.Ordinal);

        said = Succeeds(Dia.RunOnGpu([.. Speak, "--codes", In("b"), "-v"], ("DIA_SOFTGPU_MEMORY", "20000000,10000000"))).Error;
        note = Assert.Single(said.Split('\n'), l => l.StartsWith("dia: note: running on the processor. ", StringComparison.Ordinal));
        Assert.Contains("cuda:0: The GPU Software GPU has", note, StringComparison.Ordinal);
        Assert.Contains("cuda:1: The GPU Software GPU 1 has", note, StringComparison.Ordinal);
        Assert.Contains("on cuda, Software GPU 1,", Succeeds(Dia.RunOnGpu([.. Speak, "--codes", In("c"), "--device", "cuda:1", "-v"],
            ("DIA_SOFTGPU_MEMORY", "20000000,1000000000"))).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_is_not_there_is_an_error_that_says_what_to_do()
    {
        Fails(5, Dia.Run([.. Speak, "--device", "cuda", "-o", In("a.wav")]), "libcuda.so.1", "--device cpu");
        Fails(5, Dia.RunOnGpu([.. Speak, "--device", "cuda:7", "-o", In("a.wav")]), "GPU 7", "the driver has 1", "--device cpu");
        Fails(5, Dia.RunOnGpu([.. Speak, "--device", "cuda", "-o", In("a.wav")], ("DIA_SOFTGPU_DRIVER", "11000")), "11.4", "Update the driver");
        Fails(5, Dia.RunOnGpu([.. Speak, "--device", "cuda", "-o", In("a.wav")], ("DIA_SOFTGPU_SM", "75")), "7.5", "8.0");
        Fails(2, Dia.Run([.. Speak, "--device", "cuda:x", "-o", In("a.wav")]), "cuda:N");
        Assert.Empty(Names());
    }

    [Fact]
    public void Too_little_memory_is_said_with_the_figures_before_weights_are_uploaded()
    {
        // The first copy to the device would fail: it is not reached.
        (string, string)[] little = [("DIA_SOFTGPU_MEMORY", "20000000"), ("DIA_SOFTGPU_FAIL", "cuMemcpyHtoDAsync_v2:1=719")];
        Fails(5, Dia.RunOnGpu([.. Speak, "--device", "cuda", "-o", In("a.wav")], little), "too little memory", "model weights", "MiB are free", "--device cpu");
        Fails(5, Dia.RunOnGpu(["selftest", "--device", "cuda"], little), "too little memory");
        Assert.Empty(Names());
    }

    [Theory]
    [InlineData("cuLaunchKernel:40=719", "could not")]
    [InlineData("cuLaunchKernel:400=700", "could not")]
    [InlineData("cuMemAlloc_v2:1=2", "weights, caches and activations")]
    [InlineData("cuEventCreate:7=2", "could not give events")]
    [InlineData("cuGraphLaunch:3=719", "could not start a decoding step: cuGraphLaunch failed")]
    [InlineData("cuEventQuery:2=719", "could not do a decoding step: cuEventQuery failed")]
    [InlineData("cuModuleLoadDataEx:1=218", "could not start")]
    public void A_failure_in_the_middle_leaves_no_half_file(string failure, string says)
    {
        Fails(5, Dia.RunOnGpu([.. Speak, "--device", "cuda", "-o", In("a.wav"), "-q"], ("DIA_SOFTGPU_FAIL", failure)), "GPU", says, "--device cpu");
        Assert.Empty(Names());
    }

    [Theory]
    [InlineData("info", "cublasGetVersion_v2:1=13", "could not start")]
    [InlineData("bench", "cuEventCreate:5=2", "could not give events")]
    [InlineData("bench", "cuMemGetInfo_v2:2=999", "could not say how much memory is free")]
    public void A_failing_call_of_a_command_is_an_error_of_the_device(string command, string failure, string says) =>
        Fails(5, Dia.RunOnGpu([command, "--device", "cuda"], ("DIA_SOFTGPU_FAIL", failure), ("DIA_SOFTGPU_DRIVER", "12000")), "GPU", says, "--device cpu");

    [Fact]
    public void Any_function_of_the_driver_and_any_allocation_may_fail()
    {
        // A small model, the first call of each function, each allocation: other calls are tests/gpu/long.
        string[] args = ["[S1] Hi.", "--model", Fixtures.Path("generate/model"), "--greedy", "--max-tokens", "20", "--device", "cuda", "-q"];
        Outcome good = Succeeds(Executable.WithFixtures.RunOnGpu([.. args, "--codes", In("good")], ("DIA_SOFTGPU_STATS", "1")));
        List<(string Name, string Value)> failures =
            [.. Regex.Matches(good.Error, "[0-9]+ (cu[A-Za-z0-9_]+)").Select(m => ("DIA_SOFTGPU_FAIL", m.Groups[1].Value + ":1=999"))];
        Assert.InRange(failures.Count, 35, 60);
        int allocations = int.Parse(Regex.Match(good.Error, "([0-9]+) allocations").Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture);
        failures.AddRange(Enumerable.Range(1, allocations).Select(n => ("DIA_SOFTGPU_OOM", $"{n}")));
        Parallel.ForEach(failures, new ParallelOptions { MaxDegreeOfParallelism = 2 }, failure =>
        {
            string codes = In("codes" + failure.Value.Split(':')[0]);
            Outcome outcome = Executable.WithFixtures.RunOnGpu([.. args, "--codes", codes], failure);
            if (outcome.ExitCode == 0)
            {
                // What only gives back, and a cuBLAS that does not start.
                Assert.Matches("Free|Destroy|PushCurrent|PopCurrent|StreamSynchronize|cublas", failure.Value);
                Assert.Equal(File.ReadAllBytes(In("good")), File.ReadAllBytes(codes));
                return;
            }

            Fails(5, outcome, "--device cpu");
            Assert.False(File.Exists(codes), failure.Value);
        });
    }

    [Fact]
    public void A_first_start_says_why_it_takes_long()
    {
        (string, string) slow = ("DIA_SOFTGPU_ASSEMBLY", "2500");
        Assert.Single(
            Regex.Matches(Succeeds(Dia.RunOnGpu(["info", "--device", "cuda"], slow)).Error, "dia: note: the driver assembles the kernels for this GPU"));
        Assert.Single(Regex.Matches(Succeeds(Dia.RunOnGpu([.. Speak, "--device", "cuda", "-o", In("a.wav")], slow)).Error, "assembles the kernels"));
        Assert.DoesNotContain("assembles", Succeeds(Dia.RunOnGpu([.. Speak, "--device", "cuda", "-q", "-o", In("a.wav")], slow)).Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Bench_on_a_GPU_counts_launches()
    {
        string text = Succeeds(Executable.WithFixtures.RunOnGpu(["bench", "--device", "cuda", "--model", Fixtures.Path("generate/model")])).Text;
        foreach (string part in new[] { "launches", "us each", "sample_rows, advance", "rope_table", "attention over the text", "a step, guided",
            "measured copy bandwidth" })
            Assert.Contains(part, text, StringComparison.Ordinal);
    }

    [Fact]
    public void Info_shows_the_device_and_the_plan()
    {
        string text = Succeeds(Dia.RunOnGpu(["info", "--device", "cuda"])).Text;
        foreach (string part in new[] { "device: cuda, Software GPU", "compute capability 8.0", "CUDA 11.4", "free", "memory plan of dia-1.6b",
            "model weights", "self caches", "1 x 2 x 3087 rows of float32", "sampler", "activations, codes", "working memory" })
            Assert.Contains(part, text, StringComparison.Ordinal);
        text = Succeeds(Dia.Run("info", "--device", "cpu", "--threads", "1", "--weights", "copy")).Text;
        foreach (string part in new[] { "device: cpu, 1 thread\n", "threads: ", ", one for each", "model weights, copied", "beside the mapped file", "memory plan of dia-demo",
            "1 x 2 x 3087 rows of float16" })
            Assert.Contains(part, text, StringComparison.Ordinal);
        Assert.Contains("cuda:0 (Software GPU)", Dia.RunOnGpu(["info"]).Text, StringComparison.Ordinal);
        Fails(5, Dia.Run("info", "--device", "cuda"), "libcuda.so.1");
    }

    [Fact]
    public void The_plan_is_what_a_run_allocates()
    {
        Match plan = Regex.Match(Succeeds(Dia.RunOnGpu(["info", "--device", "cuda"])).Text, @"dia!: ([0-9.]+) MiB at most");
        long bytes = (long)(double.Parse(plan.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) * (1 << 20));

        // In one piece: a second allocation would fail. The figure is printed to a tenth of a MiB.
        Succeeds(Dia.RunOnGpu([.. Speak, "--device", "cuda", "-o", In("a.wav"), "--codes", In("a")], ("DIA_SOFTGPU_MEMORY", $"{bytes + 100_000}"),
            ("DIA_SOFTGPU_FAIL", "cuMemAlloc_v2:2=2")));
        Fails(5, Dia.RunOnGpu([.. Speak, "--device", "cuda", "-o", In("b.wav")], ("DIA_SOFTGPU_MEMORY", $"{bytes - 100_000}")), "too little memory");
        File.WriteAllLines(In("lines"), ["[S1] Hi.", "[S1] Yes."]);
        Succeeds(Dia.RunOnGpu(["--lines", "-f", In("lines"), "--seed", "3", "--batch", "2", "--max-tokens", "24", "--device", "cuda", "-o", In("{n}.wav")],
            ("DIA_SOFTGPU_FAIL", "cuMemAlloc_v2:2=2")));
        Succeeds(Dia.RunOnGpu(["decode", In("a"), "-o", In("c.wav"), "--device", "cuda"], ("DIA_SOFTGPU_FAIL", "cuMemAlloc_v2:2=2")));
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData(SoftGpu.Avx2)]
    [InlineData("scalar")]
    public void Selftest_passes_and_shows_a_table(string device)
    {
        string text = Succeeds(Dia.RunOn(device, "selftest", "--small")).Text;
        foreach (string part in new[] { "what ", "tolerance", "step_linear BFloat16", "attention", "convolution", "nearest_code", "dia-demo: encoder",
            "logits of steps", "greedy rows", "codec: decoded samples", "linear_weight_gradient", "adamw weights", "0 failed" })
            Assert.Contains(part, text, StringComparison.Ordinal);
        Assert.DoesNotContain("FAIL", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Selftest_passes_at_the_compiled_shapes() =>
        Assert.Contains("block_linear BFloat16",
            Succeeds(Dia.Run("selftest", "--device", "cpu")).Text.Split('\n').First(l => l.Contains("[67, 16384, 2048], 24 outputs of it",
            StringComparison.Ordinal) && l.Contains("block_linear BFloat16", StringComparison.Ordinal)), StringComparison.Ordinal);

    [Fact]
    public void Selftest_passes_on_the_software_GPU() =>
        Assert.Matches("(?s)sampler: e\\^x.*; it cannot train: gradients were not checked", Succeeds(Dia.RunOnGpu(["selftest", "--small", "--device", "cuda"])).Text);

    [Fact]
    public void Selftest_of_a_failing_device_is_an_error() =>
        Fails(5, Dia.RunOnGpu(["selftest", "--small", "--device", "cuda"], ("DIA_SOFTGPU_FAIL", "cuLaunchKernel:100=719")), "GPU");

    [Fact]
    public void Bench_shows_ratios()
    {
        string text = Succeeds(Dia.Run("bench", "--device", "cpu", "--threads", "1")).Text;
        foreach (string part in new[] { "of bandwidth", "step_linear BFloat16", "attention over the rows", "block_linear", "transposed_convolution",
            "measured read bandwidth", "a step at row 100, guided", "matrices", "the rest", "of which sampling", "growth of a step from row 100 to",
            "a step of 8 utterances at row 100, guided", "8 utterances at once", "times the frames of one",
            "steps a second", "times real time", "first audio", "loading" })
            Assert.Contains(part, text, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Bench_of_training_shows_ratios_and_takes_the_memory_that_info_plans()
    {
        string[] size = ["--rows", "64", "--characters", "40", "--batch", "2"];
        string text = Succeeds(Dia.Run(["bench", "--train", .. size])).Text;
        foreach (string part in new[] { "cpu, ", "dia-demo; all weights: 7.5 million values", "2 x 64 rows, 40 characters", " of the multiply-adds\n", " of copying\n" })
            Assert.Contains(part, text, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", text, StringComparison.Ordinal);
        Match memory = Regex.Match(text, @"memory +(\d+\.\d) MiB planned, (\d+\.\d) MiB resident");
        double[] sizes = [.. memory.Groups.Values.Skip(1).Select(g => double.Parse(g.Value, CultureInfo.InvariantCulture))];
        Assert.InRange(sizes[0] / sizes[1], 0.95, 1.05);

        string plan = Succeeds(Dia.Run(["info", "--train", .. size])).Text;
        Assert.Contains(memory.Groups[1].Value + " MiB\n", plan, StringComparison.Ordinal);
        Assert.Matches(@"dia-1\.6b with bfloat16 weights: 2\d\.\d\d GiB\n", plan); // 16 bytes for each of 1.6 billion weights
        Assert.Matches(@"dia-1\.6b with bfloat16 weights: [34]\.\d\d GiB\n", Succeeds(Dia.Run(["info", "--train", "--lora", "16", .. size])).Text);
    }

    [Fact]
    public void Sizes_of_training_go_with_training_which_a_GPU_cannot_do()
    {
        Fails(2, Dia.Run("info", "--rows", "64"), "--rows is of training: it goes with --train");
        Fails(2, Dia.Run("bench", "--config", "dia-demo"), "--config is of training: it goes with --train");
        Fails(2, Dia.Run("bench", "--train", "--config", "none"), "--config is 'none'; it must be one of");
        foreach (string command in new[] { "info", "bench" })
            Fails(5, Dia.RunOnGpu([command, "--train", "--device", "cuda"]), "cannot train");
    }
}
