using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda.Handles;

/// <summary>Owns something that lives in a context, and keeps that context alive.</summary>
internal sealed class ContextResource : SafeHandle
{
    private readonly ContextHandle _context;
    private readonly Func<nint, CUResult> _release;

    /// <summary>Takes over a handle of the driver.</summary>
    /// <param name="context">The context in which it was made.</param>
    /// <param name="value">The handle.</param>
    /// <param name="release">Gives the handle back to the driver; the context is current.</param>
    public ContextResource(ContextHandle context, nint value, Func<nint, CUResult> release)
        : base(0, ownsHandle: true)
    {
        (_context, _release) = (context, release);
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
    protected override bool ReleaseHandle()
    {
        // A finalizer's thread, or another thread of the program, has no context or another one.
        CUResult result = Native.cuCtxPushCurrent_v2(_context.DangerousGetHandle());
        if (result == CUResult.Success)
        {
            result = _release(handle);
            _ = Native.cuCtxPopCurrent_v2(out _);
        }

        _context.DangerousRelease();
        return result == CUResult.Success;
    }
}
