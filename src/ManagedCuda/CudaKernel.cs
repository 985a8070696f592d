using ManagedCuda.BasicTypes;
using ManagedCuda.VectorTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>A kernel.</summary>
public sealed class CudaKernel
{
    private readonly CudaContext _context;
    private readonly nint _function;

    /// <summary>A kernel of a module.</summary>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <param name="module">The module.</param>
    /// <param name="cuda">The module's context.</param>
    /// <exception cref="CudaException">There is no such kernel, or the driver failed.</exception>
    public CudaKernel(string kernelName, nint module, CudaContext cuda)
    {
        _context = cuda;
        KernelName = kernelName;
        CUResult result = Native.cuModuleGetFunction(out _function, module, kernelName);
        if (result == CUResult.ErrorNotFound)
            throw new CudaException(result, $"The module has no kernel '{kernelName}'.", null);
        result.ThrowIfFailed(nameof(Native.cuModuleGetFunction));
    }

    /// <summary>Its name in the PTX.</summary>
    public string KernelName { get; }

    /// <summary>The driver's handle; valid until the context is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The context was disposed.</exception>
    private nint CUFunction
    {
        get
        {
            _ = _context.Context; // throws where it was disposed
            return _function;
        }
    }

    /// <summary>Most dynamic shared memory of a launch in bytes.</summary>
    /// <exception cref="CudaException">The device has less, or the driver failed.</exception>
    public int MaxDynamicSharedSizeBytes
    {
        set => Native.cuFuncSetAttribute(CUFunction, CUFunctionAttribute.MaxDynamicSharedSizeBytes, value).ThrowIfFailed();
    }

    /// <summary>Launches in a stream, and allocates nothing. A failure of the kernel itself is thrown by a later wait.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="grid">Blocks of the grid.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="sharedMemory">Dynamic shared memory of a block in bytes.</param>
    /// <param name="arguments">The arguments.</param>
    /// <exception cref="CudaException">The launch failed.</exception>
    public unsafe void Launch(CudaStream stream, dim3 grid, dim3 block, uint sharedMemory, params ReadOnlySpan<KernelArgument> arguments)
    {
        void** pointers = stackalloc void*[arguments.Length];
        fixed (KernelArgument* values = arguments)
        {
            for (int i = 0; i < arguments.Length; i++)
                pointers[i] = values + i;
            CUResult result = Native.cuLaunchKernel(CUFunction, grid.x, grid.y, grid.z, block.x, block.y, block.z, sharedMemory, stream.Stream, pointers, null);
            if (result != CUResult.Success)
            {
                CudaException failure = CudaException.Of(result, nameof(Native.cuLaunchKernel));
                throw new CudaException(result, $"{failure.Message}: kernel {KernelName}, grid {grid}, block {block}, {sharedMemory} bytes of shared memory",
                    null);
            }
        }
    }
}
