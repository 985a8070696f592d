using Dia.Modeling;

namespace Dia.Backends;

/// <summary>Which implementation of <see cref="IBackend"/> a device is.</summary>
public enum DeviceKind
{
    /// <summary>The processor, with SIMD and threads.</summary>
    Cpu,

    /// <summary>The processor in plain loops: the reference the others are tested against.</summary>
    Scalar,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda,
}

/// <summary>Where models run. Models and sounds made on a device must be disposed before it.</summary>
public sealed class Device : IDisposable
{
    private readonly CpuBackend? _cpu;
    private readonly CudaDevice? _cuda;

    private Device(DeviceKind kind, CpuBackend? cpu = null, CudaDevice? cuda = null)
    {
        Kind = kind;
        _cpu = cpu;
        _cuda = cuda;
    }

    /// <summary>Which implementation it is.</summary>
    public DeviceKind Kind { get; }

    /// <summary>The plain loops.</summary>
    public ScalarBackend Scalar => default;

    /// <summary>The SIMD backend.</summary>
    /// <exception cref="InvalidOperationException">This is another kind of device.</exception>
    public CpuBackend Cpu => _cpu ?? throw new InvalidOperationException("This device is not the SIMD backend.");

    /// <summary>The GPU.</summary>
    /// <exception cref="InvalidOperationException">This is another kind of device.</exception>
    public CudaBackend Cuda => new(_cuda ?? throw new InvalidOperationException("This device is not a GPU."));

    /// <summary>The processor on so many threads.</summary>
    /// <param name="threads">At least 1.</param>
    public static Device CreateCpu(int threads) => new(DeviceKind.Cpu, new CpuBackend(threads));

    /// <summary>The processor in plain loops.</summary>
    public static Device CreateScalar() => new(DeviceKind.Scalar);

    /// <summary>An NVIDIA GPU.</summary>
    /// <param name="ordinal">Which one, from 0.</param>
    /// <param name="assembling">Told once, on another thread, when this takes long because the driver assembles the kernels: at a GPU's first start.</param>
    /// <exception cref="DiaException">There is no driver, no such GPU, or it is too old (Device).</exception>
    public static Device CreateCuda(int ordinal, Action? assembling = null) => new(DeviceKind.Cuda, cuda: new CudaDevice(ordinal, assembling));

    /// <summary>
    /// Takes the memory of a plan in one allocation: what is loaded and made on the device from now on lies in it, and what the plan did
    /// not foresee beside it. Once, before anything is loaded. Nothing happens on the processor: there memory is taken as it is used.
    /// </summary>
    /// <param name="plan">The plan, of this device.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Reserve(MemoryPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        _cuda?.Reserve(plan);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cpu?.Dispose();
        _cuda?.Dispose();
    }
}
