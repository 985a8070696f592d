using System.Text;
using Dia.Backends;
using Dia.Backends.Cuda;
using Dia.Cli.Output;
using Dia.Compiled;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Cli.Commands;

/// <summary>The device that --device names, and what speaking takes of its memory.</summary>
internal static class InfoPlan
{
    /// <summary>Writes both.</summary>
    /// <exception cref="DiaException">Device: it is not there or does not start. Model: --model does not load.</exception>
    public static void Write(Invocation run, string name, StringBuilder text)
    {
        // A GPU that is named is shown also where the plan does not fit; what is chosen automatically depends on the plan of what will run.
        using var files = new Checkpoints(run);
        using Device device = name.StartsWith("cuda", StringComparison.Ordinal)
            ? DeviceChoice.Start(run, DeviceChoice.Ordinal(name))
            : DeviceChoice.Create(run, files, model: files.TryFolder() is not null, codec: true, reserve: false);
        if (device.Kind == DeviceKind.Cuda)
            Describe(text, device.Cuda.Device);
        else
            text.Append($"\ndevice: {DeviceChoice.Describe(device)}\n  memory   {Format.Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)}\n");

        if (files.TryFolder() is { } folder)
            Plan(text, $"memory plan of {folder.Description}", MemoryPlan.Of(device, files.IsCodec ? null : files.Model, files.TryCodecFolder() is null ? null : files.Codec, 1));

        foreach (CompiledModel compiled in CompiledModels.All)
            Plan(text, $"memory plan of {compiled.Name} with bfloat16 weights", MemoryPlan.Of(device, compiled, WeightFormat.BFloat16, 1));
    }

    private static void Describe(StringBuilder text, CudaDevice gpu)
    {
        text.Append(Format.Text($"\ndevice: cuda, {gpu.Name}\n"));
        text.Append(Format.Text($"  compute capability {gpu.Capability}, {gpu.Multiprocessors} multiprocessors\n"));
        text.Append(Format.Text($"  driver   CUDA {gpu.DriverVersion}; cuBLAS {(gpu.BlasVersion is { } version ? version.ToString() : "absent: the project's own products")}\n"));
        text.Append($"  memory   {Format.Bytes(gpu.FreeMemory)} of {Format.Bytes(gpu.TotalMemory)} free\n");
    }

    private static void Plan(StringBuilder text, string title, MemoryPlan plan)
    {
        text.Append($"\n{title}: {Format.Bytes(plan.Bytes)} at most, for one utterance\n");
        var table = new TextTable(false, true, false);
        foreach (MemoryPart part in plan.Parts)
            table.Add("  " + part.Name, Format.Bytes(part.Bytes), part.Note);
        text.Append(table);
    }
}
