#pragma warning disable IDE1006 // The names are the driver's.
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>
/// The functions of the driver that are used, as they are (cuda.h), each returning a status. Handles and addresses of either memory are as wide as
/// pointers. The classes of this library call them and check the status; those for memory are left to the program. They are bound at the first call
/// of each, so that a program starts where there is no driver: see <see cref="CudaContext.TryLoad"/>.
/// </summary>
public static unsafe partial class DriverAPINativeMethods
{
    internal const string CUDA_DRIVER_API_DLL_NAME = "libcuda.so.1";

    // ---- Memory ----

    /// <summary>Allocates device memory; its contents are undefined.</summary>
    /// <param name="dptr">Its address, a multiple of 256.</param>
    /// <param name="bytesize">Bytes, not 0.</param>
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    public static partial CUResult cuMemAlloc_v2(out void* dptr, nuint bytesize);

    /// <summary>Frees device memory, after the work that uses it.</summary>
    /// <param name="dptr">Its address.</param>
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    public static partial CUResult cuMemFree_v2(void* dptr);

    /// <summary>
    /// Copies from the host to the device in a stream. Host memory must be pinned and stay untouched until the stream got there; so in what follows.
    /// </summary>
    /// <param name="dstDevice">To.</param>
    /// <param name="srcHost">From.</param>
    /// <param name="byteCount">Bytes.</param>
    /// <param name="hStream">The stream.</param>
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    public static partial CUResult cuMemcpyHtoDAsync_v2(void* dstDevice, void* srcHost, nuint byteCount, nint hStream);

    /// <summary>Copies from the device to the host.</summary>
    /// <param name="dstHost">To.</param>
    /// <param name="srcDevice">From.</param>
    /// <param name="byteCount">Bytes.</param>
    /// <param name="hStream">The stream.</param>
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    public static partial CUResult cuMemcpyDtoHAsync_v2(void* dstHost, void* srcDevice, nuint byteCount, nint hStream);

    /// <summary>Copies within the device.</summary>
    /// <param name="dstDevice">To.</param>
    /// <param name="srcDevice">From.</param>
    /// <param name="byteCount">Bytes.</param>
    /// <param name="hStream">The stream.</param>
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    public static partial CUResult cuMemcpyDtoDAsync_v2(void* dstDevice, void* srcDevice, nuint byteCount, nint hStream);

    /// <summary>Fills device memory with a word of 32 bits in a stream.</summary>
    /// <param name="dstDevice">To, a multiple of 4.</param>
    /// <param name="ui">The word.</param>
    /// <param name="n">Words.</param>
    /// <param name="hStream">The stream.</param>
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    public static partial CUResult cuMemsetD32Async(void* dstDevice, uint ui, nuint n, nint hStream);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuMemGetInfo_v2(out nuint free, out nuint total);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuMemHostAlloc(out nint pp, nuint bytesize, CUMemHostAllocFlags flags);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuMemFreeHost(nint p);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuMemHostGetDevicePointer_v2(out void* pdptr, nint p, uint flags);

    // ---- The driver, devices and contexts ----

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuInit(uint flags);

    // 1000 * major + 10 * minor
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuDriverGetVersion(out int driverVersion);

    // The texts are the driver's, with a zero at the end.
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuGetErrorString(CUResult error, out nint pStr);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuGetErrorName(CUResult error, out nint pStr);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuDeviceGet(out int device, int ordinal);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuDeviceGetCount(out int count);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuDeviceGetName(byte* name, int len, int dev);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuDeviceGetAttribute(out int pi, CUDeviceAttribute attrib, int dev);

    // With no flags the driver chooses how threads wait for the device.
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuCtxCreate_v2(out nint pctx, uint flags, int dev);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuCtxDestroy_v2(nint ctx);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuCtxSetCurrent(nint ctx);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuCtxGetCurrent(out nint pctx);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuCtxPushCurrent_v2(nint ctx);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuCtxPopCurrent_v2(out nint pctx);

    // ---- Modules and kernels ----

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuModuleLoadDataEx(out nint module, byte* image, uint numOptions, CUJITOption* options, nint* optionValues);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial CUResult cuModuleGetFunction(out nint hfunc, nint hmod, string name);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuFuncSetAttribute(nint hfunc, CUFunctionAttribute attrib, int value);

    // kernelParams: the address of each argument's value; they are copied before the call returns.
    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuLaunchKernel(nint f, uint gridDimX, uint gridDimY, uint gridDimZ, uint blockDimX, uint blockDimY, uint blockDimZ,
        uint sharedMemBytes, nint hStream, void** kernelParams, void** extra);

    // ---- Streams, events and graphs ----

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuStreamCreate(out nint phStream, CUStreamFlags flags);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuStreamDestroy_v2(nint hStream);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuStreamSynchronize(nint hStream);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuStreamWaitEvent(nint hStream, nint hEvent, uint flags);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME, EntryPoint = "cuStreamBeginCapture_v2")]
    internal static partial CUResult cuStreamBeginCapture(nint hStream, CUstreamCaptureMode mode);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuStreamEndCapture(nint hStream, out nint phGraph);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuEventCreate(out nint phEvent, CUEventFlags flags);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuEventRecord(nint hEvent, nint hStream);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuEventQuery(nint hEvent);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuEventSynchronize(nint hEvent);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuEventElapsedTime(out float pMilliseconds, nint hStart, nint hEnd);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuEventDestroy_v2(nint hEvent);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME, EntryPoint = "cuGraphInstantiateWithFlags")]
    internal static partial CUResult cuGraphInstantiate(out nint phGraphExec, nint hGraph, ulong flags);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuGraphLaunch(nint hGraphExec, nint hStream);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuGraphExecDestroy(nint hGraphExec);

    [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
    internal static partial CUResult cuGraphDestroy(nint hGraph);
}
