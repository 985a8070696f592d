#pragma warning disable IDE1006 // The names are the driver's.
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;

namespace ManagedCuda;

public static unsafe partial class DriverAPINativeMethods
{
    /// <summary>Memory of the device and pinned memory of the host.</summary>
    public static partial class MemoryManagement
    {
        /// <summary>Free and total memory of the current context's device.</summary>
        /// <param name="free">Free bytes.</param>
        /// <param name="total">All bytes.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemGetInfo_v2(ref SizeT free, ref SizeT total);

        /// <summary>Allocates device memory; its contents are undefined.</summary>
        /// <param name="dptr">Its address, a multiple of 256.</param>
        /// <param name="bytesize">Bytes, not 0.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemAlloc_v2(ref CUdeviceptr dptr, SizeT bytesize);

        /// <summary>Frees device memory, after the work that uses it.</summary>
        /// <param name="dptr">Its address.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemFree_v2(CUdeviceptr dptr);

        /// <summary>Allocates pinned host memory with properties.</summary>
        /// <param name="pp">Its address.</param>
        /// <param name="bytesize">Bytes, not 0.</param>
        /// <param name="flags">The properties.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemHostAlloc(ref nint pp, SizeT bytesize, CUMemHostAllocFlags flags);

        /// <summary>Frees pinned host memory.</summary>
        /// <param name="p">Its address.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemFreeHost(nint p);

        /// <summary>The address at which kernels see pinned host memory.</summary>
        /// <param name="pdptr">That address.</param>
        /// <param name="p">The host's address.</param>
        /// <param name="flags">0.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemHostGetDevicePointer_v2(ref CUdeviceptr pdptr, nint p, int flags);
    }

    /// <summary>Copies in a stream. Host memory must be pinned and stay untouched until the stream got there.</summary>
    public static partial class AsynchronousMemcpy_v2
    {
        /// <summary>Host to device.</summary>
        /// <param name="dstDevice">To.</param>
        /// <param name="srcHost">From.</param>
        /// <param name="byteCount">Bytes.</param>
        /// <param name="hStream">The stream.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, nint srcHost, SizeT byteCount, CUstream hStream);

        /// <summary>Device to host.</summary>
        /// <param name="dstHost">To.</param>
        /// <param name="srcDevice">From.</param>
        /// <param name="byteCount">Bytes.</param>
        /// <param name="hStream">The stream.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemcpyDtoHAsync_v2(nint dstHost, CUdeviceptr srcDevice, SizeT byteCount, CUstream hStream);

        /// <summary>Device to device.</summary>
        /// <param name="dstDevice">To.</param>
        /// <param name="srcDevice">From.</param>
        /// <param name="byteCount">Bytes.</param>
        /// <param name="hStream">The stream.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, SizeT byteCount, CUstream hStream);
    }

    /// <summary>Filling device memory in a stream.</summary>
    public static partial class MemsetAsync
    {
        /// <summary>Fills with a word of 32 bits.</summary>
        /// <param name="dstDevice">To, a multiple of 4.</param>
        /// <param name="ui">The word.</param>
        /// <param name="n">Words.</param>
        /// <param name="hStream">The stream.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuMemsetD32Async(CUdeviceptr dstDevice, uint ui, SizeT n, CUstream hStream);
    }
}
