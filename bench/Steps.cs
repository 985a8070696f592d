using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Checks;
using Dia.Compiled;
using Dia.FullSize;
using Dia.Generation;
using Dia.Networks;

namespace Dia.Bench;

/// <summary>Training steps at the shapes of Dia 1.6B, two layers of each kind.</summary>
internal static class Steps
{
    private const int Passes = 9;

    public static void Run(int threads, Report report)
    {
        CompiledModel compiled = CompiledModels.All.OfType<CompiledModel>().Single(m => m.Name == "dia-1.6b-2-layers");
        using var device = new CpuDevice(threads);
        using var model = new DiaForConditionalGeneration(compiled.Config, CompiledModels.All, device);
        using var bench = new TrainingBenchmark(device, model, new TrainingSize(1, 256, 170));
        _ = bench.Step(measure: false);
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

        passes.Sort();
        processor.Sort();
        optimizer.Sort();
        report.AtLeast("training: forward and backward, of the multiply-add rate", 100 * passes[Passes / 2], 65, "%");
        Report.Note("    by processor time, of the best rate", $"{100 * processor[Passes / 2] / bestRate:g4}%");
        report.AtLeast("training: optimizer's step, of the speed of a copy", 100 * optimizer[Passes / 2], 70, "%");
    }
}
