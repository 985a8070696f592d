using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Checks;
using Dia.Compiled;
using Dia.FullSize;
using Dia.Generation;
using Dia.IO;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Bench;

/// <summary>Training steps at the shapes of Dia 1.6B, two layers of each kind: their memory beside its plan, their speed beside the machine's.</summary>
internal sealed class Steps(Report report, int threads)
{
    private const int Passes = 9, Rank = 16;

    private static CompiledModel Compiled => CompiledModels.All.OfType<CompiledModel>().Single(m => m.Name == "dia-1.6b-2-layers");

    public void Run()
    {
        // The smaller one first: the high-water mark is the process's.
        Run("an adapter of rank 16", new TrainingSize(2, 512, 170, Rank), _ => { });
        Run("all weights", new TrainingSize(1, 256, 170), Speed);
    }

    private void Run(string what, TrainingSize size, Action<TrainingBenchmark> then)
    {
        using var device = new CpuDevice(threads);
        using var model = new DiaForConditionalGeneration(Compiled.Config, CompiledModels.All, device);
        using var bench = new TrainingBenchmark(device, model, size);
        _ = bench.Step(measure: false);
        double planned = MemoryPlan.OfTraining(device, Compiled, WeightFormat.Float32, size).Bytes, resident = MemoryLimits.MostResident;
        report.AtMost($"training: {what}, memory that the plan is off by", 100 * Math.Abs(planned / resident - 1), 5, "%");
        Report.Note("    planned, and resident", $"{planned / 1e9:f3}, {resident / 1e9:f3} GB");
        then(bench);
    }

    private void Speed(TrainingBenchmark bench)
    {
        List<double> passes = [], optimizer = [], processor = [];
        double bestRate = 0;
        for (int i = 0; i < Passes; i++)
        {
            TrainingTiming t = bench.Step();
            passes.Add(bench.Flops / (t.Forward + t.Backward) / t.Operations);
            bestRate = Math.Max(bestRate, t.Operations);
            processor.Add(bench.Flops / (t.Processor / threads));
            optimizer.Add(bench.Bytes / t.Optimizer / t.Bandwidth);
            Report.Note($"    forward {t.Forward:f3} s, backward {t.Backward:f3} s, optimizer {t.Optimizer:f3} s",
                $"{t.Operations / 1e9:f0} GFLOP/s, {t.Bandwidth / 1e9:f1} GB/s");
        }

        report.AtLeast("training: forward and backward, of the multiply-add rate", 100 * passes.Median(), 65, "%");
        Report.Note("    by processor time, of the best rate", $"{100 * processor.Median() / bestRate:g4}%");
        report.AtLeast("training: optimizer's step, of the speed of a copy", 100 * optimizer.Median(), 70, "%");
    }
}
