using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>
/// A context on a device: what is allocated, loaded and launched belongs to one. The constructor makes it current in the calling
/// thread, where memory, streams and events are made in it; another thread calls <see cref="SetCurrent"/> first.
/// A context that is disposed before what was made in it goes once the last of that is disposed.
/// </summary>
public sealed partial class CudaContext : IDisposable
{
    private readonly int _device;
    private readonly ContextHandle _context;

    /// <summary>A new context.</summary>
    /// <param name="deviceId">The device's ordinal, from 0.</param>
    /// <exception cref="CudaException">There is no driver or no such device, or the driver failed.</exception>
    public CudaContext(int deviceId)
    {
        _device = DeviceOf(deviceId);
        _context = ContextHandle.Create(_device);
    }

    /// <summary>The driver's handle.</summary>
    /// <exception cref="ObjectDisposedException">The context was disposed.</exception>
    internal nint Context => _context.Value;

    /// <summary>Makes the context current in the calling thread.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void SetCurrent() => Native.cuCtxSetCurrent(Context).ThrowIfFailed();

    /// <summary>Destroys the context, its modules with it, once what else was made in it is disposed.</summary>
    public void Dispose() => _context.Dispose();
}
