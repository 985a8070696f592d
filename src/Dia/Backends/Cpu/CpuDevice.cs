using Dia.IO;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>The processor, with SIMD and threads.</summary>
public sealed class CpuDevice : Device
{
    private const int MaxThreads = 1024;

    private readonly CpuBackend _backend;

    /// <summary>The processor on <see cref="DefaultThreads"/> threads.</summary>
    public CpuDevice()
        : this(DefaultThreads)
    {
    }

    /// <summary>The processor on so many threads.</summary>
    /// <param name="threads">1 to 1024.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer or more threads.</exception>
    public CpuDevice(int threads)
        : this(threads, HasFasterBFloat16Products)
    {
    }

    /// <summary>The same, with a choice of the products that a model makes which may round activations of its encoder and prompts.</summary>
    /// <param name="threads">1 to 1024.</param>
    /// <param name="bfloat16Products">Whether they are of bfloat16 values; not where <see cref="HasBFloat16Products"/> is false.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer or more threads.</exception>
    public CpuDevice(int threads, bool bfloat16Products)
        : this(threads, null, bfloat16Products)
    {
    }

    /// <summary>The same with memory from elsewhere: tests count it and let it run out.</summary>
    internal CpuDevice(int threads, DeviceMemory? memory, bool bfloat16Products = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, MaxThreads);
        _backend = new CpuBackend(threads, memory, bfloat16Products);
    }

    /// <summary>Whether there are products of bfloat16 values: the processor has AVX512_BF16, and the program was compiled ahead of time with them.</summary>
    public static bool HasBFloat16Products => BFloat16Products.IsSupported;

    /// <summary>Whether they are faster than those in float32 on this processor.</summary>
    public static bool HasFasterBFloat16Products => BFloat16Products.AreFaster;

    /// <summary>
    /// A thread for each physical core that this process may use and that is not a small one; for each processor where the system does not tell.
    /// </summary>
    public static int DefaultThreads => Math.Min(ProcessorCores.Default.Count, MaxThreads);

    /// <summary>Why so many, as a phrase.</summary>
    public static string DefaultThreadsReason => ProcessorCores.Default.Reason;

    /// <summary>How often work was shared by its threads so far, each time until all of it was done.</summary>
    public long Forks => _backend.Forks;

    /// <summary>Threads that compute.</summary>
    public int Threads => _backend.Threads;

    /// <inheritdoc/>
    public override string Name => $"cpu, {_backend.Threads} thread{(_backend.Threads == 1 ? "" : "s")}";

    /// <inheritdoc/>
    public override DeviceMemory Memory => _backend.Memory;

    /// <inheritdoc/>
    internal override bool FiltersConvolutions => true;

    /// <inheritdoc/>
    internal override long PreparedBytes(WeightSpec spec, WeightStorage format) =>
        spec.IsFiltered ? MinimalFilter.KernelValues(spec) * sizeof(float) : base.PreparedBytes(spec, format);

    /// <inheritdoc/>
    internal override DeviceClock CreateClock() => new CpuClock(_backend.Threads);

    private protected override T Visit<T>(IBackendVisitor<T> visitor) => visitor.Visit(_backend);

    private protected override T VisitTraining<T>(ITrainingVisitor<T> visitor) => visitor.Visit(_backend);

    private protected override void Free() => _backend.Dispose();
}
