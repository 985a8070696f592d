using Dia.Backends.Cpu;
using Dia.Checks;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>Speeds, beside what the device can do at most.</summary>
internal static class BenchCommand
{
    private const int TextLength = 170;
    private const int CachedRows = 1000;
    private const int Rows = 128;
    private static readonly int[] StepRows = [100, 1000, 3000];
    private const int AtOnce = 8;
    private const int Utterances = 8;
    private const int WarmUpRows = 12;
    private const int Frames = 128;
    private const int PromptRows = 490; // a voice of five and a half seconds and the delay

    // Seconds of steps that are enough, however few they were.
    private const double Patience = 20;

    public static CommandSpec Spec { get; } = new(
        "bench",
        "Measure a device: each operation beside what the device can do at most, steps a second, times real time.",
        "",
        [TrainingSizeOptions.WithConfig, DiaOptions.SpeechGroup],
        """
        "step" is a decoding step of one utterance with guidance (two rows), "block" 128 rows of a text or prompt, "codec" a window of the
        decoder. Bytes are what must be read and written at least, once; weights that fit into the device's caches can be faster than its memory.
        Filtered convolutions count as what they would be multiplied out, so they can be more than the device's multiply-adds.
        On a GPU the time is between two events in its stream; an operation of a step is a graph of its kernels in all layers, behind as many
        bytes as the rest of a step moves, so that it finds in the caches what it finds there in a step. It runs on any weights, those of
        `dia synth` too.
        With --train: forward and backward passes of training and the optimizer's step, beside multiply-adds in registers and a copy that are
        measured before each; what the backward pass computes again does not count. Memory as `dia info --train` plans it and as it was.
        """,
        Run);

    private static void Run(Invocation run)
    {
        if (TrainingSizeOptions.Read(run.Line) is { } size)
        {
            if (run.Line.Get(DiaOptions.Adapter) is not null || run.Line.GetValue(DiaOptions.AdapterStrength) is not null)
                throw CommandLine.Usage($"{DiaOptions.Adapter.Name} is for speaking; a new adapter is trained with {TrainingSizeOptions.Lora.Name} {TrainingSizeOptions.Lora.Value}.");
            BenchTraining.Run(run, size);
            return;
        }

        using var files = new Checkpoints(run);
        bool codecAlone = files.IsCodec;
        using Device device = DeviceChoice.Create(run, files, model: !codecAlone, codec: true);
        var clock = Stopwatch.StartNew();
        using DiaForConditionalGeneration? model = codecAlone ? null : files.LoadSpeaking(device);
        if (model is not null)
            files.PlaceWeights(model, rows: long.MaxValue); // as in a long run
        double modelSeconds = clock.Elapsed.TotalSeconds;
        using DacModel? codec = Codec(run, files, device, model);
        double load = clock.Elapsed.TotalSeconds;
        using var bench = new DeviceBenchmark(device);
        List<KernelTiming> kernels = [];
        int rows = model is null ? 0 : Math.Min(CachedRows, model.Config.DecoderConfig.MaxPositionEmbeddings), text = model is null
            ? 0 : Math.Min(TextLength, model.Config.EncoderConfig.MaxPositionEmbeddings);
        bench.TimeKernels(model, codec, rows, text, timing =>
        {
            run.Interruption.Token.ThrowIfCancellationRequested();
            run.Reporter.Progress(timing.Name);
            kernels.Add(timing);
        });

        var whole = new TextTable(false, false);
        whole.Add("device", device.Description);
        whole.Add(bench.BandwidthName, Format.Text($"{bench.Bandwidth / 1e9:0.0} GB/s"));
        whole.Add(bench.OperationsName, bench.Operations > 0 ? Format.Text($"{bench.Operations / 1e9:0} GFLOP/s") : "not measured: cuBLAS is absent");
        whole.Add("loading",
            Format.Text($"{load:0.000} s{(model is null || codec is null ? "" : Format.Text($", of which the model {modelSeconds:0.000} s"))}"));
        if (model is not null)
            Speak(run, device, model, codec, text, bench, kernels, whole);
        if (codec is not null)
            Codec(codec, bench, whole);
        run.Reporter.ClearProgress();
        Program.Print($"{Table(kernels, bench)}\n{whole}");
    }

    private static DacModel? Codec(Invocation run, Checkpoints files, Device device, DiaForConditionalGeneration? model)
    {
        try
        {
            return files.LoadCodec(device, model?.Config);
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Model && model is not null && run.Line.Get(DiaOptions.Codec) is null)
        {
            run.Reporter.Note($"no codec is measured. {e.Message}");
            return null;
        }
    }

    /// <summary>Utterances as the command speaks them: steps alone, then with audio. Weights that are noise end when they like, so several.</summary>
    private static void Speak(
        Invocation run, Device device, DiaForConditionalGeneration model, DacModel? codec, int textLength, DeviceBenchmark bench, List<KernelTiming> kernels,
            TextTable whole)
    {
        string text = string.Concat(Enumerable.Repeat("[S1] The letter is fast again. [S2] Hello world. ", 8));
        int[] ids = new DiaTokenizer().Encode(text);
        Array.Resize(ref ids, Math.Min(ids.Length, textLength));
        var processor = device as CpuDevice;
        (double step, _, double forks) = Steps(run, model, null, ids, processor);
        double bytes = kernels.Where(k => k.Name.StartsWith("step_linear", StringComparison.Ordinal)).Sum(k => k.Bytes);
        whole.Add("steps a second, guided", double.IsNaN(step) ? "every utterance ended too soon" : Format.Text($"{1 / step:0.0}"));
        whole.Add("a step's matrices at that speed", Format.Text($"{bytes / step / bench.Bandwidth:0.00} of the bandwidth ({bytes / 1e6:0.0} MB)"));
        if (processor is not null && !double.IsNaN(step))
            whole.Add("a step, guided", Format.Text($"{step * 1e3:0.000} ms; threads share its work, and wait for each other, {forks:0} times"));
        int most = model.Config.DecoderConfig.MaxPositionEmbeddings - 1;
        int[] rows = [.. StepRows.Select(r => Math.Min(r, most)).Distinct()];
        AddSteps(bench.TimeSteps(model, textLength, [.. rows.Select(r => (1, r)), (AtOnce, rows[0])]), whole);
        if (bench.TimePrompt(model, textLength, Math.Min(PromptRows, most)) is { } prompt)
        {
            whole.Add($"encoder, {prompt.TextLength} bytes", Rate(prompt.EncoderSeconds, prompt.EncoderOperations, bench));
            whole.Add($"a prompt of {prompt.Rows} rows, guided", Rate(prompt.PromptSeconds, prompt.PromptOperations, bench));
        }
        if (device.StepLaunches is int launches && !double.IsNaN(step))
            whole.Add("a step, guided",
                Format.Text(
                $"{step * 1e3:0.000} ms with {launches} launches; the operations above alone {kernels.Where(k => k.Part == "step").Sum(k => k.Seconds) * 1e3:0.000} ms"));
        if (codec is null)
            return;
        double second = codec.FrameRate;
        whole.Add("steps alone, times real time", Format.Text($"{1 / step / second:0.00}"));
        (double speech, double? first, _) = Steps(run, model, codec, ids, processor);
        whole.Add("steps and audio, times real time", Format.Text($"{1 / speech / second:0.00}"));
        whole.Add("first audio, weights loaded", first is { } seconds
            ? Format.Text($"{seconds:0.000} s after the text came") : "every utterance ended too soon");
    }

    private static string Rate(double seconds, double operations, DeviceBenchmark bench) => Format.Text(
        $"{seconds:0.000} s: products of {operations / 1e9:0.0} GFLOP, {operations / seconds / bench.Operations:0.00} of the rate if nothing else took time");

    /// <summary>
    /// What a step is made of, how it grows with the rows that it looks back at, and what several utterances gain by taking it together: beside the first one,
    /// which is a single utterance's behind the fewest rows.
    /// </summary>
    private static void AddSteps(IReadOnlyList<StepTiming> steps, TextTable whole)
    {
        foreach (StepTiming step in steps)
        {
            string what = step.Utterances == 1 ? "a step" : Format.Text($"a step of {step.Utterances} utterances");
            double rest = step.Rest * step.Seconds;
            whole.Add(Format.Text($"{what} at row {step.Rows}, guided"), Format.Text(
                $"{step.Seconds * 1e3:0.00} ms: matrices {step.Matrices * 1e3:0.00}, the rest {rest * 1e3:0.00} ({step.Rest:0.0%}), of which sampling {step.Sampling * 1e3:0.00}"));
        }

        StepTiming[] one = [.. steps.Where(s => s.Utterances == 1)];
        if (one.Length > 1)
            whole.Add(Format.Text($"growth of a step from row {one[0].Rows} to {one[^1].Rows}"), Format.Text($"{one[^1].BesideFirst - 1:0.0%}"));
        foreach (StepTiming more in steps.Where(s => s.Utterances > 1))
            whole.Add(Format.Text($"{more.Utterances} utterances at once"), Format.Text(
                $"{more.Utterances / more.BesideFirst:0.00} times the frames of one"));
    }

    private static (double StepSeconds, double? FirstAudio, double Forks) Steps(
        Invocation run, DiaForConditionalGeneration model, DacModel? codec, int[] ids, CpuDevice? processor)
    {
        using var engine = new SpeechEngine(model, codec);
        double seconds = 0;
        double? first = null;
        long forks = 0;
        int rows = 0, most = Math.Min(Rows + model.Config.DelayPattern.Max(), model.Config.DecoderConfig.MaxPositionEmbeddings - 1);
        for (int seed = 0; seed <= Utterances && rows < Rows && seconds < Patience; seed++)
        {
            GenerationConfig config = model.GenerationConfig() with { GuidanceScale = 3, TopK = 45, TopP = 0.95, Temperature = 1.2, DoSample = true,
                MaxNewTokens = seed == 0 ? Math.Min(most, model.Config.DelayPattern.Max() + WarmUpRows) : most, Seed = (ulong)seed };
            var job = new TimedJob(ids, config, processor);
            engine.Run(job, run.Interruption.Token);

            // The first brings everything into place.
            if (seed == 0)
                continue;
            // From an utterance's first row to its end: what steps take.
            SpeechResult result = job.Result!;
            (rows, seconds) = (rows + result.GeneratedRows - 1, seconds + Stopwatch.GetElapsedTime(job.FirstRow).TotalSeconds);
            forks += (processor?.Forks ?? 0) - job.FirstForks;
            first = result.FirstAudio?.TotalSeconds is { } time && !(first < time) ? time : first;
        }

        return (rows == 0 ? double.NaN : seconds / rows, first, rows == 0 ? double.NaN : (double)forks / rows);
    }

    private static void Codec(DacModel codec, DeviceBenchmark bench, TextTable whole)
    {
        int[,] codes = new int[Frames, codec.Codebooks];
        for (int t = 0; t < Frames; t++)
            for (int q = 0; q < codec.Codebooks; q++)
                codes[t, q] = (int)((uint)(t * 7919 + q * 104729) % (uint)codec.Config.CodebookSize);
        double seconds = Frames * (double)codec.HopLength / codec.SamplingRate;
        whole.Add("codec: decoding, times real time", Format.Text($"{seconds / bench.Time(() => codec.Decode(codes)):0.0}"));
        float[] tone = [.. Enumerable.Range(0, Frames * codec.HopLength).Select(i => MathF.Sin(i * 0.05f) / 2)];
        whole.Add("codec: encoding, times real time", Format.Text($"{seconds / bench.Time(() => codec.Encode(tone)):0.0}"));
    }

    private static string Table(List<KernelTiming> kernels, DeviceBenchmark bench)
    {
        // Only a GPU's kernels are counted.
        bool counted = kernels.Any(k => k.Launches > 0);
        var table = new TextTable([false, false, false, .. counted ? new[] { true, true } : [], true, true, true, true]);
        table.Add(["part", "operation", "sizes", .. counted ? new[] { "launches", "us each" } : [], "MB", "ms", "of bandwidth", "of multiply-adds"]);
        foreach (KernelTiming k in kernels)
        {
            string[] launches = k.Launches > 0 ? [Format.Text($"{k.Launches}"), Format.Text($"{k.Seconds / k.Launches * 1e6:0.00}")] : ["", ""];
            table.Add([k.Part, k.Name, k.Shapes, .. counted ? launches : [], Format.Text($"{k.Bytes / 1e6:0.000}"), Format.Text($"{k.Seconds * 1e3:0.000}"),
                Format.Text($"{k.Bytes / k.Seconds / bench.Bandwidth:0.00}"),
                k.Operations == 0 || bench.Operations == 0 ? "" : Format.Text($"{k.Operations / k.Seconds / bench.Operations:0.00}")]);
        }

        return table.ToString();
    }

    private sealed class TimedJob(int[] textIds, GenerationConfig config, CpuDevice? processor) : Utterance(textIds, config)
    {
        public long FirstRow { get; private set; }

        public long FirstForks { get; private set; }

        protected override void OnRow(int rows)
        {
            if (FirstRow == 0)
                (FirstRow, FirstForks) = (Stopwatch.GetTimestamp(), processor?.Forks ?? 0);
        }
    }
}
