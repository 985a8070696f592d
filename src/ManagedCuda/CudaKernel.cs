using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using ManagedCuda.VectorTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

/// <summary>
/// A kernel. <see cref="Run"/> and <see cref="RunAsync"/> take objects and allocate;
/// <see cref="Launch(CUstream, in KernelArguments)"/> does not.
/// </summary>
public class CudaKernel
{
    private readonly CudaContext _context;
    private readonly LoadedModuleHandle? _module;
    private readonly CUfunction _function;

    /// <summary>A kernel of a module, with blocks of 16 x 16 threads and a grid of one block until something else is set.</summary>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <param name="module">The module.</param>
    /// <param name="cuda">The module's context.</param>
    /// <exception cref="CudaException">There is no such kernel, or the driver failed.</exception>
    public CudaKernel(string kernelName, CUmodule module, CudaContext cuda)
    {
        _context = cuda;
        _module = cuda.OwnerOf(module);
        KernelName = kernelName;
        CUModule = module;
        CUResult result = Native.ModuleManagement.cuModuleGetFunction(ref _function, module, kernelName);
        if (result == CUResult.ErrorNotFound)
            throw new CudaException(result, $"The module has no kernel '{kernelName}'.", null);
        result.ThrowIfFailed(nameof(Native.ModuleManagement.cuModuleGetFunction));

        MaxThreadsPerBlock = GetAttribute(CUFunctionAttribute.MaxThreadsPerBlock);
        SharedMemory = GetAttribute(CUFunctionAttribute.SharedSizeBytes);
        ConstMemory = GetAttribute(CUFunctionAttribute.ConstSizeBytes);
        LocalMemory = GetAttribute(CUFunctionAttribute.LocalSizeBytes);
        Registers = GetAttribute(CUFunctionAttribute.NumRegs);
        PtxVersion = VersionOf(GetAttribute(CUFunctionAttribute.PTXVersion));
        BinaryVersion = VersionOf(GetAttribute(CUFunctionAttribute.BinaryVersion));
    }

    /// <summary>A kernel of a module.</summary>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <param name="module">The module.</param>
    /// <param name="cuda">The module's context.</param>
    /// <param name="blockDim">Threads of a block.</param>
    /// <exception cref="CudaException">There is no such kernel, or the driver failed.</exception>
    public CudaKernel(string kernelName, CUmodule module, CudaContext cuda, dim3 blockDim)
        : this(kernelName, module, cuda) => BlockDimensions = blockDim;

    /// <summary>A kernel of a module.</summary>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <param name="module">The module.</param>
    /// <param name="cuda">The module's context.</param>
    /// <param name="blockDim">Threads of a block.</param>
    /// <param name="gridDim">Blocks of the grid.</param>
    /// <exception cref="CudaException">There is no such kernel, or the driver failed.</exception>
    public CudaKernel(string kernelName, CUmodule module, CudaContext cuda, dim3 blockDim, dim3 gridDim)
        : this(kernelName, module, cuda, blockDim) => GridDimensions = gridDim;

    /// <summary>Its name in the PTX.</summary>
    public string KernelName { get; }

    /// <summary>Its module.</summary>
    public CUmodule CUModule { get; }

    /// <summary>The driver's handle; valid until the module is unloaded.</summary>
    /// <exception cref="ObjectDisposedException">The module was unloaded, or the context disposed.</exception>
    public CUfunction CUFunction
    {
        get
        {
            ObjectDisposedException.ThrowIf(_module != null && _module.IsClosed, _context);
            return _function;
        }
    }

    /// <summary>Threads of a block.</summary>
    public dim3 BlockDimensions { get; set; } = new(16, 16);

    /// <summary>Blocks of the grid.</summary>
    public dim3 GridDimensions { get; set; } = new(1);

    /// <summary>Dynamic shared memory of a block in bytes; above 48 KiB set <see cref="MaxDynamicSharedSizeBytes"/> first.</summary>
    public uint DynamicSharedMemory { get; set; }

    /// <summary>Most threads of a block, with the registers that the kernel needs.</summary>
    public int MaxThreadsPerBlock { get; }

    /// <summary>Shared memory that the kernel declares, in bytes.</summary>
    public int SharedMemory { get; }

    /// <summary>Constant memory that it declares, in bytes.</summary>
    public int ConstMemory { get; }

    /// <summary>Local memory of a thread in bytes; more than 0 often means spilled registers.</summary>
    public int LocalMemory { get; }

    /// <summary>Registers of a thread.</summary>
    public int Registers { get; }

    /// <summary>The architecture of the PTX; 8.0 is sm_80.</summary>
    public Version PtxVersion { get; }

    /// <summary>The architecture of the machine code.</summary>
    public Version BinaryVersion { get; }

    /// <summary>Most dynamic shared memory of a launch in bytes.</summary>
    /// <exception cref="CudaException">The device has less, or the driver failed.</exception>
    public int MaxDynamicSharedSizeBytes
    {
        get => GetAttribute(CUFunctionAttribute.MaxDynamicSharedSizeBytes);
        set => SetAttribute(CUFunctionAttribute.MaxDynamicSharedSizeBytes, value);
    }

    /// <summary>Wanted share of shared memory in the first-level cache in percent; -1 where nothing was wanted.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    public int PreferredSharedMemoryCarveout
    {
        get => GetAttribute(CUFunctionAttribute.PreferredSharedMemoryCarveout);
        set => SetAttribute(CUFunctionAttribute.PreferredSharedMemoryCarveout, value);
    }

    /// <summary>Sets the grid so that there are at least so many threads with the present blocks.</summary>
    /// <param name="computeSizeX">Threads in x.</param>
    /// <param name="computeSizeY">Threads in y.</param>
    /// <param name="computeSizeZ">Threads in z.</param>
    public void SetComputeSize(uint computeSizeX, uint computeSizeY = 1, uint computeSizeZ = 1) =>
        GridDimensions = new dim3(Blocks(computeSizeX, BlockDimensions.x), Blocks(computeSizeY, BlockDimensions.y), Blocks(computeSizeZ, BlockDimensions.z));

    /// <summary>How many blocks a multiprocessor holds at once.</summary>
    /// <param name="blockSize">Threads of a block.</param>
    /// <param name="dynamicSMemSize">Dynamic shared memory of a block in bytes.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public int GetOccupancyMaxActiveBlocksPerMultiprocessor(int blockSize, SizeT dynamicSMemSize)
    {
        int blocks = 0;
        Native.Occupancy.cuOccupancyMaxActiveBlocksPerMultiprocessor(ref blocks, CUFunction, blockSize, dynamicSMemSize).ThrowIfFailed();
        return blocks;
    }

    /// <summary>Waits for all earlier work, launches in the null stream and waits for the end.</summary>
    /// <param name="parameters">The arguments; their types are exactly those of the kernel's parameters.</param>
    /// <returns>The kernel's time in milliseconds.</returns>
    /// <exception cref="ArgumentException">An argument's type is not covered.</exception>
    /// <exception cref="CudaException">The launch, or the kernel, failed.</exception>
    public virtual float Run(params object[] parameters)
    {
        _context.Synchronize();
        using CudaEvent start = new(), end = new();
        start.Record();
        RunAsync(default, parameters);
        end.Record();
        end.Synchronize();
        return CudaEvent.ElapsedTime(start, end);
    }

    /// <summary>Launches in a stream. A failure of the kernel itself is thrown by a later wait.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="parameters">The arguments; their types are exactly those of the kernel's parameters.</param>
    /// <exception cref="ArgumentException">An argument's type is not covered.</exception>
    /// <exception cref="CudaException">The launch failed.</exception>
    public virtual void RunAsync(CUstream stream, params object[] parameters)
    {
        KernelArguments arguments = default;
        arguments.AddBoxed(parameters);
        Launch(stream, in arguments);
        GC.KeepAlive(parameters);
    }

    /// <summary>
    /// Launches in a stream with the kernel's dimensions, and allocates nothing. A failure of the kernel itself is thrown by a later wait.
    /// </summary>
    /// <param name="stream">The stream.</param>
    /// <param name="arguments">The arguments.</param>
    /// <exception cref="CudaException">The launch failed.</exception>
    public void Launch(CUstream stream, in KernelArguments arguments) =>
        Launch(stream, GridDimensions, BlockDimensions, DynamicSharedMemory, in arguments);

    /// <summary>
    /// Launches in a stream with the kernel's dimensions, and allocates nothing. A failure of the kernel itself is thrown by a later wait.
    /// </summary>
    /// <param name="stream">The stream.</param>
    /// <param name="arguments">The address of each argument's value.</param>
    /// <exception cref="CudaException">The launch failed.</exception>
    public unsafe void Launch(CUstream stream, void** arguments) =>
        Launch(stream, GridDimensions, BlockDimensions, DynamicSharedMemory, arguments);

    /// <summary>
    /// Launches in a stream with other dimensions than the kernel's, which threads share, and allocates nothing. A failure of the
    /// kernel itself is thrown by a later wait.
    /// </summary>
    /// <param name="stream">The stream.</param>
    /// <param name="grid">Blocks of the grid.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="sharedMemory">Dynamic shared memory of a block in bytes.</param>
    /// <param name="arguments">The arguments.</param>
    /// <exception cref="CudaException">The launch failed.</exception>
    public unsafe void Launch(CUstream stream, dim3 grid, dim3 block, uint sharedMemory, in KernelArguments arguments)
    {
        void** pointers = stackalloc void*[KernelArguments.MaxCount];
        fixed (ulong* values = arguments)
        {
            arguments.Point(pointers, (byte*)values);
            Launch(stream, grid, block, sharedMemory, pointers);
        }
    }

    private unsafe void Launch(CUstream stream, dim3 grid, dim3 block, uint sharedMemory, void** arguments)
    {
        CUResult result = Native.Launch.cuLaunchKernel(CUFunction, grid.x, grid.y, grid.z, block.x, block.y, block.z, sharedMemory, stream, arguments, null);
        if (result != CUResult.Success)
        {
            CudaException failure = CudaException.Of(result, nameof(Native.Launch.cuLaunchKernel));
            throw new CudaException(result, $"{failure.Message}: kernel {KernelName}, grid {grid}, block {block}, {sharedMemory} bytes of shared memory", null);
        }
    }

    private static uint Blocks(uint threads, uint block) => (uint)(((ulong)threads + block - 1) / block);

    private static Version VersionOf(int architecture) => new(architecture / 10, architecture % 10);

    private int GetAttribute(CUFunctionAttribute attribute)
    {
        int value = 0;
        Native.FunctionManagement.cuFuncGetAttribute(ref value, attribute, CUFunction).ThrowIfFailed();
        return value;
    }

    private void SetAttribute(CUFunctionAttribute attribute, int value) =>
        Native.FunctionManagement.cuFuncSetAttribute(CUFunction, attribute, value).ThrowIfFailed();
}
