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

/// <summary>A device's identity, the same in every process and container.</summary>
public unsafe struct CUuuid
{
    /// <summary>Its bytes in the order they are printed.</summary>
    public fixed byte bytes[16];

    /// <summary>"GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", as nvidia-smi prints it.</summary>
    public override readonly string ToString()
    {
        fixed (byte* first = bytes)
            return $"GPU-{new Guid(new ReadOnlySpan<byte>(first, 16), bigEndian: true):D}";
    }
}

/// <summary>An address in device memory.</summary>
public struct CUdeviceptr : IEquatable<CUdeviceptr>
{
    /// <summary>The address; 0: none.</summary>
    public SizeT Pointer;

    /// <summary>An address.</summary>
    /// <param name="pointer">The address.</param>
    public CUdeviceptr(SizeT pointer) => Pointer = pointer;

    /// <summary>The address as an integer.</summary>
    /// <param name="pointer">An address.</param>
    public static implicit operator ulong(CUdeviceptr pointer) => pointer.Pointer;

    /// <summary>An integer as an address.</summary>
    /// <param name="address">The address.</param>
    public static explicit operator CUdeviceptr(ulong address) => new(address);

    /// <summary>The address some bytes further on.</summary>
    /// <param name="pointer">An address.</param>
    /// <param name="bytes">How far.</param>
    public static CUdeviceptr operator +(CUdeviceptr pointer, SizeT bytes) => new(pointer.Pointer + bytes);

    /// <summary>The address some bytes before.</summary>
    /// <param name="pointer">An address.</param>
    /// <param name="bytes">How far.</param>
    public static CUdeviceptr operator -(CUdeviceptr pointer, SizeT bytes) => new(pointer.Pointer - bytes);

    /// <summary>Whether two addresses are equal.</summary>
    /// <param name="left">An address.</param>
    /// <param name="right">An address.</param>
    public static bool operator ==(CUdeviceptr left, CUdeviceptr right) => left.Pointer == right.Pointer;

    /// <summary>Whether two addresses differ.</summary>
    /// <param name="left">An address.</param>
    /// <param name="right">An address.</param>
    public static bool operator !=(CUdeviceptr left, CUdeviceptr right) => left.Pointer != right.Pointer;

    /// <inheritdoc/>
    public readonly bool Equals(CUdeviceptr other) => Pointer == other.Pointer;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is CUdeviceptr other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => Pointer.GetHashCode();

    /// <summary>The address in hexadecimal digits.</summary>
    public override readonly string ToString() => $"0x{(ulong)Pointer:x}";
}
