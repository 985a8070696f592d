using Dia.Backends.Cpu;
using Dia.Backends.Cuda;
using Dia.Backends.Scalar;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>Finds the device to run on, and whether what is to run fits into its memory.</summary>
internal static class DeviceChoice
{
    /// <summary>
    /// The device that --device and --threads name. A GPU is taken only if the plan of what runs on it fits into its free memory: else it is an
    /// error. "auto" takes the first that fits, else the processor; a note says why a GPU was passed over.
    /// </summary>
    /// <param name="run">The options.</param>
    /// <param name="files">What is opened.</param>
    /// <param name="model">Whether its model runs.</param>
    /// <param name="codec">Whether its codec runs.</param>
    /// <param name="batch">Utterances at a time.</param>
    /// <param name="reserve">Whether the plan's memory is taken, in one piece: for what runs as planned.</param>
    /// <exception cref="DiaException">Device: it is not there, does not start, or has too little memory. Model: there is none, or it does not load.</exception>
    public static Device Create(Invocation run, Checkpoints files, bool model, bool codec, int batch = 1, bool reserve = true)
    {
        if (model)
            _ = files.Folder; // That there is none is told before what is wrong with a device.
        string name = run.Line.Get(DiaOptions.Device) ?? "auto";
        if (name == "scalar")
            return Fitted(new ScalarDevice());
        if (name.StartsWith("cuda", StringComparison.Ordinal))
            return Fitted(Start(run, Ordinal(name)));
        if (name == "auto" && CudaDriver.IsThere && TryCudas(run, ordinal => Fitted(Start(run, ordinal))) is { } gpu)
            return gpu;
        return Fitted(Processor(run));

        Device Fitted(Device device)
        {
            try
            {
                // Of the host's memory only what the system allows is a limit.
                if (!device.Memory.IsHost || (reserve && MemoryLimits.Any))
                    Fit(device, MemoryPlan.Of(device, model ? files.Model : null, codec && files.HasCodec ? files.Codec : null, batch,
                        CopiesWeights(run), run.Line.Has(DiaOptions.Exact)), batch, reserve);
            }
            catch (DiaException e) when (device.Memory.IsHost && e.Kind != DiaErrorKind.Device)
            {
                // What is wrong with the model is said where it is loaded.
            }
            catch
            {
                device.Dispose();
                throw;
            }

            return device;
        }
    }

    /// <summary>The processor, with the threads that --threads names.</summary>
    public static CpuDevice Processor(Invocation run) =>
        new(run.Line.TryGet(DiaOptions.Threads, out int threads) ? threads : CpuDevice.DefaultThreads, InstructionLevel.HasBFloat16Products);

    /// <summary>Whether a copy of the weights is asked for, whatever the length.</summary>
    public static bool CopiesWeights(Invocation run) => run.Line.TryGet(DiaOptions.Weights, out WeightPlacement placement) && placement == WeightPlacement.Copy;

    private static void Fit(Device device, MemoryPlan plan, int batch, bool reserve)
    {
        if (device.FreeMemory is long free && plan.Bytes > free)
            throw new DiaException(DiaErrorKind.Device,
                $"The GPU {device.Name} has too little memory: this takes up to {Format.Bytes(plan.Bytes)} ({Parts(plan)}), and {Format.Bytes(free)} of {Format.Bytes(device.TotalMemory)} are free. End other programs that use it{(batch > 1 ? $", lower {DiaOptions.Batch.Name}" : "")}, or use --device cpu.");
        if (reserve && plan.Bytes > 0)
            plan.Reserve();
    }

    /// <summary>The device that training is asked of: the processor, unless another is named.</summary>
    /// <exception cref="DiaException">Device: it is not there, or does not start.</exception>
    public static Device ForTraining(Invocation run, Checkpoints files) => run.Line.Get(DiaOptions.Device) is null or "auto" ? Processor(run)
        : Create(run, files, model: false, codec: false, reserve: false);

    /// <summary>The number in "cuda:1"; 0 without one.</summary>
    public static int Ordinal(string name) => name.Length == 4 ? 0 : int.Parse(name.AsSpan(5), CultureInfo.InvariantCulture);

    /// <summary>The first GPU that can be used; null: none can. A note tells why not.</summary>
    private static Device? TryCudas(Invocation run, Func<int, Device> create)
    {
        List<(int Ordinal, string Message)> passed = [];
        for (int ordinal = 0; ordinal == 0 || ordinal < Count(); ordinal++)
        {
            try
            {
                Device device = create(ordinal);
                if (passed.Count > 0)
                    run.Reporter.Note($"running on {device.Description} (cuda:{ordinal}). {Messages()}");
                return device;
            }
            catch (DiaException e) when (e.Kind == DiaErrorKind.Device)
            {
                passed.Add((ordinal, e.Message));
            }
        }

        run.Reporter.Note($"running on the processor. {(passed.Count == 1 ? passed[0].Message : Messages())}");
        return null;

        string Messages() => string.Join(" ", passed.Select(p => $"cuda:{p.Ordinal}: {p.Message}"));
    }

    /// <summary>How many GPUs there are; 0 where the driver fails, which is told where the first is tried.</summary>
    private static int Count()
    {
        try
        {
            return CudaDriver.Count();
        }
        catch (DiaException)
        {
            return 0;
        }
    }

    /// <summary>The GPU; while it is started for the first time a note says why that takes long.</summary>
    public static CudaDevice Start(Invocation run, int ordinal) =>
        new(ordinal, () => run.Reporter.Note("the driver assembles the kernels for this GPU, which takes some seconds at its first start only."));

    private static string Parts(MemoryPlan plan) =>
        string.Join(", ", plan.Parts.OrderByDescending(p => p.Bytes).Take(4).Select(p => $"{p.Name} {Format.Bytes(p.Bytes)}"));
}
