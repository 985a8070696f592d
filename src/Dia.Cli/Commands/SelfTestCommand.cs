using Dia.Checks;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>Compares a device with the plain loops.</summary>
internal static class SelfTestCommand
{
    public static CommandSpec Spec { get; } = new(
        "selftest",
        "Compare a device with the scalar reference: every operation, then the whole model and codec; a table.",
        "",
        [new OptionGroup("Checks", [DiaOptions.Small]), DiaOptions.CodecGroup],
        """
        Each line is a comparison: what, its sizes, the greatest error, the greatest one that is right, and pass or FAIL. Errors are
        relative to the greater of the right value and what a sum of its length comes to; of a model, to the tensor's largest value.
        0 and inf are of things that must be equal. "N outputs of it": the scalar side made a sample, all of them would take minutes.
        Operations run at odd sizes, and at those of every compiled configuration, those of training at odd sizes; the model is the one inside,
        or --model.
        Exit codes: 0 all passed, 5 something failed.
        """,
        Run);

    private static void Run(Invocation run)
    {
        using var files = new Checkpoints(run);
        bool hasModel = files.TryFolder() is not null && !files.IsCodec, hasCodec = files.TryCodecFolder() is not null;
        using Device device = DeviceChoice.Create(run, files, hasModel, hasCodec, reserve: false);
        var table = new TextTable(false, false, true, true, false);
        table.Add("what", "sizes", "error", "tolerance", "");
        List<KernelCheck> checks = [];
        DeviceSelfTest.Run(device, CompiledModels.All, hasModel ? files.Model : null, hasCodec ? files.Codec : null, run.Line.Has(DiaOptions.Small), check =>
        {
            run.Interruption.Token.ThrowIfCancellationRequested();
            run.Reporter.Progress($"{checks.Count} checks, {check.Name}");
            checks.Add(check);
        });
        run.Reporter.ClearProgress();

        // The same operation at the same sizes on several operands is one line: the worst.
        foreach (var same in checks.GroupBy(c => (c.Name, c.Shapes)))
        {
            KernelCheck worst = same.MaxBy(c => c.Tolerance > 0 ? c.Error / c.Tolerance : c.Error > 0 ? double.PositiveInfinity : 0)!;
            table.Add(worst.Name, worst.Shapes, Number(worst.Error), Number(worst.Tolerance), worst.Passed ? "pass" : "FAIL");
        }

        int failed = checks.Count(c => !c.Passed);
        Program.Print(
            $"{table}{device.Description}: {Format.Text($"{checks.Count} checks, {failed} failed")}{(device.CanTrain ? "" : "; it cannot train: gradients were not checked")}{(!hasModel ? "; no model ran: name one with --model" : !hasCodec ? "; the model has no codec" : "")}\n");
        run.ExitCode = failed == 0 ? ExitCodes.Done : ExitCodes.Device;
    }

    private static string Number(double value) => value == 0 ? "0" : double.IsInfinity(value) ? "inf" : Format.Text($"{value:0.0e+0}");
}
