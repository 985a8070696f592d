using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>What training takes of memory.</summary>
internal static class InfoTraining
{
    /// <summary>Writes it: of the model inside or --model, and of each compiled configuration.</summary>
    /// <exception cref="DiaException">Device: it is not there, or cannot train. Model: --model does not load.</exception>
    public static void Write(Invocation run, TrainingSize size, StringBuilder text)
    {
        using var files = new Checkpoints(run);
        using Device device = DeviceChoice.ForTraining(run, files);
        text.Append(Format.Text($"training on {device.Description}: {What(size)}; batch of {size.Batch}, {size.Rows} rows, {size.Characters} characters\n"));
        if (files.TryFolder() is { } folder && !files.IsCodec)
            InfoPlan.Table(text, $"{folder.Description}", MemoryPlan.OfTraining(device, files.Model, size));
        if (files.TryFolder() is not null && files.TryCodecFolder() is not null)
            text.Append($"beside it dia train holds the codec: {Format.Bytes(MemoryPlan.OfCodec(device, files.Codec))}\n");
        foreach (CompiledModel model in CompiledModels.All.OfType<CompiledModel>())
            Plan(device, model, size, text);
    }

    /// <summary>A configuration that nobody named does not stop the others.</summary>
    private static void Plan(Device device, CompiledModel model, TrainingSize size, StringBuilder text)
    {
        try
        {
            InfoPlan.Table(text, $"{model.Name} with bfloat16 weights", MemoryPlan.OfTraining(device, model, WeightFormat.BFloat16, size));
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Model)
        {
            text.Append($"\n{e.Message}\n");
        }
    }

    /// <summary>What is trained.</summary>
    public static string What(TrainingSize size) => size.Rank == 0 ? "all weights" : Format.Text($"an adapter of rank {size.Rank}");
}
