using Dia.Cli.Options;
using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>Writes a checkpoint in another format of weights.</summary>
internal static class ConvertCommand
{
    public static CommandSpec Spec { get; } = new(
        "convert",
        "Write a checkpoint in another format of weights, as one folder with its codec in dac/.",
        "MODEL",
        [
            new OptionGroup(
                "Checkpoint",
                [DiaOptions.ConvertDType, DiaOptions.Keep, DiaOptions.OutputFolder, DiaOptions.Codec, DiaOptions.Adapter, DiaOptions.AdapterStrength]),
            new OptionGroup("Quality of integers", [DiaOptions.Calibrate, DiaOptions.Report, DiaOptions.Threads]),
        ],
        """
        Examples:
          dia convert Dia-1.6B --codec dac_44khz --dtype bf16 -o dia-bf16
          dia convert Dia-1.6B --codec dac_44khz --dtype int4 --keep "*cross_attention*=bf16" -o dia-int4
          dia convert Dia-1.6B --adapter my-voice --dtype bf16 -o dia-my-voice   (the adapter becomes part of the weights)
          dia convert Dia-1.6B --codec dac_44khz --dtype int4 --calibrate script.txt --report -o dia-int4

        int8 has a scale for each output of a layer, int4 one for each 32 inputs, and leaves the head (logits_dense) in 8 bits; the files are those of
        the compressed-tensors library.
        A checkpoint of integers is converted to floats, but not to other integers: take the one that it was made from.

        With --calibrate the model speaks the lines of a script, one a line, and integers are chosen for what its layers are given
        meanwhile (GPTQ): a hundred lines like those that it is to speak are good, and take the processor as long as a few times to speak
        them. Where they are to be in a voice, give JSON lines (a file called .jsonl, or that begins with a brace), each with its text and, as for
        dia --jsonl, voice, or clone and clone_text: {"text":"[S1] Hello there.","voice":"me.voice"}. Stopped in any way, the same command goes on. --report says of each weight what rounding did, and of every tenth line, kept out,
        how far the model's logits and its greedy speech are from the source's.
        """,
        Run);

    private static void Run(Invocation run)
    {
        string folder = run.Required(DiaOptions.OutputFolder), model = run.Line.Words[0];
        WeightFormat format = run.Required(DiaOptions.ConvertDType);
        ModelFolder? codec = run.Line.Get(DiaOptions.Codec) is { } path ? ModelFolder.OpenCodec(path) : null;
        using var files = new Checkpoints(run);
        ModelFolder from = ModelFolder.Open(model);
        var options = new ConversionOptions(format)
        {
            Keep = [.. ConversionOptions.DefaultKeep(format), .. run.Line.GetAll(DiaOptions.Keep).Select(DiaOptions.KeptBy)],
            Adapter = files.Adapter(),
        };
        if (options.Quantizes)
        {
            options = options with { Parameters = Parameters(from) };
            if (!options.Parameters.Any(p => options.StorageOf(p).IsQuantized))
                throw CommandLine.Usage($"no weight becomes one of integers: {DiaOptions.Keep.Name} keeps all of them in other formats.");
        }
        if (CalibrationRun.IsAskedFor(run.Line))
            new CalibrationRun(run, from, codec, options, folder, Convert).Go();
        else
        {
            Convert(options);
            CalibrationRun.DeleteState(folder); // of a calibration that was given up
        }

        void Convert(ConversionOptions options)
        {
            CheckpointConverter.Convert(from, codec, options, folder, run.Interruption.Token);
            run.Reporter.Summary($"{model} written to {folder} as {new WeightStorage(options.Format).Name}");
        }
    }

    /// <summary>The parameters of a model that integers are made of.</summary>
    /// <exception cref="DiaException">Model: it is none that is compiled in, or its tensors do not fit.</exception>
    private static WeightSpec[] Parameters(ModelFolder from)
    {
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(from, CompiledModels.All);
        return checkpoint.Compiled.Weights();
    }
}
