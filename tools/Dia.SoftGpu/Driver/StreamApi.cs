using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Dia.SoftGpu.Driver;

/// <summary>Entry points: streams, events, capture, graphs.</summary>
internal static unsafe class StreamApi
{
    [UnmanagedCallersOnly(EntryPoint = "cuStreamCreate")]
    public static int StreamCreate(nint* stream, uint flags) => Machine.Call("cuStreamCreate", () =>
    {
        if (flags > 1)
            throw new CudaError(Status.INVALID_VALUE);
        var s = new CudaStream(Machine.Current, flags == 1);
        Machine.Current.Streams.Add(s);
        *stream = s.Handle;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamDestroy_v2")]
    public static int StreamDestroy(nint stream) => Machine.Call("cuStreamDestroy_v2", () =>
    {
        CudaStream s = DriverObject.Get<CudaStream>(stream);
        if (s.Capture != null)
            Machine.Misuse("a stream is destroyed while it captures", Status.ILLEGAL_STATE);
        s.Destroyed = true; // what it still has to do is done
        Machine.Finish(s);
        s.Context.Streams.Remove(s);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamSynchronize")]
    public static int StreamSynchronize(nint stream) => Machine.Call("cuStreamSynchronize", () =>
    {
        CudaStream s = Machine.StreamOf(stream);
        Machine.RefuseCapturing(s);
        if (s == s.Context.Default)
            Machine.RefuseWhileCapturing();
        Machine.Finish(s);
        if (s == s.Context.Default)
            foreach (CudaStream other in new List<CudaStream>(s.Context.Streams))
                if (!other.NonBlocking)
                    Machine.Finish(other);
    });

    // A stream with work is asked again and again: each time one piece gets done.
    [UnmanagedCallersOnly(EntryPoint = "cuStreamQuery")]
    public static int StreamQuery(nint stream) => Machine.Call("cuStreamQuery", () =>
    {
        CudaStream s = Machine.StreamOf(stream);
        Machine.RefuseCapturing(s);
        if (s.Pending.Count == 0)
            return;
        Machine.RunOne(s);
        if (Machine.Current.Sticky == Status.SUCCESS)
            throw new CudaError(Status.NOT_READY);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamWaitEvent")]
    public static int StreamWaitEvent(nint stream, nint handle, uint flags) => Machine.Call("cuStreamWaitEvent", () =>
    {
        _ = flags;
        CudaStream s = Machine.StreamOf(stream);
        CudaEvent e = DriverObject.Get<CudaEvent>(handle);
        if (e.Capture != null)
        {
            if (!Machine.Captures.Contains(e.Capture))
                throw new CudaError(Status.CAPTURED_EVENT);
            if (s.Capture != null && s.Capture != e.Capture)
                throw new CudaError(Status.STREAM_CAPTURE_MERGE);
            if (s.Capture == null)
            {
                s.Capture = e.Capture;
                s.Tail = [];
                e.Capture.Streams.Add(s);
            }
            s.Tail = [.. s.Tail, .. e.Nodes];
        }
        else if (s.Capture != null)
        {
            if (e.Record != null)
            {
                s.Capture.Invalid = true;
                throw new CudaError(Status.STREAM_CAPTURE_ISOLATION);
            }
        }
        else if (e.Record is { Done: false })
            s.Waits.Add(e.Record);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventCreate")]
    public static int EventCreate(nint* handle, uint flags) => Machine.Call("cuEventCreate", () =>
    {
        if (flags > 7)
            throw new CudaError(Status.INVALID_VALUE);
        *handle = new CudaEvent((flags & 2) == 0).Handle;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventRecord")]
    public static int EventRecord(nint handle, nint stream) => Machine.Call("cuEventRecord", () =>
    {
        CudaEvent e = DriverObject.Get<CudaEvent>(handle);
        CudaStream s = Machine.StreamOf(stream);
        if (s.Capture != null)
        {
            if (s.Capture.Invalid)
                throw new CudaError(Status.STREAM_CAPTURE_INVALIDATED);
            e.Capture = s.Capture;
            e.Nodes = s.Tail;
            e.Record = null;
            return;
        }
        e.Capture = null;
        e.Record = Machine.Enqueue(s, () => { });
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventQuery")]
    public static int EventQuery(nint handle) => Machine.Call("cuEventQuery", () =>
    {
        CudaEvent e = Uncaptured(handle);
        if (e.Record is null or { Done: true })
            return;
        Machine.RunOne(e.Record.Stream);
        if (Machine.Current.Sticky == Status.SUCCESS)
            throw new CudaError(Status.NOT_READY);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventSynchronize")]
    public static int EventSynchronize(nint handle) => Machine.Call("cuEventSynchronize", () =>
    {
        CudaEvent e = Uncaptured(handle);
        if (e.Record is { Done: false })
            Machine.RunTo(e.Record);
    });

    private static CudaEvent Uncaptured(nint handle)
    {
        CudaEvent e = DriverObject.Get<CudaEvent>(handle);
        if (e.Capture == null)
            return e;
        e.Capture.Invalid = true;
        throw new CudaError(Status.CAPTURED_EVENT);
    }

    [UnmanagedCallersOnly(EntryPoint = "cuEventElapsedTime")]
    public static int EventElapsedTime(float* milliseconds, nint from, nint to) => Machine.Call("cuEventElapsedTime", () =>
    {
        CudaEvent a = DriverObject.Get<CudaEvent>(from), b = DriverObject.Get<CudaEvent>(to);
        if (!a.Timing || !b.Timing || a.Record == null || b.Record == null)
            throw new CudaError(Status.INVALID_HANDLE);
        if (!a.Record.Done || !b.Record.Done)
            throw new CudaError(Status.NOT_READY);
        *milliseconds = (float)Clock.Milliseconds(a.Record.Timestamp, b.Record.Timestamp);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventDestroy_v2")]
    public static int EventDestroy(nint handle) => Machine.Call("cuEventDestroy_v2", () => DriverObject.Get<CudaEvent>(handle).Destroyed = true);

    [UnmanagedCallersOnly(EntryPoint = "cuStreamBeginCapture_v2")]
    public static int StreamBeginCapture(nint stream, int mode) => Machine.Call("cuStreamBeginCapture_v2", () =>
    {
        CudaStream s = Machine.StreamOf(stream);
        if (mode is < 0 or > 2)
            throw new CudaError(Status.INVALID_VALUE);
        if (s == s.Context.Default)
            throw new CudaError(Status.STREAM_CAPTURE_UNSUPPORTED);
        if (s.Capture != null)
            throw new CudaError(Status.ILLEGAL_STATE);
        s.Capture = new Capture(s, mode, Environment.CurrentManagedThreadId);
        s.Tail = [];
        Machine.Captures.Add(s.Capture);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamEndCapture")]
    public static int StreamEndCapture(nint stream, nint* graph)
    {
        int status = Machine.Call("cuStreamEndCapture", () => EndCapture(stream, graph));

        // However a capture ends, it ends: also by a failure that was asked for.
        if (status != 0 && Machine.CurrentOrNull is { } context && context.Streams.Find(s => s.Handle == stream)?.Capture is { } capture
            && status is not ((int)Status.STREAM_CAPTURE_UNMATCHED or (int)Status.STREAM_CAPTURE_WRONG_THREAD))
        {
            Abandon(capture);
        }
        return status;
    }

    private static void Abandon(Capture capture)
    {
        foreach (CudaStream member in capture.Streams)
        {
            member.Capture = null;
            member.Tail = [];
        }
        Machine.Captures.Remove(capture);
    }

    private static void EndCapture(nint stream, nint* graph)
    {
        *graph = 0;
        CudaStream s = Machine.StreamOf(stream);
        Capture c = s.Capture ?? throw new CudaError(Status.ILLEGAL_STATE);
        if (c.Origin != s)
            throw new CudaError(Status.STREAM_CAPTURE_UNMATCHED);
        if (c.Mode != 2 && c.Thread != Environment.CurrentManagedThreadId)
            throw new CudaError(Status.STREAM_CAPTURE_WRONG_THREAD);
        // Joined: everything captured comes before the end of the first stream.
        var reached = new HashSet<GraphNode>();
        var open = new Stack<GraphNode>(s.Tail);
        while (open.TryPop(out GraphNode? n))
            if (reached.Add(n))
                n.After.ForEach(open.Push);
        bool unjoined = false;
        foreach (CudaStream member in c.Streams)
            if (member != s)
                unjoined |= !member.Tail.TrueForAll(reached.Contains);
        Abandon(c);
        if (c.Invalid)
            throw new CudaError(Status.STREAM_CAPTURE_INVALIDATED);
        if (unjoined)
            throw new CudaError(Status.STREAM_CAPTURE_UNJOINED);
        *graph = new CudaGraph(c.Nodes).Handle;
    }

    [UnmanagedCallersOnly(EntryPoint = "cuStreamIsCapturing")]
    public static int StreamIsCapturing(nint stream, int* status) => Machine.Call("cuStreamIsCapturing", () =>
    {
        CudaStream s = Machine.StreamOf(stream);
        *status = s.Capture == null ? 0 : s.Capture.Invalid ? 2 : 1;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphInstantiateWithFlags")]
    public static int GraphInstantiate(nint* exec, nint graph, ulong flags) => Machine.Call("cuGraphInstantiateWithFlags", () =>
    {
        if (Settings.Current.DriverVersion < 11040)
            throw new CudaError(Status.NOT_SUPPORTED);
        if (flags > 1)
            throw new CudaError(Status.INVALID_VALUE);
        *exec = new CudaGraphExec(DriverObject.Get<CudaGraph>(graph).Nodes).Handle;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphLaunch")]
    public static int GraphLaunch(nint exec, nint stream) => Machine.Call("cuGraphLaunch", () =>
    {
        CudaGraphExec e = DriverObject.Get<CudaGraphExec>(exec);
        Machine.Enqueue(Machine.StreamOf(stream), () => e.Run(Machine.Random));
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphExecDestroy")]
    public static int GraphExecDestroy(nint exec) => Machine.Call("cuGraphExecDestroy", () => DriverObject.Get<CudaGraphExec>(exec).Destroyed = true);

    [UnmanagedCallersOnly(EntryPoint = "cuGraphDestroy")]
    public static int GraphDestroy(nint graph) => Machine.Call("cuGraphDestroy", () => DriverObject.Get<CudaGraph>(graph).Destroyed = true);
}
