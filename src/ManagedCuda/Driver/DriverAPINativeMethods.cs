#pragma warning disable IDE1006 // The names are the driver's.
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>
/// The driver's functions as they are (cuda.h), each returning a status; the classes of this library call them and check it. They
/// are bound at the first call of each, so that a program starts where there is no driver: see <see cref="CudaContext.TryLoad"/>.
/// </summary>
public static unsafe partial class DriverAPINativeMethods
{
    internal const string CUDA_DRIVER_API_DLL_NAME = "libcuda.so.1";

    /// <summary>Initialises the driver; before any other call, as often as one likes.</summary>
    /// <param name="flags">0.</param>
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    public static partial CUResult cuInit(uint flags);

    /// <summary>The CUDA version of the driver.</summary>
    /// <param name="driverVersion">1000 * major + 10 * minor.</param>
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    public static partial CUResult cuDriverGetVersion(ref int driverVersion);

    /// <summary>Names of statuses.</summary>
    public static partial class ErrorHandling
    {
        /// <summary>What a status means, in words.</summary>
        /// <param name="error">A status.</param>
        /// <param name="pStr">Address of text with a zero at the end, which is the driver's.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuGetErrorString(CUResult error, ref nint pStr);

        /// <summary>The name of a status.</summary>
        /// <param name="error">A status.</param>
        /// <param name="pStr">Address of text with a zero at the end, which is the driver's.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuGetErrorName(CUResult error, ref nint pStr);
    }

    /// <summary>Devices.</summary>
    public static partial class DeviceManagement
    {
        /// <summary>The device of an ordinal.</summary>
        /// <param name="device">The device.</param>
        /// <param name="ordinal">From 0.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuDeviceGet(ref CUdevice device, int ordinal);

        /// <summary>How many devices there are.</summary>
        /// <param name="count">The number.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuDeviceGetCount(ref int count);

        /// <summary>A device's name.</summary>
        /// <param name="name">Where it goes, with a zero at the end.</param>
        /// <param name="len">Bytes there.</param>
        /// <param name="dev">The device.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuDeviceGetName(byte* name, int len, CUdevice dev);

        /// <summary>A property of a device.</summary>
        /// <param name="pi">The property.</param>
        /// <param name="attrib">Which.</param>
        /// <param name="dev">The device.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuDeviceGetAttribute(ref int pi, CUDeviceAttribute attrib, CUdevice dev);
    }

    /// <summary>Contexts.</summary>
    public static partial class ContextManagement
    {
        /// <summary>A new context, current in the calling thread.</summary>
        /// <param name="pctx">The context.</param>
        /// <param name="flags">0: the driver chooses how threads wait for the device.</param>
        /// <param name="dev">The device.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuCtxCreate_v2(ref CUcontext pctx, uint flags, CUdevice dev);

        /// <summary>Destroys a context and everything in it.</summary>
        /// <param name="ctx">The context.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuCtxDestroy_v2(CUcontext ctx);

        /// <summary>Makes a context current in the calling thread.</summary>
        /// <param name="ctx">The context.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuCtxSetCurrent(CUcontext ctx);

        /// <summary>The calling thread's current context.</summary>
        /// <param name="pctx">The context; zero: none.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuCtxGetCurrent(ref CUcontext pctx);

        /// <summary>Makes a context current and remembers the one before it.</summary>
        /// <param name="ctx">The context.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuCtxPushCurrent_v2(CUcontext ctx);

        /// <summary>Returns to the context before.</summary>
        /// <param name="pctx">The context that was current.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuCtxPopCurrent_v2(ref CUcontext pctx);
    }
}
