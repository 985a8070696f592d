using ManagedCuda.BasicTypes;
using ManagedCuda.VectorTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>A kernel.</summary>
public sealed class CudaKernel
{
    private readonly CudaContext _context;
    private readonly CUfunction _function;

    /// <summary>A kernel of a module.</summary>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <param name="module">The module.</param>
    /// <param name="cuda">The module's context.</param>
    /// <exception cref="CudaException">There is no such kernel, or the driver failed.</exception>
    public CudaKernel(string kernelName, CUmodule module, CudaContext cuda)
    {
        _context = cuda;
        KernelName = kernelName;
        CUResult result = Native.ModuleManagement.cuModuleGetFunction(ref _function, module, kernelName);
        if (result == CUResult.ErrorNotFound)
            throw new CudaException(result, $"The module has no kernel '{kernelName}'.", null);
        result.ThrowIfFailed(nameof(Native.ModuleManagement.cuModuleGetFunction));
    }

    /// <summary>Its name in the PTX.</summary>
    public string KernelName { get; }

    /// <summary>The driver's handle; valid until the context is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The context was disposed.</exception>
    public CUfunction CUFunction
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
        set => Native.FunctionManagement.cuFuncSetAttribute(CUFunction, CUFunctionAttribute.MaxDynamicSharedSizeBytes, value).ThrowIfFailed();
    }

    /// <summary>Launches in a stream, and allocates nothing. A failure of the kernel itself is thrown by a later wait.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="grid">Blocks of the grid.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="sharedMemory">Dynamic shared memory of a block in bytes.</param>
    /// <param name="arguments">The arguments.</param>
    /// <exception cref="InvalidOperationException">There are more arguments than a launch has room for.</exception>
    /// <exception cref="CudaException">The launch failed.</exception>
    public unsafe void Launch(CUstream stream, dim3 grid, dim3 block, uint sharedMemory, params ReadOnlySpan<KernelArgument> arguments)
    {
        CheckCount(arguments.Length);
        void** pointers = stackalloc void*[KernelArgument.MaxCount];
        fixed (KernelArgument* values = arguments)
        {
            for (int i = 0; i < arguments.Length; i++)
                pointers[i] = values + i;
            CUResult result = Native.Launch.cuLaunchKernel(CUFunction, grid.x, grid.y, grid.z, block.x, block.y, block.z, sharedMemory, stream, pointers, null);
            if (result != CUResult.Success)
            {
                CudaException failure = CudaException.Of(result, nameof(Native.Launch.cuLaunchKernel));
                throw new CudaException(result, $"{failure.Message}: kernel {KernelName}, grid {grid}, block {block}, {sharedMemory} bytes of shared memory", null);
            }
        }
    }

    /// <summary>Refuses more arguments than a launch has room for.</summary>
    internal static void CheckCount(int arguments)
    {
        if (arguments > KernelArgument.MaxCount)
            throw new InvalidOperationException($"A kernel takes up to {KernelArgument.MaxCount} arguments here.");
    }
}
