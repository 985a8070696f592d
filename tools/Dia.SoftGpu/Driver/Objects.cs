using System.Collections.Generic;
using System.Diagnostics;
using Dia.SoftGpu.Execution;

namespace Dia.SoftGpu.Driver;

/// <summary>What a handle stands for. Handles are never used twice, so that a stale one is recognised.</summary>
internal abstract class DriverObject
{
    private static readonly Dictionary<nint, DriverObject> Known = [];
    private static nint _next = 0x5100_0000;

    protected DriverObject()
    {
        Handle = _next += 64;
        Known[Handle] = this;
    }

    public nint Handle { get; }

    public bool Destroyed { get; set; }

    public static IEnumerable<DriverObject> All => Known.Values;

    public static T Get<T>(nint handle) where T : DriverObject =>
        Known.TryGetValue(handle, out DriverObject? o) && o is T t && !t.Destroyed ? t : throw new CudaError(Status.INVALID_HANDLE);

    /// <summary>The object, destroyed or not, if the handle was ever one of this kind.</summary>
    public static T? Find<T>(nint handle) where T : DriverObject => Known.TryGetValue(handle, out DriverObject? o) ? o as T : null;
}

internal sealed class Context : DriverObject
{
    public Context(int device)
    {
        Device = device;
        Default = new CudaStream(this, false);
        Streams.Add(Default);
    }

    public int Device { get; }

    /// <summary>The legacy default stream.</summary>
    public CudaStream Default { get; }

    public List<CudaStream> Streams { get; } = [];

    /// <summary>The error that ended this context.</summary>
    public Status Sticky { get; set; }

    public bool Primary { get; init; }

    public int Retained { get; set; }
}

internal sealed class CudaModule(Context context) : DriverObject
{
    public Context Context { get; } = context;

    public Dictionary<string, CudaFunction> Functions { get; } = [];

    public Dictionary<string, (ulong Address, ulong Bytes)> Globals { get; } = [];

    public List<nint> Allocations { get; } = [];
}

internal sealed class CudaFunction(CudaModule module, Kernel kernel) : DriverObject
{
    public CudaModule Module { get; } = module;

    public Kernel Kernel { get; } = kernel;
}

/// <summary>Work in a stream that has been asked for and not been done.</summary>
internal sealed class Operation(CudaStream stream, Action run)
{
    private static long _serial;

    public CudaStream Stream { get; } = stream;

    public Action Run { get; } = run;

    public long Serial { get; } = ++_serial;

    /// <summary>Records of events that come first.</summary>
    public List<Operation> After { get; } = [];

    public bool Done { get; set; }

    public long Timestamp { get; set; }
}

internal sealed class CudaStream(Context context, bool nonBlocking) : DriverObject
{
    public Context Context { get; } = context;

    public bool NonBlocking { get; } = nonBlocking;

    public Queue<Operation> Pending { get; } = new();

    /// <summary>Event records that the next operation must wait for.</summary>
    public List<Operation> Waits { get; } = [];

    public Capture? Capture { get; set; }

    /// <summary>In a capture: the nodes that the next one comes after.</summary>
    public List<GraphNode> Tail { get; set; } = [];
}

internal sealed class CudaEvent(bool timing) : DriverObject
{
    public bool Timing { get; } = timing;

    public Operation? Record { get; set; }

    public Capture? Capture { get; set; }

    public List<GraphNode> Nodes { get; set; } = [];
}

/// <summary>A capture in progress.</summary>
internal sealed class Capture(CudaStream origin, int mode, int thread)
{
    public CudaStream Origin { get; } = origin;

    /// <summary>0 global, 1 this thread, 2 relaxed.</summary>
    public int Mode { get; } = mode;

    public int Thread { get; } = thread;

    public bool Invalid { get; set; }

    public List<CudaStream> Streams { get; } = [origin];

    public List<GraphNode> Nodes { get; } = [];
}

internal sealed class GraphNode(Action run, List<GraphNode> after)
{
    public Action Run { get; } = run;

    public List<GraphNode> After { get; } = after;
}

internal sealed class CudaGraph(List<GraphNode> nodes) : DriverObject
{
    public List<GraphNode> Nodes { get; } = nodes;
}

internal sealed class CudaGraphExec(List<GraphNode> nodes) : DriverObject
{
    public List<GraphNode> Nodes { get; } = nodes;

    /// <summary>Runs the nodes, each after those it waits for, otherwise in a drawn order.</summary>
    public void Run(Random random)
    {
        var done = new HashSet<GraphNode>();
        var left = new List<GraphNode>(Nodes);
        while (left.Count > 0)
        {
            var ready = new List<GraphNode>();
            foreach (GraphNode n in left)
                if (n.After.TrueForAll(done.Contains))
                {
                    ready.Add(n);
                    if (ready.Count == 4)
                        break; // enough to choose from; a long chain would make this loop quadratic
                }
            GraphNode next = ready[random.Next(ready.Count)];
            next.Run();
            done.Add(next);
            left.Remove(next);
        }
    }
}

internal static class Clock
{
    public static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;
}
