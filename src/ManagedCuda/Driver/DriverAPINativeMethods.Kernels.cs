#pragma warning disable IDE1006 // The names are the driver's.
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;

namespace ManagedCuda;

public static unsafe partial class DriverAPINativeMethods
{
    /// <summary>Modules.</summary>
    public static partial class ModuleManagement
    {
        /// <summary>Loads a module, with options of the compiler.</summary>
        /// <param name="module">The module.</param>
        /// <param name="image">PTX with a zero at the end, or machine code.</param>
        /// <param name="numOptions">How many options.</param>
        /// <param name="options">The options.</param>
        /// <param name="optionValues">Their values, which the driver may change.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuModuleLoadDataEx(ref CUmodule module, byte* image, uint numOptions, CUJITOption* options, nint* optionValues);

        /// <summary>Unloads a module.</summary>
        /// <param name="hmod">The module.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuModuleUnload(CUmodule hmod);

        /// <summary>A kernel by its name.</summary>
        /// <param name="hfunc">The kernel.</param>
        /// <param name="hmod">The module.</param>
        /// <param name="name">The name.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME, StringMarshalling = StringMarshalling.Utf8)]
        public static partial CUResult cuModuleGetFunction(ref CUfunction hfunc, CUmodule hmod, string name);
    }

    /// <summary>Kernels.</summary>
    public static partial class FunctionManagement
    {
        /// <summary>Sets a property of a kernel.</summary>
        /// <param name="hfunc">The kernel.</param>
        /// <param name="attrib">Which.</param>
        /// <param name="value">The property.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuFuncSetAttribute(CUfunction hfunc, CUFunctionAttribute attrib, int value);
    }

    /// <summary>Launches.</summary>
    public static partial class Launch
    {
        /// <summary>Launches a kernel.</summary>
        /// <param name="f">The kernel.</param>
        /// <param name="gridDimX">Blocks in x.</param>
        /// <param name="gridDimY">Blocks in y.</param>
        /// <param name="gridDimZ">Blocks in z.</param>
        /// <param name="blockDimX">Threads of a block in x.</param>
        /// <param name="blockDimY">Threads of a block in y.</param>
        /// <param name="blockDimZ">Threads of a block in z.</param>
        /// <param name="sharedMemBytes">Dynamic shared memory of a block in bytes.</param>
        /// <param name="hStream">The stream.</param>
        /// <param name="kernelParams">The address of each argument's value; they are copied before the call returns.</param>
        /// <param name="extra">Null.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuLaunchKernel(CUfunction f, uint gridDimX, uint gridDimY, uint gridDimZ, uint blockDimX, uint blockDimY,
            uint blockDimZ, uint sharedMemBytes, CUstream hStream, void** kernelParams, void** extra);
    }
}
