using System.Diagnostics;
using Xunit;

namespace Dia.Cuda.Tests;

/// <summary>Every kernel on the software GPU, which reports whatever a kernel must not do as a failed launch.</summary>
public class KernelTests
{
    // Orders of blocks and warps, and a driver with and one without cuBLAS.
    [Theory]
    [InlineData("DIA_SOFTGPU_SEED=1", "DIA_SOFTGPU_DRIVER=11040")]
    [InlineData("DIA_SOFTGPU_SEED=2", "DIA_SOFTGPU_DRIVER=12000")]
    public void Operations_agree_with_the_scalar_backend(string seed, string driver) => AllPass("kernels", 1500, seed, driver, "DIA_SOFTGPU_LEAKS=1");

    [Fact]
    public void Operations_agree_at_every_small_width() => AllPass("thorough", 2500, "DIA_SOFTGPU_SEED=4", "DIA_SOFTGPU_DRIVER=12000", "DIA_SOFTGPU_LEAKS=1");

    [Fact]
    public void The_demo_models_shapes_agree_with_the_scalar_backend() => AllPass("model dia-demo", 150, "DIA_SOFTGPU_SEED=3");

    [Theory]
    [InlineData("DIA_SOFTGPU_SEED=1")]
    [InlineData("DIA_SOFTGPU_SEED=2")]
    public void The_sampler_picks_the_hosts_ids(string seed) => AllPass("sampler", 19, seed, "DIA_SOFTGPU_LEAKS=1");

    [Fact]
    public void Models_of_integers_give_the_references_numbers() => AllPass("integers", 18, "DIA_SOFTGPU_SEED=5", "DIA_SOFTGPU_LEAKS=1");

    [Fact]
    public void A_steps_launches_allocate_nothing() => AllPass($"allocations \"{Fixtures.Path("generate/model")}\"", 2);

    // With and without cuBLAS, which has memory of its own in the plan.
    [Theory]
    [InlineData("generate/model", "DIA_SOFTGPU_DRIVER=11040")]
    [InlineData("generate/model", "DIA_SOFTGPU_DRIVER=12000")]
    [InlineData("quantized/int4-bf16", "DIA_SOFTGPU_DRIVER=12000")]
    [InlineData("quantized/int8-f16", "DIA_SOFTGPU_DRIVER=11040")]
    public void The_plan_is_what_a_longest_utterance_takes(string model, string driver) =>
        AllPass($"plan \"{Fixtures.Path(model)}\"", 3, driver, "DIA_SOFTGPU_LEAKS=1");

    /// <summary>The committed module, and the processor's routine, are what the sources give, wherever the compiler is installed.</summary>
    [Theory]
    [InlineData("Cuda/Kernels")]
    [InlineData("Cpu/Native")]
    public void The_module_is_what_the_sources_give(string folder)
    {
        if (!HasCompiler())
            return;
        using Process build = Process.Start(Repository.At($"src/Dia/Backends/{folder}/build"), "--check");
        build.WaitForExit();
        Assert.Equal(0, build.ExitCode);
    }

    /// <summary>The committed table of estimates is what its script gives, wherever Python is installed.</summary>
    [Fact]
    public void The_estimates_are_what_the_script_gives()
    {
        if (!IsInstalled("python3"))
            return;
        string script = Repository.At("tests/gpu/estimates.py");
        using Process python = Process.Start(new ProcessStartInfo("python3", script) { RedirectStandardOutput = true })!;
        Assert.Equal(File.ReadAllText(Path.ChangeExtension(script, ".tsv")), python.StandardOutput.ReadToEnd());
    }

    /// <summary>A few of the faults that the checks must find; tests/gpu/mutations has all.</summary>
    [Theory]
    [InlineData("float32 tile: the last step along k")]
    [InlineData("decode attention: barrier before the softmax")]
    [InlineData("advance: progress is reported before the row")]
    [InlineData("step: the barrier of a chunk in a loop that is not the warp's")]
    [InlineData("integers: scales of 16 bits are all the first of their word")]
    public void A_fault_is_found(string name)
    {
        if (!HasCompiler())
            return;
        (bool caught, string says) = Mutation.ReadList().Single(m => m.Name == name).Run();
        Assert.True(caught, says);
    }

    /// <summary>Whether clang-19 is there. What needs it does nothing without, but must be there where DIA_NEEDS_CLANG is set.</summary>
    internal static bool HasCompiler()
    {
        bool there = IsInstalled("clang-19");
        Assert.True(there || Environment.GetEnvironmentVariable("DIA_NEEDS_CLANG") is null, "clang-19 is missing: apt-get install clang-19");
        return there;
    }

    private static bool IsInstalled(string program) =>
        Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    private static void AllPass(string arguments, int least, params string[] settings)
    {
        (int exitCode, string[] lines) = GpuProcess.Run(arguments, settings);
        Assert.All(lines, line => Assert.StartsWith("PASS\t", line, StringComparison.Ordinal));
        Assert.True(lines.Length >= least, $"only {lines.Length} checks");
        Assert.Equal(0, exitCode);
    }
}
