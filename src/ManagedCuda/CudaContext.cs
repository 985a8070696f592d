using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>
/// A context on a device: what is allocated, loaded and launched belongs to one. The constructor makes it current in the calling
/// thread, where memory, streams and events are made in it; another thread calls <see cref="SetCurrent"/> first.
/// A context that is disposed before what was made in it goes once the last of that is disposed.
/// </summary>
public partial class CudaContext : IDisposable
{
    private readonly ContextHandle _context;
    private readonly Dictionary<nint, LoadedModuleHandle> _modules = [];
    private readonly Lock _modulesLock = new();

    /// <summary>A new context on the first device.</summary>
    /// <exception cref="CudaException">There is no driver or no device, or the driver failed.</exception>
    public CudaContext()
        : this(0, CUCtxFlags.SchedAuto, true)
    {
    }

    /// <summary>A context on the first device.</summary>
    /// <param name="createNew">False: the one that is current, if there is one.</param>
    /// <exception cref="CudaException">There is no driver or no device, or the driver failed.</exception>
    public CudaContext(bool createNew)
        : this(0, CUCtxFlags.SchedAuto, createNew)
    {
    }

    /// <summary>A new context.</summary>
    /// <param name="deviceId">The device's ordinal, from 0.</param>
    /// <exception cref="CudaException">There is no driver or no such device, or the driver failed.</exception>
    public CudaContext(int deviceId)
        : this(deviceId, CUCtxFlags.SchedAuto, true)
    {
    }

    /// <summary>A context.</summary>
    /// <param name="deviceId">The device's ordinal, from 0.</param>
    /// <param name="createNew">False: the one that is current, if there is one.</param>
    /// <exception cref="CudaException">There is no driver or no such device, or the driver failed.</exception>
    public CudaContext(int deviceId, bool createNew)
        : this(deviceId, CUCtxFlags.SchedAuto, createNew)
    {
    }

    /// <summary>A new context.</summary>
    /// <param name="deviceId">The device's ordinal, from 0.</param>
    /// <param name="flags">How threads wait for the device.</param>
    /// <exception cref="CudaException">There is no driver or no such device, or the driver failed.</exception>
    public CudaContext(int deviceId, CUCtxFlags flags)
        : this(deviceId, flags, true)
    {
    }

    /// <summary>A context.</summary>
    /// <param name="deviceId">The device's ordinal, from 0.</param>
    /// <param name="flags">How threads wait for the device.</param>
    /// <param name="createNew">False: the one that is current, if there is one.</param>
    /// <exception cref="CudaException">There is no driver or no such device, or the driver failed.</exception>
    public CudaContext(int deviceId, CUCtxFlags flags, bool createNew)
    {
        Device = DeviceOf(deviceId);
        ContextHandle? current = createNew ? null : ContextHandle.Current();
        IsContextOwner = current == null;
        _context = current ?? ContextHandle.Create(Device, flags);
    }

    private protected CudaContext(int deviceId, Func<CUdevice, ContextHandle> create)
    {
        Device = DeviceOf(deviceId);
        IsContextOwner = true;
        _context = create(Device);
    }

    /// <summary>The driver's handle.</summary>
    /// <exception cref="ObjectDisposedException">The context was disposed.</exception>
    public CUcontext Context => _context.Value;

    /// <summary>The device.</summary>
    public CUdevice Device { get; }

    /// <summary>The device's ordinal.</summary>
    public int DeviceId => Device.Pointer;

    /// <summary>Whether disposing this destroys the context.</summary>
    public bool IsContextOwner { get; }

    /// <summary>Makes the context current in the calling thread.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void SetCurrent() => Native.ContextManagement.cuCtxSetCurrent(Context).ThrowIfFailed();

    /// <summary>Makes the context current in the calling thread until <see cref="PopContext"/>.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void PushContext() => Native.ContextManagement.cuCtxPushCurrent_v2(Context).ThrowIfFailed();

    /// <summary>Makes the context current that was so before <see cref="PushContext"/>.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void PopContext()
    {
        CUcontext popped = default;
        Native.ContextManagement.cuCtxPopCurrent_v2(ref popped).ThrowIfFailed();
    }

    /// <summary>Waits for all work of the context. What failed since the last wait is thrown here.</summary>
    /// <exception cref="CudaException">The driver, or a kernel, failed.</exception>
    public void Synchronize()
    {
        using Scope _ = Enter();
        Native.ContextManagement.cuCtxSynchronize().ThrowIfFailed();
    }

    /// <summary>Unloads the modules and destroys the context, once what else was made in it is disposed.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes what the context holds.</summary>
    /// <param name="fDisposing">True: called by the program, not by the garbage collector.</param>
    protected virtual void Dispose(bool fDisposing)
    {
        if (!fDisposing)
            return;
        lock (_modulesLock)
        {
            foreach (LoadedModuleHandle module in _modules.Values)
                module.Dispose();
            _modules.Clear();
        }

        if (IsContextOwner)
            _context.Dispose();
    }

    /// <summary>Makes the context current until the scope ends: methods work in whatever thread they are called.</summary>
    private Scope Enter()
    {
        Native.ContextManagement.cuCtxPushCurrent_v2(Context).ThrowIfFailed();
        return default;
    }

    private readonly ref struct Scope : IDisposable
    {
        public void Dispose()
        {
            CUcontext popped = default;
            _ = Native.ContextManagement.cuCtxPopCurrent_v2(ref popped);
        }
    }
}
