using Dia.Backends.Cpu;
using Dia.Backends.Cuda;
using Dia.Backends.Scalar;
using Dia.IO;
using Dia.Networks;

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

/// <summary>
/// Where models run, from any number of threads: what lives on a device takes turns, prompt by prompt and step by step, so that calls from several
/// threads go on side by side. Results do not depend on that. It may be disposed at any time: a turn under way ends first, and whatever lives on it
/// then throws <see cref="ObjectDisposedException"/>, but for its own Dispose.
/// </summary>
/// <remarks>
/// The backends (<see cref="Scalar"/>, <see cref="Cpu"/>, <see cref="Cuda"/>) are for emitted code and for measurements. They work on pointers, which
/// they trust, and take no turns.
/// </remarks>
public sealed class Device : IDisposable
{
    private const int MaxThreads = 1024;

    private readonly Lock _turns = new();
    private readonly DeviceMemory? _memory;
    private readonly CpuBackend? _cpu;
    private readonly CudaDevice? _cuda;
    private bool _disposed;

    private Device(DeviceKind kind, CpuBackend? cpu = null, CudaDevice? cuda = null, DeviceMemory? memory = null)
    {
        Kind = kind;
        _cpu = cpu;
        _cuda = cuda;
        _memory = memory;
    }

    /// <summary>Which implementation it is.</summary>
    public DeviceKind Kind { get; }

    /// <summary>The plain loops.</summary>
    public ScalarBackend Scalar => new(_memory);

    /// <summary>The SIMD backend.</summary>
    /// <exception cref="InvalidOperationException">This is another kind of device.</exception>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public CpuBackend Cpu => Living()._cpu ?? throw new InvalidOperationException("This device is not the SIMD backend.");

    /// <summary>The GPU.</summary>
    /// <exception cref="InvalidOperationException">This is another kind of device.</exception>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public CudaBackend Cuda => new(Living()._cuda ?? throw new InvalidOperationException("This device is not a GPU."));

    /// <summary>The processor on so many threads.</summary>
    /// <param name="threads">1 to 1024.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer or more threads.</exception>
    public static Device CreateCpu(int threads) => CreateCpu(threads, null);

    /// <summary>The processor in plain loops.</summary>
    public static Device CreateScalar() => new(DeviceKind.Scalar);

    /// <summary>An NVIDIA GPU.</summary>
    /// <param name="ordinal">Which one, from 0.</param>
    /// <param name="assembling">Told once, on another thread, when this takes long because the driver assembles the kernels: at a GPU's first start.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative number.</exception>
    /// <exception cref="DiaException">There is no driver, no such GPU, or it is too old (Device).</exception>
    public static Device CreateCuda(int ordinal, Action? assembling = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        return new Device(DeviceKind.Cuda, cuda: new CudaDevice(ordinal, assembling));
    }

    /// <summary>
    /// Takes the memory of a plan in one allocation: what is loaded and made on the device from now on lies in it, and what the plan did
    /// not foresee beside it. Once, before anything is loaded. On the processor memory is taken as it is used: there what is needed in any
    /// case is compared with the limits that this process has (<see cref="MemoryLimits"/>).
    /// </summary>
    /// <param name="plan">The plan, of this device.</param>
    /// <exception cref="InvalidOperationException">Memory was reserved before.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Reserve(MemoryPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        using Lock.Scope turn = Enter();
        if (_cuda is null)
            plan.CheckHost();
        else
            _cuda.Reserve(plan);
    }

    /// <summary>Ends its threads and frees its memory.</summary>
    public void Dispose()
    {
        using Lock.Scope turn = EnterToFree();
        if (_disposed)
            return;
        _disposed = true;
        _cpu?.Dispose();
        _cuda?.Dispose();
    }

    /// <summary>The processor with memory from elsewhere: tests count it and let it run out.</summary>
    internal static Device CreateCpu(int threads, DeviceMemory? memory)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, MaxThreads);
        return new Device(DeviceKind.Cpu, new CpuBackend(threads, memory));
    }

    /// <summary>The plain loops with memory from elsewhere.</summary>
    internal static Device CreateScalar(DeviceMemory memory) => new(DeviceKind.Scalar, memory: memory);

    /// <summary>Waits until nobody else uses the device; disposing of the result ends the turn.</summary>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    internal Lock.Scope Enter()
    {
        Lock.Scope turn = EnterToFree();
        if (!_disposed)
            return turn;
        turn.Dispose();
        throw new ObjectDisposedException(typeof(Device).FullName);
    }

    /// <summary>The same to free memory, which can be done on a disposed device too.</summary>
    internal Lock.Scope EnterToFree() => _turns.EnterScope();

    private Device Living()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return this;
    }
}
