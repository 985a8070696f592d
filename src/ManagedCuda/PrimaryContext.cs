using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;

namespace ManagedCuda;

/// <summary>
/// A device's primary context, which libraries in the process share (the CUDA runtime uses it). It becomes current in the calling
/// thread.
/// </summary>
public sealed class PrimaryContext : CudaContext
{
    /// <summary>The first device's primary context.</summary>
    /// <exception cref="CudaException">There is no driver or no device, or the driver failed.</exception>
    public PrimaryContext()
        : this(0)
    {
    }

    /// <summary>A device's primary context.</summary>
    /// <param name="deviceId">The device's ordinal, from 0.</param>
    /// <exception cref="CudaException">There is no driver or no such device, or the driver failed.</exception>
    public PrimaryContext(int deviceId)
        : base(deviceId, ContextHandle.RetainPrimary) => SetCurrent();
}
