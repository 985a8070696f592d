using Dia.Cli.Options;
using Dia.Cli.Output;

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

        MODEL is a checkpoint's folder with its codec in dac/. A model that is already inside is replaced.
        """,
        Run);

    private static void Run(Invocation run)
    {
        string model = run.Line.Words[0], output = run.Required(DiaOptions.Output);
        if (output == "-")
            throw CommandLine.Usage("dia bundle needs -o FILE, the name of a file.");
        Bundle.Append(Checkpoints.ExecutablePath, model, output, run.Interruption.Token);
        run.Reporter.Summary($"{output}: {Format.Bytes(new FileInfo(output).Length)}");
    }
}
