using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Checks;
using Xunit;

namespace Dia.Tests.Checks;

/// <summary>Runs checks of kernels, and looks at what the operations made.</summary>
internal static class CheckRuns
{
    /// <summary>Runs checks of a backend: they, and what each operation made, as hashes.</summary>
    public static (List<KernelCheck> Checks, List<string> Made) Run<TBackend>(TBackend backend, Action<KernelChecks<TBackend>> run, bool unaligned = false)
        where TBackend : struct, IBackend
    {
        List<KernelCheck> all = [];
        List<string> made = [];
        run(new KernelChecks<TBackend>(backend, all.Add)
        {
            IsUnaligned = unaligned,
            Made = values => made.Add(Hash(values)),
        });
        return (all, made);
    }

    // The sum of two NaNs has the sign of either, as the compiler orders them; and the test's compiler compiles a method again once it ran often.
    private static string Hash(ReadOnlySpan<float> values)
    {
        float[] copy = values.ToArray();
        foreach (ref float value in copy.AsSpan())
            value = float.IsNaN(value) ? float.NaN : value;
        return Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes<float>(copy)));
    }

    /// <summary>Runs checks on one thread, on two with operands that are not aligned, and on <paramref name="threads"/>: all pass, and no bit differs.</summary>
    /// <returns>All of them.</returns>
    public static List<KernelCheck> OnProcessor(int threads, Action<CpuBackend, KernelChecks<CpuBackend>> run)
    {
        List<KernelCheck> all = [];
        List<string> expected = [];
        foreach ((int count, bool unaligned) in new[] { (1, false), (2, true), (threads, false) })
        {
            using var backend = new CpuBackend(count, null, roundsPrompts: true); // wherever that can be
            (List<KernelCheck> checks, List<string> made) = Run(backend, c => run(backend, c), unaligned);
            Assert.All(checks, check => Assert.True(check.Passed, check.ToString()));
            if (expected.Count == 0)
                expected = made;
            Assert.Equal(expected, made);
            all.AddRange(checks);
        }

        return all;
    }
}
