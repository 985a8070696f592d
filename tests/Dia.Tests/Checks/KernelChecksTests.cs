using System.Runtime.InteropServices;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Checks;
using Dia.Graph;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Checks;

/// <summary>The checks of kernels that every device goes through, on the processor; tests/Dia.Cuda.Tests has them for the GPU.</summary>
public sealed unsafe class KernelChecksTests
{
    [Fact]
    public void The_scalar_backend_agrees_with_itself()
    {
        (List<KernelCheck> checks, _) = CheckRuns.Run<ScalarBackend>(default, checks => RunAll(default, checks));
        Assert.True(checks.Count > 1500);
        Assert.All(checks, check => Assert.Equal(0, check.Error));
    }

    // Threads share out what they do in other places; the bits are the same.
    [Fact]
    public void The_processor_agrees_with_the_scalar_backend_and_its_threads_and_alignment_change_no_bit()
    {
        List<KernelCheck> checks = CheckRuns.OnProcessor(3, RunAll);

        // It does round activations: a backend that does not is compared with plain loops that do not. To bfloat16 only where it can.
        Assert.DoesNotContain(checks, check => check.Name.StartsWith("step_linear", StringComparison.Ordinal)
            && check.Name.EndsWith("as without", StringComparison.Ordinal));
        Assert.Equal(CpuDevice.HasBFloat16Products, !checks.Exists(check => check.Name == "block_linear rounded BFloat16 as without"));

        // The same arithmetic on both sides, in another order of the loops.
        Assert.All(checks.Where(c => c.Name.StartsWith("rope_table", StringComparison.Ordinal)), check => Assert.Equal(0, check.Error));
    }

    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Float16)]
    public void Rows_of_a_prompt_are_alike_whatever_is_beside_them(WeightFormat format)
    {
        using CpuBackend cpu = new(2);
        using CheckMemory<CpuBackend> memory = new(cpu, 1);
        const int Rows = 211, N = 530, K = 1100;
        (_, Weight w) = memory.Weight(WeightRole.Linear, format, [N, K]);
        Mirrored<float> x = memory.Floats(Rows * K), all = memory.Floats(Rows * N);
        foreach (Phase phase in new[] { Phase.Prefill, Phase.Decode })
        {
            all.Values.CopyTo(new Span<float>(all.OnDevice, all.Count));
            cpu.Linear(all.OnDevice, x.OnDevice, w, Rows, N, K, phase, true);
            foreach ((int first, int count) in new[] { (0, 1), (17, 1), (210, 1), (5, 2), (9, 3), (3, 4), (4, 5), (8, 6), (1, 16), (100, 111) })
            {
                Mirrored<float> some = memory.Place<float>(all.Values.Slice(first * N, count * N));
                cpu.Linear(some.OnDevice, x.OnDevice + first * K, w, count, N, K, phase, true);
                var same = new Span<float>(all.OnDevice + first * N, count * N);
                Assert.True(MemoryMarshal.AsBytes<float>(memory.Download(some)).SequenceEqual(MemoryMarshal.AsBytes(same)));
            }
        }
    }

    [Fact]
    public void A_write_beside_an_operand_is_found()
    {
        foreach (int at in new[] { -1, 5 })
        {
            List<KernelCheck> checks = [];
            using (var memory = new CheckMemory<ScalarBackend>(default, 1, report: checks.Add))
                memory.Floats(5).OnDevice[at] = 1;
            Assert.False(Assert.Single(checks).Passed);
        }
    }

    [Fact]
    public void A_row_that_sees_no_key_attends_evenly_to_all()
    {
        using var memory = new CheckMemory<ScalarBackend>(default, 1);
        const int Keys = 7, HeadDim = 5, Rows = 3;
        byte[] mask = [0, 0, 1, 1, 0, 0, 0];
        Mirrored<float> keys = memory.Floats(Keys * HeadDim), values = memory.Floats(Keys * HeadDim), q = memory.Floats(Rows * HeadDim),
            y = memory.Floats(Rows * HeadDim), map = memory.Floats(Rows * Keys);
        AttentionItem item = new() { Rows = Rows, Keys = keys.OnHost, Values = values.OnHost, KeyCount = Keys, Mask = memory.Place<byte>(mask).OnHost };
        default(ScalarBackend).Attention(y.OnHost, q.OnHost, new AttentionBatch(&item, 1, Rows, Keys), 0, 1, 1, HeadDim, map.OnHost);
        for (int key = 0; key < Keys; key++)
        {
            Assert.Equal(1f / Keys, map.Values[key]);
            Assert.Equal(1f / Keys, map.Values[Keys + key]);
            Assert.Equal(key == 2 ? 1f : 0, map.Values[2 * Keys + key]);
        }

        for (int d = 0; d < HeadDim; d++)
            Assert.Equal(Enumerable.Range(0, Keys).Average(key => (double)values.Values[key * HeadDim + d]), y.Values[d], 1e-6);
    }

    private static void RunAll<TBackend>(TBackend backend, KernelChecks<TBackend> checks)
        where TBackend : struct, IBackend
    {
        checks.RunOdd();
        var thorough = new ThoroughChecks<TBackend>(backend, checks);
        thorough.Run();
        thorough.HiddenKeys(9, 8);
    }
}
