using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>A stream: work that is done in order.</summary>
public sealed class CudaStream : IDisposable
{
    private readonly ContextResource _stream;

    /// <summary>A new stream in the current context.</summary>
    /// <param name="flags">Its properties.</param>
    /// <exception cref="CudaException">No context is current, or the driver failed.</exception>
    public CudaStream(CUStreamFlags flags)
    {
        ContextHandle context = ContextHandle.RequireCurrent();
        Native.cuStreamCreate(out nint stream, flags).ThrowIfFailed();
        _stream = new ContextResource(context, stream, static s => Native.cuStreamDestroy_v2(s));
    }

    /// <summary>The driver's handle; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public nint Stream => _stream.Value;

    /// <summary>Waits for the stream's work. What failed in it is thrown here.</summary>
    /// <exception cref="CudaException">The driver, or a kernel, failed.</exception>
    public void Synchronize()
    {
        Native.cuStreamSynchronize(Stream).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Lets further work of the stream wait for an event.</summary>
    /// <param name="cuevent">The event.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void WaitEvent(CudaEvent cuevent)
    {
        Native.cuStreamWaitEvent(Stream, cuevent.Event, 0).ThrowIfFailed();
        GC.KeepAlive(this);
        GC.KeepAlive(cuevent);
    }

    /// <summary>From here on the stream's work is recorded instead of done, until <see cref="EndCapture"/>.</summary>
    /// <param name="mode">Which calls are refused meanwhile.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void BeginCapture(CUstreamCaptureMode mode)
    {
        Native.cuStreamBeginCapture(Stream, mode).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Ends recording.</summary>
    /// <returns>What was recorded.</returns>
    /// <exception cref="CudaException">A call spoiled the capture, or the driver failed.</exception>
    public CudaGraph EndCapture()
    {
        ContextHandle context = ContextHandle.RequireCurrent();
        Native.cuStreamEndCapture(Stream, out nint graph).ThrowIfFailed();
        GC.KeepAlive(this);
        return new CudaGraph(new ContextResource(context, graph, static g => Native.cuGraphDestroy(g)));
    }

    /// <summary>Destroys the stream; work that is under way is still done.</summary>
    public void Dispose() => _stream.Dispose();
}
