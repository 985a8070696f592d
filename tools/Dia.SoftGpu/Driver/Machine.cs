using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using Dia.SoftGpu.Execution;

namespace Dia.SoftGpu.Driver;

/// <summary>
/// State of the driver, and the rules for all calls: order of checks, failures by request, sticky errors, work that waits in streams
/// until something needs it.
/// </summary>
internal static unsafe class Machine
{
    private static readonly Lock Sync = new();
    private static readonly Dictionary<string, long> Calls = [];
    private static long _allCalls;
    private static long _allocations;
    private static long _injected;
    private static Random? _random;

    [ThreadStatic]
    private static List<Context>? _stack;

    public static bool Initialised { get; set; }

    public static Random Random => _random ??= new Random(Settings.Current.Seed);

    public static List<Capture> Captures { get; } = [];

    public static Dictionary<int, Context> PrimaryContexts { get; } = [];

    public static List<Context> Stack => _stack ??= [];

    public static Context? CurrentOrNull => Stack.Count > 0 ? Stack[^1] : null;

    public static Context Current => CurrentOrNull ?? throw new CudaError(Status.INVALID_CONTEXT);

    /// <summary>How often each function was called, how often device memory was asked for, and how many failures were made by request.</summary>
    public static string CountCalls()
    {
        lock (Sync)
            return $"{string.Join(", ", Calls.Select(c => $"{c.Value} {c.Key}"))}, {_allCalls} calls, {_allocations} allocations, {_injected} injected";
    }

    /// <summary>For tests: as if the process began.</summary>
    public static void Reset(Settings settings)
    {
        lock (Sync)
        {
            Settings.Current = settings;
            Calls.Clear();
            _allCalls = _allocations = _injected = 0;
            _random = null;
            Captures.Clear();
            PrimaryContexts.Clear();
            Stack.Clear();
            Violations.Recent.Clear();
            Initialised = false;
            foreach (nint p in new List<nint>(DeviceMemory.All))
                if (!((Allocation*)p)->Freed)
                    DeviceMemory.Free((Allocation*)p);
        }
    }

    /// <summary>A call of the driver that needs a context.</summary>
    public static int Call(string name, Action body) => Run(name, true, true, body);

    /// <summary>One that needs none.</summary>
    public static int Bare(string name, Action body, bool initialised = true) => Run(name, false, initialised, body);

    private static int Run(string name, bool context, bool initialised, Action body)
    {
        lock (Sync)
        {
            try
            {
                Inject(name);
                if (initialised && !Initialised)
                    return (int)Status.NOT_INITIALIZED;
                if (context)
                {
                    Context c = Current;
                    if (c.Destroyed)
                        return (int)Status.CONTEXT_IS_DESTROYED;
                    if (c.Sticky != Status.SUCCESS)
                        return (int)c.Sticky;
                }
                body();
                return context ? (int)Current.Sticky : 0;
            }
            catch (CudaError e)
            {
                if (CudaError.IsSticky(e.Status) && CurrentOrNull is { } c)
                    c.Sticky = e.Status;
                return (int)e.Status;
            }
            catch (Exception e)
            {
                Violations.Report($"{name}: the software GPU itself failed: {e}", Fault.Misuse);
                return (int)Status.UNKNOWN;
            }
        }
    }

    /// <summary>Failures that the environment asks for.</summary>
    public static void Inject(string name)
    {
        long call = Calls[name] = Calls.GetValueOrDefault(name) + 1;
        if (++_allCalls > Settings.Current.Lost.Call && name is not ("cuGetErrorName" or "cuGetErrorString"))
            throw Injected((Status)Settings.Current.Lost.Status);
        foreach ((string function, long at, int status) in Settings.Current.Failures)
            if (function == name && at == call)
                throw Injected((Status)status);
    }

    private static CudaError Injected(Status status)
    {
        _injected++;
        return new CudaError(status);
    }

    /// <summary>The caller did what a real driver need not notice.</summary>
    public static void Misuse(string what, Status status)
    {
        Violations.Report(what, Fault.Misuse);
        throw new CudaError(status);
    }

    public static ulong AllocateDevice(ulong bytes)
    {
        int device = Current.Device;
        if (++_allocations == Settings.Current.OutOfMemoryAt)
            throw Injected(Status.OUT_OF_MEMORY);
        if (DeviceMemory.UsedOf(device) + bytes > Settings.Current.Memory[device])
            throw new CudaError(Status.OUT_OF_MEMORY);
        return DeviceMemory.Allocate(bytes, MemoryKind.Device, device)->Base;
    }

    // ---- streams

    public static CudaStream StreamOf(nint handle)
    {
        Context c = Current;
        if (handle is 0 or 1) // 1: CU_STREAM_LEGACY
            return c.Default;
        CudaStream s = DriverObject.Get<CudaStream>(handle);
        if (s.Context != c)
            Misuse("a stream of another context is used", Status.INVALID_CONTEXT);
        return s;
    }

    /// <summary>Asks for work in a stream: it waits there, or becomes a node of the graph that the stream captures.</summary>
    public static Operation? Enqueue(CudaStream stream, Action run)
    {
        if (stream.Capture is { } capture)
        {
            if (capture.Invalid)
                throw new CudaError(Status.STREAM_CAPTURE_INVALIDATED);
            var node = new GraphNode(run, stream.Tail);
            capture.Nodes.Add(node);
            stream.Tail = [node];
            return null;
        }
        if (stream == stream.Context.Default)
            RefuseImplicit();
        var operation = new Operation(stream, run);
        operation.After.AddRange(stream.Waits);
        stream.Waits.Clear();
        stream.Pending.Enqueue(operation);
        return operation;
    }

    // The legacy stream would wait for a blocking stream that captures.
    private static void RefuseImplicit()
    {
        foreach (Capture c in Captures)
            foreach (CudaStream s in c.Streams)
                if (!s.NonBlocking)
                {
                    c.Invalid = true;
                    throw new CudaError(Status.STREAM_CAPTURE_IMPLICIT);
                }
    }

    /// <summary>What may not be called while a stream captures (unless relaxed, or for this thread only by another).</summary>
    public static void RefuseWhileCapturing()
    {
        foreach (Capture c in Captures)
            if (c.Mode == 0 || (c.Mode == 1 && c.Thread == Environment.CurrentManagedThreadId))
            {
                c.Invalid = true;
                throw new CudaError(Status.STREAM_CAPTURE_UNSUPPORTED);
            }
    }

    public static void RefuseCapturing(CudaStream s)
    {
        if (s.Capture == null)
            return;
        s.Capture.Invalid = true;
        throw new CudaError(Status.STREAM_CAPTURE_UNSUPPORTED);
    }

    /// <summary>Does the work of a stream up to and with an operation, and whatever that must come after.</summary>
    public static void RunTo(Operation target)
    {
        CudaStream s = target.Stream;
        while (!target.Done)
            RunOne(s);
    }

    public static void RunOne(CudaStream s)
    {
        Operation head = s.Pending.Peek();
        foreach (Operation first in head.After)
            if (!first.Done)
                RunTo(first);
        Context c = s.Context;
        if (s == c.Default)
        {
            foreach (CudaStream other in c.Streams)
                while (other != s && !other.NonBlocking && other.Pending.Count > 0 && other.Pending.Peek().Serial < head.Serial)
                    RunOne(other);
        }
        else if (!s.NonBlocking)
            while (c.Default.Pending.Count > 0 && c.Default.Pending.Peek().Serial < head.Serial)
                RunOne(c.Default);
        if (head.Done)
            return;
        s.Pending.Dequeue();
        if (c.Sticky == Status.SUCCESS)
            head.Run();
        head.Done = true;
        head.Timestamp = Stopwatch.GetTimestamp();
    }

    public static void Finish(CudaStream s)
    {
        while (s.Pending.Count > 0)
            RunOne(s);
    }

    public static void FinishAll(Context c)
    {
        var streams = new List<CudaStream>(c.Streams);
        while (true)
        {
            streams.RemoveAll(s => s.Pending.Count == 0);
            if (streams.Count == 0)
                return;
            RunOne(streams[Random.Next(streams.Count)]);
        }
    }

    public static void LaunchKernel(Context context, Launch launch, byte[] parameters)
    {
        launch.Run(parameters, Random.Next());
        if (launch.Fault == Fault.None)
            return;
        context.Sticky = launch.Fault switch
        {
            Fault.OutOfBounds => Status.ILLEGAL_ADDRESS,
            Fault.Misaligned => Status.MISALIGNED_ADDRESS,
            Fault.Timeout => Status.LAUNCH_TIMEOUT,
            Fault.Trap => Status.ILLEGAL_INSTRUCTION,
            _ => Status.LAUNCH_FAILED,
        };
    }
}
