using System.Runtime.InteropServices;
using System.Text;
using Xunit;

namespace Dia.SoftGpu.Tests.Driver;

/// <summary>The published library, as a program sees it: dotnet publish tools/Dia.SoftGpu writes it to out/softgpu.</summary>
public sealed unsafe class LibraryTests
{
    private static nint Open(string name)
    {
        string path = Repository.At("out", "softgpu", name);
        Assert.True(File.Exists(path), $"{path} is missing: run dotnet publish tools/Dia.SoftGpu");
        return NativeLibrary.Load(path);
    }

    [Fact]
    public void A_program_runs_a_kernel_through_it()
    {
        nint cuda = Open("libcuda.so.1");
        nint Get(string name) => NativeLibrary.GetExport(cuda, name);
        Assert.Equal(0, ((delegate* unmanaged<uint, int>)Get("cuInit"))(0));
        nint context, module, function;
        Assert.Equal(0, ((delegate* unmanaged<nint*, uint, int, int>)Get("cuCtxCreate_v2"))(&context, 0, 0));
        ulong to;
        Assert.Equal(0, ((delegate* unmanaged<ulong*, nuint, int>)Get("cuMemAlloc_v2"))(&to, 400));
        fixed (byte* text = Encoding.UTF8.GetBytes(
            Gpu.Source("mul.wide.u32 %d5, %r0, 4; add.s64 %d6, %d0, %d5; mul.lo.s32 %r5, %r0, %r0; st.global.u32 [%d6], %r5;", parameters: 1) + "\0"))
            Assert.Equal(0, ((delegate* unmanaged<nint*, byte*, int>)Get("cuModuleLoadData"))(&module, text));
        fixed (byte* name = "k\0"u8)
            Assert.Equal(0, ((delegate* unmanaged<nint*, nint, byte*, int>)Get("cuModuleGetFunction"))(&function, module, name));
        void* argument = &to;
        Assert.Equal(0, ((delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)Get("cuLaunchKernel"))(function, 1, 1,
            1, 100, 1, 1, 0, 0, &argument, null));
        var result = new uint[100];
        fixed (uint* p = result)
            Assert.Equal(0, ((delegate* unmanaged<nint, ulong, nuint, int>)Get("cuMemcpyDtoH_v2"))((nint)p, to, 400));
        Assert.Equal(Enumerable.Range(0, 100).Select(k => (uint)(k * k)), result);
        Assert.Equal(0, ((delegate* unmanaged<nint, int>)Get("cuCtxDestroy_v2"))(context));
    }

    [Theory]
    [InlineData("libcuda.so.1",
        "cuInit cuDriverGetVersion cuDeviceGetCount cuDeviceGet cuDeviceGetName cuDeviceGetAttribute cuDeviceTotalMem_v2 cuDeviceGetUuid cuCtxCreate_v2 cuCtxDestroy_v2 cuCtxSetCurrent cuCtxGetCurrent cuCtxPushCurrent_v2 cuCtxPopCurrent_v2 cuCtxSynchronize cuDevicePrimaryCtxRetain cuDevicePrimaryCtxRelease_v2 cuMemGetInfo_v2 cuMemAlloc_v2 cuMemFree_v2 cuMemHostAlloc cuMemAllocHost_v2 cuMemFreeHost cuMemHostGetDevicePointer_v2 cuMemcpyHtoD_v2 cuMemcpyDtoH_v2 cuMemcpyDtoD_v2 cuMemcpyHtoDAsync_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoDAsync_v2 cuMemsetD8_v2 cuMemsetD32_v2 cuMemsetD8Async cuMemsetD32Async cuModuleLoadDataEx cuModuleLoadData cuModuleUnload cuModuleGetFunction cuModuleGetGlobal_v2 cuFuncSetAttribute cuFuncGetAttribute cuOccupancyMaxActiveBlocksPerMultiprocessor cuLaunchKernel cuStreamCreate cuStreamDestroy_v2 cuStreamSynchronize cuStreamQuery cuStreamWaitEvent cuEventCreate cuEventRecord cuEventQuery cuEventSynchronize cuEventElapsedTime cuEventDestroy_v2 cuStreamBeginCapture_v2 cuStreamEndCapture cuStreamIsCapturing cuGraphInstantiateWithFlags cuGraphLaunch cuGraphExecDestroy cuGraphDestroy cuGetErrorName cuGetErrorString")]
    [InlineData("libcublas.so.12",
        "cublasCreate_v2 cublasDestroy_v2 cublasSetStream_v2 cublasGetVersion_v2 cublasSetMathMode cublasGetMathMode cublasSetWorkspace_v2 cublasSgemm_v2 cublasGemmEx cublasGetStatusName cublasGetStatusString")]
    public void Every_entry_point_is_there(string library, string names)
    {
        nint handle = Open(library);
        foreach (string name in names.Split(' '))
            Assert.True(NativeLibrary.TryGetExport(handle, name, out _), name);
    }
}
