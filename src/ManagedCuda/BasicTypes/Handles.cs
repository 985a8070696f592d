namespace ManagedCuda.BasicTypes;

/// <summary>A device, by its ordinal.</summary>
public struct CUdevice
{
    /// <summary>The ordinal, from 0.</summary>
    public int Pointer;
}

/// <summary>A context: one program's memory, modules and streams on one device.</summary>
public struct CUcontext
{
    /// <summary>The driver's handle; zero: none.</summary>
    public nint Pointer;
}

/// <summary>A module: code loaded into a context.</summary>
public struct CUmodule
{
    /// <summary>The driver's handle; zero: none.</summary>
    public nint Pointer;
}

/// <summary>A kernel of a module.</summary>
public struct CUfunction
{
    /// <summary>The driver's handle; zero: none.</summary>
    public nint Pointer;
}

/// <summary>A stream: work that is done in order. The default value is the context's null stream.</summary>
public struct CUstream
{
    /// <summary>The driver's handle; zero: none.</summary>
    public nint Pointer;
}

/// <summary>An event: a point in a stream's work.</summary>
public struct CUevent
{
    /// <summary>The driver's handle; zero: none.</summary>
    public nint Pointer;
}

/// <summary>A graph: captured work.</summary>
public struct CUgraph
{
    /// <summary>The driver's handle; zero: none.</summary>
    public nint Pointer;
}

/// <summary>An executable graph.</summary>
public struct CUgraphExec
{
    /// <summary>The driver's handle; zero: none.</summary>
    public nint Pointer;
}

/// <summary>An address in device memory.</summary>
public struct CUdeviceptr
{
    /// <summary>The address; 0: none.</summary>
    public SizeT Pointer;

    /// <summary>An address.</summary>
    /// <param name="pointer">The address.</param>
    public CUdeviceptr(SizeT pointer) => Pointer = pointer;

    /// <summary>The address as an integer.</summary>
    /// <param name="pointer">An address.</param>
    public static implicit operator ulong(CUdeviceptr pointer) => pointer.Pointer;
}
