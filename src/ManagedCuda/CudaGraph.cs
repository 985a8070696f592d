using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>Recorded work of a stream: <see cref="CudaStream.EndCapture"/>.</summary>
public sealed class CudaGraph : IDisposable
{
    private readonly ContextResource _graph;

    internal CudaGraph(ContextResource graph) => _graph = graph;

    /// <summary>An executable graph, which does not need this one any more.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    /// <exception cref="EntryPointNotFoundException">The driver is older than R470 (CUDA 11.4).</exception>
    public CudaGraphExec Instantiate()
    {
        ContextHandle context = ContextHandle.RequireCurrent();
        Native.cuGraphInstantiate(out nint graph, _graph.Value, 0).ThrowIfFailed();
        GC.KeepAlive(this);
        return new CudaGraphExec(new ContextResource(context, graph, static g => Native.cuGraphExecDestroy(g)));
    }

    /// <summary>Destroys the graph; executable graphs made of it stay.</summary>
    public void Dispose() => _graph.Dispose();
}

/// <summary>An executable graph: recorded work that is launched with one call.</summary>
public sealed class CudaGraphExec : IDisposable
{
    private readonly ContextResource _graph;

    internal CudaGraphExec(ContextResource graph) => _graph = graph;

    /// <summary>Launches the graph: after the stream's work so far, and after its own last launch. Allocates nothing.</summary>
    /// <param name="stream">The stream.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public void Launch(CudaStream stream)
    {
        Native.cuGraphLaunch(_graph.Value, stream.Stream).ThrowIfFailed();
        GC.KeepAlive(this);
        GC.KeepAlive(stream);
    }

    /// <summary>Destroys the executable graph; a launch under way is still done.</summary>
    public void Dispose() => _graph.Dispose();
}
