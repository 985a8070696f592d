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
    private readonly List<ContextResource> _modules = [];
    private readonly Lock _modulesLock = new();

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

    /// <summary>Unloads the modules and destroys the context, once what else was made in it is disposed.</summary>
    public void Dispose()
    {
        lock (_modulesLock)
        {
            foreach (ContextResource module in _modules)
                module.Dispose();
            _modules.Clear();
        }

        _context.Dispose();
    }

    /// <summary>Makes the context current until the scope ends: methods work in whatever thread they are called.</summary>
    private Scope Enter()
    {
        Native.cuCtxPushCurrent_v2(Context).ThrowIfFailed();
        return default;
    }

    private readonly ref struct Scope : IDisposable
    {
        public void Dispose() => _ = Native.cuCtxPopCurrent_v2(out _);
    }
}
