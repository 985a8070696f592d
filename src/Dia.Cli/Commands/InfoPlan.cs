using Dia.Cli.Output;
using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>The device that --device names, and what speaking takes of its memory.</summary>
internal static class InfoPlan
{
    /// <summary>Writes both.</summary>
    /// <exception cref="DiaException">Device: it is not there or does not start. Model: --model does not load.</exception>
    public static void Write(Invocation run, Checkpoints files, string name, StringBuilder text)
    {
        // A GPU that is named is shown also where the plan does not fit; what is chosen automatically depends on the plan of what will run.
        using Device device = name.StartsWith("cuda", StringComparison.Ordinal)
            ? DeviceChoice.Start(run, DeviceChoice.Ordinal(name))
            : DeviceChoice.Create(run, files, model: files.TryFolder() is not null, codec: true, reserve: false);
        text.Append($"\ndevice: {device.Description}\n");
        foreach (string detail in device.Details)
            text.Append($"  {detail}\n");
        text.Append(
            $"  memory   {(device.FreeMemory is long free ? $"{Format.Bytes(free)} of {Format.Bytes(device.TotalMemory)} free" : Format.Bytes(device.TotalMemory))}\n");

        bool copies = DeviceChoice.CopiesWeights(run);
        if (files.TryFolder() is { } folder)
            Plan(text, $"memory plan of {folder.Description}",
                MemoryPlan.Of(device, files.IsCodec ? null : files.Model, files.TryCodecFolder() is null ? null : files.Codec, 1, copies));

        foreach (var networks in CompiledModels.All.GroupBy(n => n.Name))
            Plan(text, $"memory plan of {networks.Key} with bfloat16 weights", MemoryPlan.Of(device, networks, WeightFormat.BFloat16, 1, copies));
    }

    private static void Plan(StringBuilder text, string title, MemoryPlan plan) => Table(text, title, plan, " at most, for one utterance");

    /// <summary>Writes a plan's parts.</summary>
    public static void Table(StringBuilder text, string title, MemoryPlan plan, string what = "")
    {
        text.Append($"\n{title}: {Format.Bytes(plan.Bytes)}{what}\n");
        var table = new TextTable(false, true, false);
        foreach (MemoryPart part in plan.Parts)
            table.Add("  " + part.Name, Format.Bytes(part.Bytes), part.Note);
        text.Append(table);
    }
}
