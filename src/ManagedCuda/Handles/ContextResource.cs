using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda.Handles;

/// <summary>Owns something that lives in a context, and keeps that context alive.</summary>
internal abstract class ContextResource : SafeHandle
{
    private readonly ContextHandle _context;

    /// <summary>Takes over a handle of the driver.</summary>
    /// <param name="context">The context in which it was made.</param>
    /// <param name="value">The handle.</param>
    protected ContextResource(ContextHandle context, nint value)
        : base(0, ownsHandle: true)
    {
        _context = context;
        bool added = false;
        context.DangerousAddRef(ref added);
        SetHandle(value);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The driver's handle.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public nint Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <inheritdoc/>
    protected sealed override bool ReleaseHandle()
    {
        // A finalizer's thread, or another thread of the program, has no context or another one.
        CUResult result = Native.ContextManagement.cuCtxPushCurrent_v2(new CUcontext { Pointer = _context.DangerousGetHandle() });
        if (result == CUResult.Success)
        {
            result = Release(handle);
            CUcontext popped = default;
            _ = Native.ContextManagement.cuCtxPopCurrent_v2(ref popped);
        }

        _context.DangerousRelease();
        return result == CUResult.Success;
    }

    /// <summary>Gives the handle back to the driver; the context is current.</summary>
    /// <param name="value">The handle.</param>
    protected abstract CUResult Release(nint value);
}
