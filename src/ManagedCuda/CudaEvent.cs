using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>An event: a point in a stream's work, to wait for or to measure between.</summary>
public sealed class CudaEvent : IDisposable
{
    private readonly EventHandle _event;

    /// <summary>A new event in the current context.</summary>
    /// <param name="flags">Its properties.</param>
    /// <exception cref="CudaException">No context is current, or the driver failed.</exception>
    public CudaEvent(CUEventFlags flags)
    {
        ContextHandle context = ContextHandle.RequireCurrent();
        CUevent value = default;
        Native.Events.cuEventCreate(ref value, flags).ThrowIfFailed();
        _event = new EventHandle(context, value);
    }

    /// <summary>The driver's handle; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public CUevent Event => new() { Pointer = _event.Value };

    /// <summary>The event happens when a stream's work up to here is done.</summary>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void Record(CUstream stream)
    {
        Native.Events.cuEventRecord(Event, stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Waits for the event.</summary>
    /// <exception cref="CudaException">The driver, or a kernel before the event, failed.</exception>
    public void Synchronize()
    {
        Native.Events.cuEventSynchronize(Event).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Whether the event has happened.</summary>
    /// <exception cref="CudaException">The driver, or a kernel before the event, failed.</exception>
    public bool Query()
    {
        CUResult result = Native.Events.cuEventQuery(Event);
        GC.KeepAlive(this);
        if (result != CUResult.ErrorNotReady)
            result.ThrowIfFailed(nameof(Native.Events.cuEventQuery));
        return result == CUResult.Success;
    }

    /// <summary>The time between two events that have happened.</summary>
    /// <param name="eventStart">The first.</param>
    /// <param name="eventEnd">The second.</param>
    /// <returns>Milliseconds, to about half a microsecond.</returns>
    /// <exception cref="CudaException">One has not happened yet (ErrorNotReady), was never recorded or has no time.</exception>
    public static float ElapsedTime(CudaEvent eventStart, CudaEvent eventEnd)
    {
        float milliseconds = 0;
        Native.Events.cuEventElapsedTime(ref milliseconds, eventStart.Event, eventEnd.Event).ThrowIfFailed();
        GC.KeepAlive(eventStart);
        GC.KeepAlive(eventEnd);
        return milliseconds;
    }

    /// <summary>Destroys the event; streams that wait for it still do.</summary>
    public void Dispose() => _event.Dispose();
}
