using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>Recorded work of a stream: <see cref="CudaStream.EndCapture"/>.</summary>
public sealed class CudaGraph : IDisposable
{
    private readonly GraphHandle _graph;

    internal CudaGraph(GraphHandle graph) => _graph = graph;

    /// <summary>The driver's handle; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public CUgraph Graph => new() { Pointer = _graph.Value };

    /// <summary>An executable graph, which does not need this one any more.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    /// <exception cref="EntryPointNotFoundException">The driver is older than R470 (CUDA 11.4).</exception>
    public CudaGraphExec Instantiate()
    {
        ContextHandle context = ContextHandle.RequireCurrent();
        CUgraphExec graph = default;
        Native.GraphManagment.cuGraphInstantiate(ref graph, Graph, 0).ThrowIfFailed();
        GC.KeepAlive(this);
        return new CudaGraphExec(new GraphExecHandle(context, graph));
    }

    /// <summary>Destroys the graph; executable graphs made of it stay.</summary>
    public void Dispose() => _graph.Dispose();
}

/// <summary>An executable graph: recorded work that is launched with one call.</summary>
public sealed class CudaGraphExec : IDisposable
{
    private readonly GraphExecHandle _graph;

    internal CudaGraphExec(GraphExecHandle graph) => _graph = graph;

    /// <summary>The driver's handle; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public CUgraphExec Graph => new() { Pointer = _graph.Value };

    /// <summary>Launches the graph: after the stream's work so far, and after its own last launch. Allocates nothing.</summary>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void Launch(CudaStream stream)
    {
        Native.GraphManagment.cuGraphLaunch(Graph, stream.Stream).ThrowIfFailed();
        GC.KeepAlive(this);
        GC.KeepAlive(stream);
    }

    /// <summary>Destroys the executable graph; a launch under way is still done.</summary>
    public void Dispose() => _graph.Dispose();
}
