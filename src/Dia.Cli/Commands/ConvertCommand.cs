using Dia.Cli.Options;

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
                "Checkpoint", [DiaOptions.ConvertDType, DiaOptions.OutputFolder, DiaOptions.Codec, DiaOptions.Adapter, DiaOptions.AdapterStrength]),
        ],
        """
        Examples:
          dia convert Dia-1.6B --codec dac_44khz --dtype bf16 -o dia-bf16
          dia convert Dia-1.6B --adapter my-voice --dtype bf16 -o dia-my-voice   (the adapter becomes part of the weights)
        """,
        Run);

    private static void Run(Invocation run)
    {
        WeightFormat format = run.Required(DiaOptions.ConvertDType);
        string folder = run.Required(DiaOptions.OutputFolder), model = run.Line.Words[0];
        ModelFolder? codec = run.Line.Get(DiaOptions.Codec) is { } path ? ModelFolder.OpenCodec(path) : null;
        using var files = new Checkpoints(run);
        CheckpointConverter.Convert(ModelFolder.Open(model), codec, format, folder, files.Adapter(), run.Interruption.Token);
        run.Reporter.Summary($"{model} written to {folder} as {WeightFormats.ReferenceName(format)}");
    }
}
