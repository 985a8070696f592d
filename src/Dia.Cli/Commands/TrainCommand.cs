using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>Recordings and what is said in them to a model that speaks like them.</summary>
internal static class TrainCommand
{
    public static CommandSpec Spec { get; } = new(
        "train",
        "Train a model on recordings and their transcripts.",
        "",
        [TrainOptions.DataGroup, TrainOptions.WeightsGroup, TrainOptions.TrainingGroup, TrainOptions.OutputGroup, DiaOptions.CodecGroup],
        """
        Examples:
          dia train --model DIR --data recordings --check
          dia train --model DIR --data recordings --lora 16 -o voice && dia --model DIR --adapter voice "[S1] Hello there." -o hello.wav
          dia train --model DIR --data recordings -o trained && dia --model trained "[S1] Hello there." -o hello.wav
          dia train --model DIR --data recordings -o trained --resume      # goes on where it was stopped

        Train on voices of people who have agreed to it.

        Data: a folder of NAME.wav beside NAME.txt (folders in it too); a folder with a metadata.csv of the columns file_name and text or
        transcription, or of LJSpeech's form; or JSON lines, {"audio":"a.wav","text":"[S1] Hello."}, paths relative to their file. Recordings
        may have any rate and channels; transcripts follow the rules of scripts: one that starts with no speaker's tag gets [S1]. What the
        codec makes of a recording is kept in .dia-codes/ beside the data, and found again.
        What cannot be learned from is an error that names every file and line: a recording that is missing, silent, or longer than the
        model holds, a transcript that is missing or empty. A transcript far too long or short for its recording is a warning.

        The folder of -o is a checkpoint with its codec, as the reference library reads it, or with --lora an adapter as PEFT writes it: what
        was learned after the last step. best/ is what had the lowest held-out loss (--model DIR/best --codec DIR/dac speaks with it, or
        --adapter DIR/best). --resume goes on with training.safetensors, and gives the bytes of a training that never stopped. All are written
        every epoch, every 200 steps at least, and after Ctrl-C. PATTERN is a weight's name with * for any
        characters: --only 'model.decoder.*'. Training runs on the processor.
        """,
        Run);

    private static void Run(Invocation run)
    {
        CommandLine line = run.Line;
        string path = run.Required(TrainOptions.Data);
        string? folder = line.Has(TrainOptions.Check) ? null : run.Required(DiaOptions.OutputFolder);
        TrainOptions.CheckTogether(line);
        if (line.Get(TrainOptions.Log) is { } log)
            TrainingLog.Check(TrainOptions.Log.Name, log);
        using var files = new Checkpoints(run);
        CompiledModel? random = line.Get(TrainOptions.Config) is { } name ? Checkpoints.CompiledModel(TrainOptions.Config, name) : null;
        CompiledModel compiled = random ?? files.OpenModel().Compiled;
        DiaConfig config = random?.Config ?? files.Model.Config;
        Func<string, bool>? isTrained = TrainOptions.Trained(line, [.. compiled.Weights().Select(w => w.Name)]);
        DataManifest manifest = DataManifest.Read(path);
        HeldOut heldOut = line.TryGet(TrainOptions.HeldOut, out HeldOut given) ? given : HeldOut.Default;
        DataManifest? measured = heldOut.Path is { } other ? DataManifest.Read(other) : null;
        if (folder is null)
            Check(run, files, config, manifest, measured, heldOut.Share);
        else if (Directory.Exists(folder) && new[] { manifest, measured }.Any(m => m is not null && RealPaths.Of(folder) == RealPaths.Of(m.Folder)))
            throw CommandLine.Usage($"{DiaOptions.OutputFolder.Name} is '{folder}', which holds the data. Name another folder.");
        else
            Train(run, files, new TrainingFolder(folder, line.Has(TrainOptions.Resume), random is null ? files.Folder : null), config, random,
                isTrained, manifest, measured, heldOut.Share);
    }

    private static void Check(Invocation run, Checkpoints files, DiaConfig config, DataManifest manifest, DataManifest? measured, double share)
    {
        DacModel.CheckFits(files.Codec.Config, config);
        var data = new DataReport(run, manifest, config, files.Codec.Config, null);
        DataReport? other = measured is null ? null : new DataReport(run, measured, config, files.Codec.Config, null);
        data.Print(share, other);
        data.Tell();
        other?.Tell();
    }

    private static void Train(Invocation run, Checkpoints files, TrainingFolder output, DiaConfig config, CompiledModel? random, Func<string, bool>? isTrained,
        DataManifest manifest, DataManifest? measured, double share)
    {
        ulong seed = run.Line.TryGet(TrainOptions.Seed, out Seed given) ? given.Value ?? SpeechOptions.RandomSeed() : 0;
        if (run.Line.TryGet(TrainOptions.Seed, out Seed asked) && asked.Value is null)
            run.Reporter.Summary(Format.Text($"seed {seed}: {TrainOptions.Resume.Name} needs {TrainOptions.Seed.Name} {seed}"));
        LoraConfig? adapter = TrainOptions.Adapter(run.Line);
        using Device device = DeviceChoice.ForTraining(run, files);
        using DacModel codec = files.LoadCodec(device, config);
        using DiaForConditionalGeneration model =
            random is null ? files.LoadModel(device) : new DiaForConditionalGeneration(config, CompiledModels.All, device, seed);
        if (adapter is not null)
            model.AddAdapter(adapter, seed);
        DataReport data = Read(manifest);
        DataReport? other = measured is null ? null : Read(measured);
        CheckMemory(run.Line, other is null ? [data.Data] : [data.Data, other.Data], config, adapter?.R ?? 0, size => random is null
            ? MemoryPlan.OfTraining(device, files.Model, size, isTrained) : MemoryPlan.OfTraining(device, random, WeightFormat.Float32, size, isTrained));
        output.Begin(adapter is null ? codec : null, DiaProcessor.Create(config, codec)); // That it cannot be written is known before hours of work.
        (IReadOnlyList<TrainingExample> learned, IReadOnlyList<TrainingExample> heldOut) = Examples(run, data, other, share, codec);
        TrainingOptions options = TrainOptions.Read(run.Line, learned.Count, seed);
        using var trainer = new Trainer(model, DiaProcessor.Create(config), learned, heldOut, options, isTrained);
        using var speaker = new Speaker(model, codec, codec.FrameRate);
        new TrainingRun(run, trainer, output, speaker, (heldOut.Count > 0 ? heldOut : learned)[0].Text,
            Trainer.StepsOfEpoch(learned.Count, options.Batch, options.Accumulate)).Go();

        DataReport Read(DataManifest manifest)
        {
            var read = new DataReport(run, manifest, config, codec.Config, new CodesCache(codec, Path.Combine(manifest.Folder, ".dia-codes")));
            read.Tell();
            return read;
        }
    }

    /// <summary>Refuses what takes more memory than --memory allows, and says what does not.</summary>
    /// <exception cref="DiaException">Device.</exception>
    private static void CheckMemory(CommandLine line, TrainingData[] data, DiaConfig config, int rank, Func<TrainingSize, MemoryPlan> plan)
    {
        if (line.GetValue(TrainOptions.Memory) is not { } most)
            return;
        // Rows are those that are learned from: the codes', the delay's and one.
        var size = new TrainingSize(line.GetValue(TrainOptions.Batch) ?? 4, data.Max(d => d.MostFrames) + config.DelayPattern.Max() + 1,
            data.Max(d => d.MostIds), rank);
        MemoryPlan asked = plan(size);
        if (asked.Bytes <= most)
            return;
        int batch = size.Batch;
        while (batch > 0 && plan(size with { Batch = Math.Max(1, batch) }).Bytes > most)
            batch--;
        string advice = batch > 0 ? Format.Text($"{TrainOptions.Batch.Name} {batch} fits: {TrainOptions.Accumulate.Name} makes up for it.")
            : rank == 0 && plan(size with { Batch = 1, Rank = 16 }) is { } small && small.Bytes <= most
                ? $"{TrainOptions.Lora.Name} 16 with {TrainOptions.Batch.Name} 1 fits: it takes {Format.Bytes(small.Bytes)}."
            : $"{TrainOptions.Batch.Name} 1 takes {Format.Bytes(plan(size with { Batch = 1 }).Bytes)}: leave out the longest recordings, or take a smaller model.";
        throw new DiaException(DiaErrorKind.Device,
            $"training takes {Format.Bytes(asked.Bytes)} where {TrainOptions.Memory.Name} allows {Format.Bytes(most)}: {string.Join(", ", asked.Parts.OrderByDescending(p => p.Bytes).Take(4).Select(p => $"{p.Name} {Format.Bytes(p.Bytes)}"))}. {advice}");
    }

    private static (IReadOnlyList<TrainingExample> Learned, IReadOnlyList<TrainingExample> HeldOut) Examples(Invocation run, DataReport data,
        DataReport? other, double share, DacModel codec)
    {
        int missing = data.Data.Missing + (other?.Data.Missing ?? 0);
        IReadOnlyList<TrainingExample> all = data.Encode(codec);
        (IReadOnlyList<TrainingExample> learned, IReadOnlyList<TrainingExample> heldOut) =
            other is null ? TrainingData.Split(all, share) : (all, other.Encode(codec));
        run.Reporter.Summary(Format.Text(
            $"{learned.Count} recordings to learn from and {heldOut.Count} held out, {(data.Data.Seconds + (other?.Data.Seconds ?? 0)) / 60:0.0} min in all; {missing} were encoded"));
        return (learned, heldOut);
    }
}
