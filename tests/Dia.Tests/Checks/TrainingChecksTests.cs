using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Dia.Backends;
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
        List<KernelCheck> checks = Run<ScalarBackend>(default, unaligned: false, []);
        Assert.True(checks.Count > 300);
        Assert.All(checks, check => Assert.Equal(0, check.Error));
    }

    [Fact]
    public void The_processor_agrees_with_the_scalar_backend_and_its_threads_and_alignment_change_no_bit()
    {
        List<string> expected = [];
        foreach ((int threads, bool unaligned) in new[] { (1, false), (2, true), (5, false) })
        {
            using var backend = new CpuBackend(threads);
            List<string> made = [];
            List<KernelCheck> checks = Run(backend, unaligned, made);
            Assert.All(checks, check => Assert.True(check.Passed, check.ToString()));
            if (expected.Count == 0)
                expected = made;
            Assert.Equal(expected, made);
        }
    }

    private static List<KernelCheck> Run<TBackend>(TBackend backend, bool unaligned, List<string> made)
        where TBackend : struct, ITrainingBackend
    {
        List<KernelCheck> all = [];
        var checks = new KernelChecks<TBackend>(backend, all.Add)
        {
            IsUnaligned = unaligned,
            Made = values => made.Add(Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(values)))),
        };
        new TrainingChecks<TBackend>(backend, checks).RunOdd();
        return all;
    }
}
