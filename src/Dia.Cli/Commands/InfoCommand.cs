using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Dia.Backends.Cpu;
using Dia.Backends.Cuda;
using Dia.Cli.Options;
using Dia.Compiled;

namespace Dia.Cli.Commands;

/// <summary>Says what this executable is and what it needs.</summary>
internal static class InfoCommand
{
    public static CommandSpec Spec { get; } = new(
        "info",
        "Show the compiled configurations, version, processor, and how much memory each configuration takes.",
        "",
        [new OptionGroup("Information", [DiaOptions.Graph]), TrainingSizeOptions.Group, DiaOptions.PlanGroup],
        """
        With --model: what formats its weights have, and how many bytes.
        With --device the device is shown, and what speaking takes of its memory at most, of the model inside or --model and of each
        compiled configuration with bfloat16 weights; nothing of it is allocated.
        With --train: what a training step takes of the processor's memory, of the same models. A batch of 8 utterances of 10 seconds at 44.1 kHz:
          dia info --train --batch 8 --rows 877 --characters 170 --lora 16
        The SHA-256 is that of the configuration with every field spelled out, the config.json that `dia synth` writes.
        """,
        Run);

    private static void Run(Invocation run)
    {
        var text = new StringBuilder();
        if (run.Line.Get(DiaOptions.Graph) is { } name)
        {
            InfoGraph.Write(text, Checkpoints.Compiled(DiaOptions.Graph, name));
            Program.Print(text.ToString());
            return;
        }

        if (TrainingSizeOptions.Read(run.Line) is { } size)
        {
            InfoTraining.Write(run, size, text);
            Program.Print(text.ToString());
            return;
        }

        text.Append($"dia {BuildInfo.Version} ({RuntimeInformation.RuntimeIdentifier})\n");
        text.Append(Format.Text($"processor: {Environment.ProcessorCount} threads, {InstructionSet()}, {Vector<float>.Count * 32} bits wide\n"));
        text.Append($"instructions: {InstructionLevel.Describe()}\n");
        text.Append(Format.Text($"threads: {CpuDevice.DefaultThreads}, {CpuDevice.DefaultThreadsReason}\n"));
        text.Append($"devices: cpu, scalar{Gpus()}\n");
        text.Append($"model inside: {(Bundle.TryOpen(Checkpoints.ExecutablePath) is { } bundle ? Inside(bundle) : "none (see dia bundle --help)")}\n");
        string? device = run.Line.Get(DiaOptions.Device);
        // A plan is for speaking.
        using var files = new Checkpoints(run) { NeedsHead = device is not null };
        if (run.Line.Get(DiaOptions.Model) is not null)
            Stored(files, text);
        if (device is not null)
            InfoPlan.Write(run, files, device, text);
        foreach (var networks in CompiledModels.All.GroupBy(n => n.Name))
            Describe(text, networks);
        Program.Print(text.ToString());
    }

    /// <summary>The formats of the weights of --model, and of its codec.</summary>
    private static void Stored(Checkpoints files, StringBuilder text)
    {
        if (!files.IsCodec)
            InfoWeights.Write(text, $"weights of {files.Folder.Description}", files.Model);
        if (files.TryCodecFolder() is { } codec)
            InfoWeights.Write(text, $"weights of the codec in {codec.Description}", files.Codec);
    }

    private static string InstructionSet() => Vector512.IsHardwareAccelerated ? "AVX-512" : Avx2.IsSupported ? "AVX2" : Sse42.IsSupported
        ? "SSE4.2" : RuntimeInformation.ProcessArchitecture.ToString();

    /// <summary>The GPUs that the driver has, if there is one.</summary>
    private static string Gpus()
    {
        try
        {
            return string.Concat(Enumerable.Range(0, CudaDriver.Count()).Select(i => Format.Text($", cuda:{i} ({CudaDriver.NameOf(i)})")));
        }
        catch (DiaException e)
        {
            return $"; the NVIDIA driver does not start: {e.Message}";
        }
    }

    private static string Inside(Bundle bundle)
    {
        var folder = ModelFolder.FromBundle(bundle);
        try
        {
            return ModelCatalog.Find(CompiledModels.All, ModelCatalog.ReadConfig(folder), folder.Description).Name;
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Model)
        {
            return "one that this executable cannot run";
        }
    }

    private static void Describe(StringBuilder text, IGrouping<string, CompiledNetwork> networks)
    {
        text.Append($"\n{networks.Key}\n");
        foreach (CompiledNetwork network in networks)
        {
            text.Append(
                $"  {(network is CompiledModel ? "model" : "codec")}    sha256 {Convert.ToHexStringLower(Sha256.Hash(Encoding.UTF8.GetBytes(network.ConfigurationText)))}\n");
            Weights(text, network.Weights());
            if (network is CompiledModel model)
                Memory(text, model.Config, model.Arenas);
        }
    }

    private static void Weights(StringBuilder text, WeightSpec[] weights)
    {
        long count = weights.Sum(w => w.Count);
        text.Append(Format.Text($"    weights          {count:N0} values: {Format.Bytes(count * 2)} as bf16 or f16, {Format.Bytes(count * 4)} as f32\n"));
    }

    /// <summary>Everything is float32 but the weights, and caches but on GPUs and with --exact.</summary>
    private static void Memory(StringBuilder text, DiaConfig config, ArenaSizes arenas)
    {
        DiaDecoderConfig d = config.DecoderConfig;
        long row = 2L * sizeof(ushort) * d.NumHiddenLayers * d.NumKeyValueHeads * d.HeadDim;
        long cross = 2L * sizeof(ushort) * d.NumHiddenLayers * d.CrossNumKeyValueHeads * d.CrossHeadDim;
        int rows = config.RowCapacity, positions = config.EncoderConfig.MaxPositionEmbeddings;
        text.Append(
            $"    arena            {Format.Bytes(arenas.EncoderWidth * sizeof(float))} a text byte, {Format.Bytes(arenas.DecoderWidth * sizeof(float))} an audio row\n");
        text.Append(Format.Text($"    self cache       {Format.Bytes(row)} a row, {Format.Bytes(row * rows)} at {rows} rows (with guidance twice that; with --exact and on GPUs twice as much)\n"));
        text.Append(Format.Text($"    cross cache      {Format.Bytes(cross)} a text byte, {Format.Bytes(cross * positions)} at {positions} bytes\n"));
    }
}
