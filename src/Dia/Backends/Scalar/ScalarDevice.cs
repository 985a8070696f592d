using Dia.Backends.Cpu;

namespace Dia.Backends.Scalar;

/// <summary>The processor in plain loops: the reference that other devices are tested against.</summary>
public sealed class ScalarDevice : Device
{
    private readonly ScalarBackend _backend;

    /// <summary>The plain loops.</summary>
    public ScalarDevice()
    {
    }

    /// <summary>The same with memory from elsewhere.</summary>
    internal ScalarDevice(DeviceMemory memory) => _backend = new ScalarBackend(memory);

    /// <inheritdoc/>
    public override string Name => "scalar (reference loops)";

    /// <inheritdoc/>
    public override DeviceMemory Memory => _backend.Memory;

    /// <inheritdoc/>
    internal override DeviceClock CreateClock() => new CpuClock(1);

    private protected override T Visit<T>(IBackendVisitor<T> visitor) => visitor.Visit(_backend);

    private protected override T VisitTraining<T>(ITrainingVisitor<T> visitor) => visitor.Visit(_backend);

    private protected override void Free()
    {
    }
}
