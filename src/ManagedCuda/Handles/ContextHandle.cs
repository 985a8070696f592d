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

    private ContextHandle(nint context)
        : base(0, ownsHandle: true)
    {
        _self = new WeakReference<ContextHandle>(this);
        SetHandle(context);
        Owners[context] = _self;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The context.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public nint Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, typeof(CudaContext));
            return handle;
        }
    }

    /// <summary>A new context, current in the calling thread.</summary>
    /// <param name="device">The device.</param>
    public static ContextHandle Create(int device)
    {
        Native.cuCtxCreate_v2(out nint context, 0, device).ThrowIfFailed();
        return new ContextHandle(context);
    }

    /// <summary>The calling thread's context.</summary>
    /// <exception cref="CudaException">None of this library's is current.</exception>
    public static ContextHandle RequireCurrent()
    {
        Native.cuCtxGetCurrent(out nint context).ThrowIfFailed();
        return Owners.TryGetValue(context, out WeakReference<ContextHandle>? owner) && owner.TryGetTarget(out ContextHandle? found)
            ? found
            : throw new CudaException(CUResult.ErrorInvalidContext, "No context is current in this thread: create a CudaContext, or call its SetCurrent.",
                null);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Owners.TryRemove(new KeyValuePair<nint, WeakReference<ContextHandle>>(handle, _self));
        return Native.cuCtxDestroy_v2(handle) == CUResult.Success;
    }
}
