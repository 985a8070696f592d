using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>An event: a point in a stream's work, to wait for or to measure between.</summary>
public sealed class CudaEvent : IDisposable
{
    private readonly ContextResource _event;

    /// <summary>A new event in the current context.</summary>
    /// <param name="flags">Its properties.</param>
    /// <exception cref="CudaException">No context is current, or the driver failed.</exception>
    public CudaEvent(CUEventFlags flags)
    {
        ContextHandle context = ContextHandle.RequireCurrent();
        Native.cuEventCreate(out nint value, flags).ThrowIfFailed();
        _event = new ContextResource(context, value, static e => Native.cuEventDestroy_v2(e));
    }

    /// <summary>The driver's handle; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    internal nint Event => _event.Value;

    /// <summary>The event happens when a stream's work up to here is done.</summary>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void Record(CudaStream stream)
    {
        Native.cuEventRecord(Event, stream.Stream).ThrowIfFailed();
        GC.KeepAlive(this);
        GC.KeepAlive(stream);
    }

    /// <summary>Waits for the event.</summary>
    /// <exception cref="CudaException">The driver, or a kernel before the event, failed.</exception>
    public void Synchronize()
    {
        Native.cuEventSynchronize(Event).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Whether the event has happened.</summary>
    /// <exception cref="CudaException">The driver, or a kernel before the event, failed.</exception>
    public bool Query()
    {
        CUResult result = Native.cuEventQuery(Event);
        GC.KeepAlive(this);
        if (result != CUResult.ErrorNotReady)
            result.ThrowIfFailed(nameof(Native.cuEventQuery));
        return result == CUResult.Success;
    }

    /// <summary>The time between two events that have happened.</summary>
    /// <param name="eventStart">The first.</param>
    /// <param name="eventEnd">The second.</param>
    /// <returns>Milliseconds, to about half a microsecond.</returns>
    /// <exception cref="CudaException">One has not happened yet (ErrorNotReady), was never recorded or has no time.</exception>
    public static float ElapsedTime(CudaEvent eventStart, CudaEvent eventEnd)
    {
        Native.cuEventElapsedTime(out float milliseconds, eventStart.Event, eventEnd.Event).ThrowIfFailed();
        GC.KeepAlive(eventStart);
        GC.KeepAlive(eventEnd);
        return milliseconds;
    }

    /// <summary>Destroys the event; streams that wait for it still do.</summary>
    public void Dispose() => _event.Dispose();
}
