using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>Writes this executable with a model inside.</summary>
internal static class BundleCommand
{
    public static CommandSpec Spec { get; } = new(
        "bundle",
        "Write a copy of this executable with a model inside, which it speaks with where no --model is given.",
        "MODEL",
        [new OptionGroup("Output", [DiaOptions.Output])],
        """
        Example:
          dia bundle my-checkpoint -o my-dia && ./my-dia "[S1] Hello." -o hello.wav

        MODEL is a checkpoint's folder with its codec in dac/; it is opened first, and one that this program cannot speak with is refused.
        A model that is already inside is replaced.
        """,
        Run);

    private static void Run(Invocation run)
    {
        string model = run.Line.Words[0], output = run.Required(DiaOptions.Output);
        if (output == "-")
            throw CommandLine.Usage("dia bundle needs -o FILE, the name of a file.");
        CheckOpens(run, ModelFolder.Open(model));
        Bundle.Append(Checkpoints.ExecutablePath, model, output, run.Interruption.Token);
        run.Reporter.Summary($"{output}: {Format.Bytes(new FileInfo(output).Length)}");
    }

    /// <summary>Refuses what this executable could not open again: a model not compiled in, weights that do not fit, scales that are no numbers.</summary>
    /// <exception cref="DiaException">Model.</exception>
    private static void CheckOpens(Invocation run, ModelFolder folder)
    {
        using var device = DeviceChoice.Processor(run);
        ModelFolder codec = folder.ModelType == "dac" ? folder : folder.Sub(ModelFolder.CodecName);
        if (folder.ModelType != "dac")
        {
            using ModelCheckpoint checkpoint = ModelCheckpoint.Open(folder, CompiledModels.All, needsHead: false);
            Warn(checkpoint);
            using DiaPreTrainedModel model = checkpoint.HasHead
                ? DiaForConditionalGeneration.FromPretrained(checkpoint, device) : DiaModel.FromPretrained(checkpoint, device);
        }

        if (!codec.Exists(ModelFolder.ConfigName))
            return;
        using CodecCheckpoint ofCodec = CodecCheckpoint.Open(codec, CompiledModels.All);
        Warn(ofCodec);
        DacModel.FromPretrained(ofCodec, device).Dispose();

        void Warn(Checkpoint checkpoint)
        {
            foreach (string warning in checkpoint.Warnings)
                run.Reporter.Warning(warning);
        }
    }
}
