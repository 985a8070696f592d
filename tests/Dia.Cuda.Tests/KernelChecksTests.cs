using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Checks;
using Xunit;

namespace Dia.Cuda.Tests;

/// <summary>The list of checks that GPUs go through, on the processor: the list itself must be right.</summary>
public class KernelChecksTests
{
    [Fact]
    public void TheScalarBackendAgreesWithItself()
    {
        List<KernelCheck> checks = [];
        new KernelChecks<ScalarBackend>(default, checks.Add).RunOdd();
        Assert.True(checks.Count > 400);
        Assert.All(checks, check => Assert.Equal(0, check.Error));
    }

    [Fact]
    public void TheProcessorPasses()
    {
        List<KernelCheck> checks = [];
        using var backend = new CpuBackend(2);
        new KernelChecks<CpuBackend>(backend, checks.Add).RunOdd();
        Assert.All(checks, check => Assert.True(check.Passed, check.ToString()));
    }
}
