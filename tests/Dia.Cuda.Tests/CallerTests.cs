using Xunit;

namespace Dia.Cuda.Tests;

/// <summary>
/// The GPU against its caller: <see cref="CallerChecks"/> on the software GPU, which reports what is never freed and what is used after it was.
/// </summary>
public class CallerTests
{
    private static readonly string Folder = $"\"{Fixtures.Path("generate/model")}\"";

    // The calls of a round, so that the rounds fail at all kinds of places, and some do not. The device itself takes pinned memory four times.
    [Theory]
    [InlineData("cuMemAlloc_v2", 110, 97, 2)]
    [InlineData("cuMemcpyHtoDAsync_v2", 90, 81, 1)]
    [InlineData("cuMemsetD32Async", 40, 32, 1)]
    [InlineData("cuLaunchKernel", 400, 366, 701)]
    [InlineData("cuEventCreate", 9, 5, 999)]
    [InlineData("cuMemHostAlloc", 6, 2, 2)]
    [InlineData("cuGraphInstantiateWithFlags", 2, 2, 999)]
    public void A_failed_call_leaves_no_memory_behind(string function, int first, int span, int status)
    {
        var failures = new List<string>();
        for (int i = 0, call = first; i < 60; i++)
        {
            failures.Add($"{function}:{call}={status}");
            call += 1 + 37 * (i + 1) % span;
        }

        Passes($"leaks {Folder} 16 3", 2, $"DIA_SOFTGPU_FAIL={string.Join(',', failures)}", "DIA_SOFTGPU_LEAKS=1");
    }

    [Fact]
    public void Disposing_is_right_in_any_order() => Passes($"lifetimes {Folder}", 18, "DIA_SOFTGPU_LEAKS=1");

    [Fact]
    public void Threads_and_gpus_take_turns() => Passes($"threads {Folder}", 4, "DIA_SOFTGPU_MEMORY=1000000000,1000000000", "DIA_SOFTGPU_LEAKS=1");

    [Fact]
    public void Ids_are_picked_on_the_gpu_unless_a_control_needs_the_scores() => Passes($"picking {Folder}", 8, "DIA_SOFTGPU_LEAKS=1");

    private static void Passes(string arguments, int least, params string[] settings)
    {
        (int exitCode, string[] lines) = GpuProcess.Run(arguments, settings);
        Assert.All(lines, line => Assert.StartsWith("PASS\t", line, StringComparison.Ordinal));
        Assert.True(lines.Length >= least, $"only {lines.Length} checks");
        Assert.Equal(0, exitCode);
    }
}
