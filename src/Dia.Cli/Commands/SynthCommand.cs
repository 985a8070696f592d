using Dia.Cli.Options;
using Dia.Configuration;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Cli.Commands;

/// <summary>Writes a checkpoint of a compiled configuration with recomputable weights.</summary>
internal static class SynthCommand
{
    public static CommandSpec Spec { get; } = new(
        "synth",
        "Write a checkpoint of a compiled configuration with recomputable weights, for tests and benchmarks at full size.",
        "",
        [new OptionGroup("Checkpoint", [DiaOptions.Config, DiaOptions.OutputFolder, DiaOptions.SynthDType])],
        """
        Example:
          dia synth --config dia-1.6b -o big && dia "[S1] Hello." --model big -o noise.wav

        The weights follow from their names (tests/fixtures/make_full.py): they are noise, not speech.
        """,
        Run);

    private static void Run(Invocation run)
    {
        string name = run.Required(DiaOptions.Config), folder = run.Required(DiaOptions.OutputFolder);
        WeightFormat format = run.Line.TryGet(DiaOptions.SynthDType, out WeightFormat given) ? given : WeightFormat.BFloat16;
        CompiledModel model = Checkpoints.Compiled(DiaOptions.Config, name);
        if (model.Config is { } config)
            Write(run, folder, model.Weights(), format, CanonicalJson.Write(config));
        if (model.CodecConfig is { } codec)
            Write(run, model.Config is null ? folder : Path.Combine(folder, "dac"), model.CodecWeights(), format, CanonicalJson.Write(codec));
        run.Reporter.Summary($"{name} written to {folder} as {WeightFormats.ReferenceName(format)}");
    }

    private static void Write(Invocation run, string folder, WeightSpec[] specs, WeightFormat format, string config) =>
        CheckpointSynthesizer.Write(folder, specs, format, new Dictionary<string, string> { [ModelFolder.ConfigName] = config }, cancellationToken: run.Interruption.Token);
}
