using Dia.Checks;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>Training steps, beside what the device can do at most in the same second.</summary>
internal static class BenchTraining
{
    private const int Steps = 5;

    // Seconds of steps that are enough, however few they were.
    private const double Patience = 60;

    /// <summary>Measures, and prints.</summary>
    /// <exception cref="DiaException">Device: no memory, or it cannot train. Model: there is none, or it does not load. Usage: an unknown name.</exception>
    public static void Run(Invocation run, TrainingSize size)
    {
        using var files = new Checkpoints(run);
        string? name = run.Line.Get(TrainingSizeOptions.Config);
        if (name is not null && run.Line.IsTyped(DiaOptions.Model))
            throw CommandLine.Usage($"{TrainingSizeOptions.Config.Name} measures random weights, {DiaOptions.Model.Name} a model's: give one of them.");
        CompiledModel? random = name is null ? null : Checkpoints.CompiledModel(TrainingSizeOptions.Config, name);
        using Device device = DeviceChoice.ForTraining(run, files);
        MemoryPlan plan = random is null ? MemoryPlan.OfTraining(device, files.Model, size) : MemoryPlan.OfTraining(device, random, WeightFormat.Float32, size);
        run.Reporter.Progress("weights");
        using DiaForConditionalGeneration model = random is null ? files.LoadModel(device)
            : new DiaForConditionalGeneration(random.Config, CompiledModels.All, device);
        using var bench = new TrainingBenchmark(device, model, size);
        run.Reporter.Progress("a step that is not measured");
        _ = bench.Step(measure: false);
        // What measuring takes is not in it.
        long resident = MemoryLimits.MostResident;
        List<TrainingTiming> timings = [];
        for (var clock = Stopwatch.StartNew(); timings.Count < Steps && (timings.Count == 0 || clock.Elapsed.TotalSeconds < Patience);)
        {
            run.Interruption.Token.ThrowIfCancellationRequested();
            run.Reporter.Progress(Format.Text($"step {timings.Count + 1} of {Steps}"));
            timings.Add(bench.Step());
        }

        run.Reporter.ClearProgress();
        Print(device, model, size, bench, timings, plan, resident);
    }

    private static void Print(Device device, DiaForConditionalGeneration model, TrainingSize size, TrainingBenchmark bench, List<TrainingTiming> timings,
        MemoryPlan plan, long resident)
    {
        var table = new TextTable(false, false);
        table.Add("device", device.Description);
        table.Add("model", Format.Text($"{model.CompiledName}; {InfoTraining.What(size)}: {bench.Parameters / 1e6:0.0} million values are trained"));
        table.Add("a step", Format.Text($"{size.Batch} x {size.Rows} rows, {size.Characters} characters; the median of {timings.Count}"));
        table.Add("measured multiply-adds in registers", Format.Text($"{Median(timings, t => t.Operations) / 1e9:0} GFLOP/s"));
        table.Add("measured copying, read and written", Format.Text($"{Median(timings, t => t.Bandwidth) / 1e9:0.0} GB/s"));
        table.Add("forward", Format.Text($"{Median(timings, t => t.Forward):0.000} s"));
        table.Add("backward", Format.Text($"{Median(timings, t => t.Backward):0.000} s"));
        table.Add("both",
            Format.Text($"{bench.Flops / Median(timings, Passes) / 1e9:0} GFLOP/s, {Median(timings, t => bench.Flops / Passes(t) / t.Operations):0.00} of the multiply-adds"));
        table.Add("optimizer's step",
            Format.Text($"{Median(timings, t => t.Optimizer):0.000} s, {bench.Bytes / Median(timings, t => t.Optimizer) / 1e9:0.0} GB/s, {Median(timings, t => bench.Bytes / t.Optimizer / t.Bandwidth):0.00} of copying"));
        table.Add("memory", resident == 0 ? $"{Format.Bytes(plan.Bytes)} planned" : Format.Text($"{Format.Bytes(plan.Bytes)} planned, {Format.Bytes(resident)} resident"));
        Program.Print(table.ToString());
    }

    private static double Passes(TrainingTiming timing) => timing.Forward + timing.Backward;

    private static double Median(List<TrainingTiming> timings, Func<TrainingTiming, double> of) => timings.Select(of).Order().ElementAt(timings.Count / 2);
}
