using Dia.Backends.Cpu;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Compiled;
using Dia.Quantization;

namespace Dia.Cli.Commands;

/// <summary>A conversion to integers that has the model speak: to choose them by what its layers are given, and to say what they cost.</summary>
/// <param name="run">The options, messages and signals.</param>
/// <param name="from">The checkpoint.</param>
/// <param name="codec">Its codec; null: the one in its dac/, if any.</param>
/// <param name="options">What it becomes.</param>
/// <param name="folder">Where to.</param>
/// <param name="convert">Converts it.</param>
internal sealed class CalibrationRun(Invocation run, ModelFolder from, ModelFolder? codec, ConversionOptions options, string folder,
    Action<ConversionOptions> convert)
{
    private const string StateName = ".dia-calibration";

    /// <summary>Deletes what a calibration that was given up has left in a folder that is complete now.</summary>
    public static void DeleteState(string folder) => Calibration.Forget(Path.Combine(folder, StateName));

    private readonly ProgressClock _clock = new(run.Reporter);
    private string _step = "";

    /// <summary>Whether the options ask for one.</summary>
    public static bool IsAskedFor(CommandLine line) => line.Get(DiaOptions.Calibrate) is not null || line.Has(DiaOptions.Report);

    /// <summary>Calibrates where that is asked for, converts, and reports where that is asked for.</summary>
    /// <exception cref="DiaException">Usage: nothing becomes integers. Input: the script. Model: it cannot be calibrated. Output: it cannot be written.</exception>
    public void Go()
    {
        if (!options.Quantizes)
            throw CommandLine.Usage($"{DiaOptions.Calibrate.Name} and {DiaOptions.Report.Name} are for weights that become integers: --dtype int8 or int4.");
        CheckpointConverter.Check(from, codec, options, folder); // before hours of work
        using CpuDevice device = DeviceChoice.Processor(run);
        using DiaForConditionalGeneration source = DiaForConditionalGeneration.FromPretrained(from, CompiledModels.All, device);
        if (options.Adapter is { } adapter)
        {
            source.LoadAdapter(adapter.Folder, adapter.Strength);
            source.MergeAdapter();
        }

        Calibration? calibration = run.Line.Get(DiaOptions.Calibrate) is { } path
            ? Create(source, ReadScript(path, source, device), device.Threads) : null;
        using (calibration)
        {
            if (calibration is not null && !Calibrate(calibration))
                return;
            convert(calibration is null ? options : options with { Quantizer = calibration });
            if (run.Line.Has(DiaOptions.Report))
                Report(source, calibration, device);
            calibration?.DeleteFiles();
        }
    }

    /// <summary>Lines of script, or JSON lines, each with a voice if it names one.</summary>
    private CalibrationScript ReadScript(string path, DiaForConditionalGeneration source, CpuDevice device) => CalibrationLines.IsJson(path)
        ? CalibrationLines.Read(run, path, source, () => DacModel.FromPretrained(codec ?? from.Sub(ModelFolder.CodecName), CompiledModels.All, device))
        : CalibrationScript.Read(path, source.Config);

    private Calibration Create(DiaForConditionalGeneration source, CalibrationScript script, int threads) =>
        new(source, script, options.StorageOf, Path.Combine(folder, StateName), null, threads);

    /// <summary>Whether it was done to the end.</summary>
    private bool Calibrate(Calibration calibration)
    {
        run.Interruption.Patience = Timeout.InfiniteTimeSpan;
        try
        {
            calibration.Run(Show, run.Interruption.Token);
        }
        catch (OperationCanceledException) when (run.Interruption.Token.IsCancellationRequested)
        {
            run.Reporter.ClearProgress();
            run.Reporter.Summary($"dia: interrupted: what is done is kept in {Path.Combine(folder, StateName)}; the same command goes on.");
            run.ExitCode = run.Interruption.ExitCode;
            return false;
        }

        run.Reporter.ClearProgress();
        foreach (string warning in calibration.Warnings)
            run.Reporter.Warning(warning);
        return true;
    }

    private void Report(DiaForConditionalGeneration source, Calibration? calibration, CpuDevice device)
    {
        using DiaForConditionalGeneration written = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);
        written.RoundsActivations = true; // as it will speak
        var text = new StringBuilder();
        var table = new TextTable(false, false, true);
        table.Add("weight", "format", "relative error");
        double sum = 0;
        (string Name, WeightStorage Storage, double Error)[] errors = [.. RoundedWeight.Errors(source, written, calibration)];
        foreach ((string name, WeightStorage storage, double error) in errors)
        {
            table.Add(name, storage.Name, Format.Text($"{error:0.00000}"));
            sum += error;
        }

        table.Add("mean", "", Format.Text($"{sum / errors.Length:0.00000}"));
        text.Append(table).Append(calibration is null
            ? "relative error: of the weight's values\n" : "relative error: of the layer's results on the calibration script\n");
        if (calibration?.Compare(written, Show, run.Interruption.Token) is { } divergence)
            Write(text, divergence);
        run.Reporter.ClearProgress();
        Program.Print(text.ToString());
    }

    private static void Write(StringBuilder text, SpeechDivergence divergence)
    {
        text.Append(Format.Text($"\n{divergence.Frames.Count} lines kept out of the calibration, against the source model\n"));
        for (int channel = 0; channel < divergence.Divergence.Count; channel++)
            text.Append(Format.Text($"  channel {channel}: divergence of the logits {divergence.Divergence[channel]:0.00000} nats\n"));
        text.Append(Format.Text($"  mean divergence {divergence.Divergence.Average():0.00000} nats, top-1 agreement {divergence.Agreement:0.0000}\n"));
        text.Append(Format.Text($"  greedy speech {divergence.Frames.Sum(f => f.Model)} frames, the source's {divergence.Frames.Sum(f => f.Source)}; line by line "));
        text.Append(string.Join(", ", divergence.Frames.Select(f => Format.Text($"{f.Model} for {f.Source}")))).Append('\n');
    }

    // A line that changes where there is a terminal; with -v, for logs, one that stays for each step.
    private void Show(CalibrationProgress progress)
    {
        string message = Format.Text($"{progress.What} {progress.Done + 1} of {progress.Of}, {TimeSpan.FromSeconds(_clock.Seconds):h\\:mm\\:ss}");
        if (progress.What != _step)
            run.Reporter.Detail(message);
        _step = progress.What;
        if (_clock.IsDue(out _))
            run.Reporter.Progress(message);
    }
}
