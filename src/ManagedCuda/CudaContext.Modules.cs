using System.Text;
using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

// Loading code.
public partial class CudaContext
{
    private const int ErrorLogBytes = 16 << 10;

    /// <summary>Loads a module from PTX.</summary>
    /// <param name="moduleImage">The PTX; a zero at the end is added where there is none.</param>
    /// <returns>The module, which belongs to the context.</returns>
    /// <exception cref="CudaException">The driver failed; the message holds what its compiler says.</exception>
    public CUmodule LoadModulePTX(byte[] moduleImage) => LoadModulePTX(moduleImage.AsSpan());

    /// <summary>Loads a module from a file of PTX.</summary>
    /// <param name="modulePath">The file.</param>
    /// <returns>The module, which belongs to the context.</returns>
    /// <exception cref="CudaException">The driver failed; the message holds what its compiler says.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public CUmodule LoadModulePTX(string modulePath) => LoadModulePTX(File.ReadAllBytes(modulePath).AsSpan());

    /// <summary>Loads a module from PTX.</summary>
    /// <param name="moduleImage">The PTX; a zero at the end is added where there is none.</param>
    /// <returns>The module, which belongs to the context.</returns>
    /// <exception cref="CudaException">The driver failed; the message holds what its compiler says.</exception>
    public CUmodule LoadModulePTX(ReadOnlySpan<byte> moduleImage)
    {
        using Scope _ = Enter();
        CUmodule module = Load(moduleImage);
        lock (_modulesLock)
            _modules.Add(module.Pointer, new LoadedModuleHandle(_context, module));
        return module;
    }

    /// <summary>Loads a module from PTX and takes a kernel of it.</summary>
    /// <param name="moduleImage">The PTX.</param>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <exception cref="CudaException">The driver failed, or there is no such kernel.</exception>
    public CudaKernel LoadKernelPTX(byte[] moduleImage, string kernelName) => new(kernelName, LoadModulePTX(moduleImage.AsSpan()), this);

    /// <summary>Loads a module from PTX and takes a kernel of it.</summary>
    /// <param name="moduleImage">The PTX.</param>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <exception cref="CudaException">The driver failed, or there is no such kernel.</exception>
    public CudaKernel LoadKernelPTX(ReadOnlySpan<byte> moduleImage, string kernelName) => new(kernelName, LoadModulePTX(moduleImage), this);

    /// <summary>Loads a module from PTX and takes a kernel of it.</summary>
    /// <param name="moduleImage">The PTX, read to its end.</param>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <exception cref="CudaException">The driver failed, or there is no such kernel.</exception>
    public CudaKernel LoadKernelPTX(Stream moduleImage, string kernelName)
    {
        using var image = new MemoryStream();
        moduleImage.CopyTo(image);
        return LoadKernelPTX(image.GetBuffer().AsSpan(0, (int)image.Length), kernelName);
    }

    /// <summary>Loads a module from a file of PTX and takes a kernel of it.</summary>
    /// <param name="modulePath">The file.</param>
    /// <param name="kernelName">The kernel's name in the PTX.</param>
    /// <exception cref="CudaException">The driver failed, or there is no such kernel.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public CudaKernel LoadKernelPTX(string modulePath, string kernelName) => new(kernelName, LoadModulePTX(modulePath), this);

    /// <summary>Unloads a module of this context; its kernels can no longer be launched.</summary>
    /// <param name="aModule">The module.</param>
    /// <exception cref="ArgumentException">It is not one of this context.</exception>
    public void UnloadModule(CUmodule aModule)
    {
        LoadedModuleHandle? module;
        lock (_modulesLock)
            _modules.Remove(aModule.Pointer, out module);
        if (module == null)
            throw new ArgumentException("The module was not loaded by this context, or is unloaded already.", nameof(aModule));
        module.Dispose();
    }

    /// <summary>Unloads a kernel's module.</summary>
    /// <param name="aKernel">The kernel.</param>
    /// <exception cref="ArgumentException">Its module is not one of this context.</exception>
    public void UnloadKernel(CudaKernel aKernel) => UnloadModule(aKernel.CUModule);

    /// <summary>The owner of a module.</summary>
    /// <param name="module">The module.</param>
    /// <returns>Null where this context did not load it.</returns>
    internal LoadedModuleHandle? OwnerOf(CUmodule module)
    {
        lock (_modulesLock)
            return _modules.GetValueOrDefault(module.Pointer);
    }

    private static unsafe CUmodule Load(ReadOnlySpan<byte> image)
    {
        byte[] terminated = new byte[image.Length + 1];
        image.CopyTo(terminated);
        byte[] log = new byte[ErrorLogBytes];
        fixed (byte* code = terminated, errors = log)
        {
            CUJITOption* options = stackalloc CUJITOption[] { CUJITOption.ErrorLogBufferSizeBytes, CUJITOption.ErrorLogBuffer };
            nint* values = stackalloc nint[] { log.Length, (nint)errors };
            CUmodule module = default;
            CUResult result = Native.ModuleManagement.cuModuleLoadDataEx(ref module, code, 2, options, values);
            if (result == CUResult.Success)
                return module;

            int length = log.AsSpan().IndexOf((byte)0);
            string said = Encoding.UTF8.GetString(log, 0, length < 0 ? log.Length : length).Trim();
            CudaException failure = CudaException.Of(result, nameof(Native.ModuleManagement.cuModuleLoadDataEx));
            throw said.Length == 0 ? failure : new CudaException(result, $"{failure.Message}\n{said}", null);
        }
    }
}
