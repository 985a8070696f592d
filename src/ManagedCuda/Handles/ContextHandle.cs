using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda.Handles;

/// <summary>
/// Owns a context. Everything made in a context holds a reference to it (<see cref="ContextResource"/>), so that a context that is
/// disposed first is destroyed last: the driver never sees a handle of a context that is gone.
/// </summary>
internal sealed class ContextHandle : SafeHandle
{
    // The driver, not the program, says which context is current in a thread: this finds the owner of what it names.
    private static readonly ConcurrentDictionary<nint, WeakReference<ContextHandle>> Owners = new();

    private readonly WeakReference<ContextHandle> _self;
    private readonly CUdevice _device;
    private readonly bool _primary;

    private ContextHandle(CUcontext context, CUdevice device, bool primary, bool owned)
        : base(0, owned)
    {
        _self = new WeakReference<ContextHandle>(this);
        _device = device;
        _primary = primary;
        SetHandle(context.Pointer);
        if (owned)
            Owners[context.Pointer] = _self;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The context.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public CUcontext Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, typeof(CudaContext));
            return new CUcontext { Pointer = handle };
        }
    }

    /// <summary>A new context, current in the calling thread.</summary>
    /// <param name="device">The device.</param>
    /// <param name="flags">How threads wait.</param>
    public static ContextHandle Create(CUdevice device, CUCtxFlags flags)
    {
        CUcontext context = default;
        Native.ContextManagement.cuCtxCreate_v2(ref context, flags, device).ThrowIfFailed();
        return new ContextHandle(context, device, primary: false, owned: true);
    }

    /// <summary>A device's primary context; it does not become current.</summary>
    /// <param name="device">The device.</param>
    public static ContextHandle RetainPrimary(CUdevice device)
    {
        CUcontext context = default;
        Native.DeviceManagement.cuDevicePrimaryCtxRetain(ref context, device).ThrowIfFailed();
        return new ContextHandle(context, device, primary: true, owned: true);
    }

    /// <summary>The calling thread's context. One that this library did not make is never destroyed by it.</summary>
    /// <returns>Null where none is current.</returns>
    public static ContextHandle? Current()
    {
        CUcontext context = default;
        Native.ContextManagement.cuCtxGetCurrent(ref context).ThrowIfFailed();
        if (context.Pointer == 0)
            return null;
        return Owners.TryGetValue(context.Pointer, out WeakReference<ContextHandle>? owner) && owner.TryGetTarget(out ContextHandle? found)
            ? found
            : new ContextHandle(context, default, primary: false, owned: false);
    }

    /// <summary>The same; none is an error.</summary>
    /// <exception cref="CudaException">No context is current.</exception>
    public static ContextHandle RequireCurrent() =>
        Current() ?? throw new CudaException(CUResult.ErrorInvalidContext, "No context is current in this thread: create a CudaContext, or call its SetCurrent.", null);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Owners.TryRemove(new KeyValuePair<nint, WeakReference<ContextHandle>>(handle, _self));
        CUResult result = _primary
            ? Native.DeviceManagement.cuDevicePrimaryCtxRelease_v2(_device)
            : Native.ContextManagement.cuCtxDestroy_v2(new CUcontext { Pointer = handle });
        return result == CUResult.Success;
    }
}
