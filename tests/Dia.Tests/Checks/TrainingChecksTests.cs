using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Checks;
using Xunit;

namespace Dia.Tests.Checks;

/// <summary>The checks of gradients and of the optimizer's step, on the processor.</summary>
public sealed class TrainingChecksTests
{
    [Fact]
    public void The_scalar_backend_agrees_with_itself()
    {
        (List<KernelCheck> checks, _) = CheckRuns.Run<ScalarBackend>(default, checks => new TrainingChecks<ScalarBackend>(default, checks).RunOdd());
        Assert.True(checks.Count > 300);
        Assert.All(checks, check => Assert.Equal(0, check.Error));
    }

    [Fact]
    public void The_processor_agrees_with_the_scalar_backend_and_its_threads_and_alignment_change_no_bit() =>
        CheckRuns.OnProcessor(5, (backend, checks) => new TrainingChecks<CpuBackend>(backend, checks).RunOdd());
}
