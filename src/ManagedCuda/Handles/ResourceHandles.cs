using ManagedCuda.BasicTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda.Handles;

/// <summary>Owns a module.</summary>
internal sealed class LoadedModuleHandle(ContextHandle context, CUmodule module) : ContextResource(context, module.Pointer)
{
    /// <inheritdoc/>
    protected override CUResult Release(nint value) => Native.ModuleManagement.cuModuleUnload(new CUmodule { Pointer = value });
}

/// <summary>Owns pinned host memory.</summary>
internal sealed class HostMemoryHandle(ContextHandle context, nint address) : ContextResource(context, address)
{
    /// <inheritdoc/>
    protected override CUResult Release(nint value) => Native.MemoryManagement.cuMemFreeHost(value);
}

/// <summary>Owns a stream.</summary>
internal sealed class StreamHandle(ContextHandle context, CUstream stream) : ContextResource(context, stream.Pointer)
{
    /// <inheritdoc/>
    protected override CUResult Release(nint value) => Native.Streams.cuStreamDestroy_v2(new CUstream { Pointer = value });
}

/// <summary>Owns an event.</summary>
internal sealed class EventHandle(ContextHandle context, CUevent value) : ContextResource(context, value.Pointer)
{
    /// <inheritdoc/>
    protected override CUResult Release(nint value) => Native.Events.cuEventDestroy_v2(new CUevent { Pointer = value });
}

/// <summary>Owns a graph.</summary>
internal sealed class GraphHandle(ContextHandle context, CUgraph graph) : ContextResource(context, graph.Pointer)
{
    /// <inheritdoc/>
    protected override CUResult Release(nint value) => Native.GraphManagment.cuGraphDestroy(new CUgraph { Pointer = value });
}

/// <summary>Owns an executable graph.</summary>
internal sealed class GraphExecHandle(ContextHandle context, CUgraphExec graph) : ContextResource(context, graph.Pointer)
{
    /// <inheritdoc/>
    protected override CUResult Release(nint value) => Native.GraphManagment.cuGraphExecDestroy(new CUgraphExec { Pointer = value });
}
