using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Checks;
using Dia.Compiled;
using Dia.Graph;
using Dia.IO;
using Dia.Networks;
using Dia.Weights;
using Xunit;
using Xunit.Abstractions;

namespace Dia.Tests.Backends;

/// <summary>
/// How the work of a decoding step at the shapes of Dia 1.6B is shared by many threads. This machine need not have as many: it is counted, not timed.
/// </summary>
public sealed unsafe class StepSharesTests(ITestOutputHelper output)
{
    private const int Keys = 1000;

    // Float32 values that one thread may read and write alone: 16 to 20 microseconds at 3 or 4 of them a nanosecond, what an exchange with 16 threads
    // costs a few times over.
    private const long MostAlone = 65536;

    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    public void No_operation_of_a_step_waits_for_one_thread(int threads)
    {
        CompiledModel model = CompiledModels.All.OfType<CompiledModel>().Single(m => m.Name == "dia-1.6b-2-layers");
        OperationInfo[] step = [.. model.Operations().Where(o => o.Function is Function.Decode or Function.Logits
            && o.Kind is not (OperationKind.Store or OperationKind.Observe))];
        using CpuBackend cpu = new(threads);
        long alone = 0, forks = 0, heavy = 0;
        foreach (OperationInfo o in step)
        {
            (long shared, long parts) = Run(cpu, model, o);
            long values = Values(o);
            string name = $"{o.Stage}: {o.Kind} [{o.N}, {o.K}] on {threads} threads: {values} values, {shared} times shared, {parts} parts";
            Assert.True(shared <= 1, name);
            if (parts < Expected(o, threads))
                Assert.True(values <= MostAlone, name);
            (alone, forks) = (alone + (shared == 0 ? values : 0), forks + shared);
            heavy += o.Kind is OperationKind.Linear or OperationKind.Attention ? 1 : 0;
            output.WriteLine(name);
        }

        // Whoever shares more, or less, sees here what it comes to: each time threads wait for each other.
        output.WriteLine($"{forks} times shared, {alone} values alone, of {step.Length} operations");
        Assert.InRange(forks, 1, heavy);
    }

    /// <summary>As many parts as threads, where attention has as many streams and heads: a head's keys are summed in one order.</summary>
    private static int Expected(OperationInfo o, int threads) => o.Kind == OperationKind.Attention ? Math.Min(threads, Rows(o) * o.KeyHeads) : threads;

    private static int Rows(OperationInfo o) => o.Rows == Graph.Rows.All ? 2 : 1;

    private static long Values(OperationInfo o) => Rows(o) * (o.Values + (o.Kind == OperationKind.Attention ? Keys * o.ValuesOfKey : 0) + o.TableValues);

    private static (long Shared, long Parts) Run(in CpuBackend cpu, CompiledModel model, OperationInfo o)
    {
        List<nint> memory = [];
        int rows = Rows(o), width = Math.Max(1, o.KeyHeads * o.HeadDim);
        AttentionItem* items = stackalloc AttentionItem[rows];
        for (int i = 0; i < rows; i++)
            items[i] = new AttentionItem { FirstRow = i, Rows = 1, Keys = Floats((Keys + 1) * width), Values = Floats((Keys + 1) * width), KeyCount = Keys,
                CausalStart = Keys - 1 };
        WeightSpec? spec = o.Weight < 0 ? null : model.Weights()[o.Weight];
        Weight weight = spec is null ? default : cpu.Prepare(spec, new StoredWeight { Data = Floats(spec.Count), Format = WeightFormat.BFloat16 });
        long forks = cpu.Forks, parts = cpu.Parts;
        OperationRunner.Run(cpu, o, new Operands
        {
            Y = Floats(rows * o.N), X = Floats(OperationRunner.InputValues(o, rows)), Ids = (int*)Floats(rows * Math.Max(1, o.Heads)),
            Cos = Floats(rows * Half(o)), Sin = Floats(rows * Half(o)), Frequencies = Floats(rows * Half(o)),
            Batch = new AttentionBatch(items, rows, 1, Keys), Weight = weight, Rows = rows, Phase = Phase.Decode,
        });
        (long Shared, long Parts) counted = (cpu.Forks - forks, cpu.Parts - parts);
        if (spec is not null)
            cpu.Release(spec, weight);
        memory.ForEach(m => HostMemory.Free((void*)m));
        return counted;

        float* Floats(long count)
        {
            float* floats = HostMemory.Allocate(Math.Max(1, count));
            memory.Add((nint)floats);
            return floats;
        }
    }

    private static int Half(OperationInfo o) => Math.Max(o.HeadDim / 2, o.Kind == OperationKind.RotaryTable ? o.N : 0);
}
