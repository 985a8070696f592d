using Dia.Checks;
using Dia.Cli.Options;

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
        CompiledNetwork[] networks = Checkpoints.Compiled(DiaOptions.Config, name);
        foreach (CompiledNetwork network in networks)
            Write(run, network is CompiledCodec && networks.Length > 1 ? Path.Combine(folder, ModelFolder.CodecName) : folder, network, format);
        run.Reporter.Summary($"{name} written to {folder} as {WeightFormats.ReferenceName(format)}");
    }

    private static void Write(Invocation run, string folder, CompiledNetwork network, WeightFormat format) =>
        CheckpointSynthesizer.Write(folder, network.Weights(), format, new Dictionary<string, string> { [ModelFolder.ConfigName] = network.ConfigurationText },
            cancellationToken: run.Interruption.Token);
}
