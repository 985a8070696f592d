using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;

namespace ManagedCuda.Tests;

public class ErrorTests
{
    [Fact]
    public void The_message_names_the_call_and_the_error()
    {
        static CUResult cuFails(int number) => (CUResult)number;
        CudaException failure = Assert.Throws<CudaException>(() => cuFails(2).ThrowIfFailed());
        Assert.Equal(CUResult.ErrorOutOfMemory, failure.CudaError);
        // The driver knows the name, where there is one.
        Assert.StartsWith(CudaContext.TryLoad()
            ? "cuFails failed: CUDA_ERROR_OUT_OF_MEMORY" : "cuFails failed: CUDA error 2", failure.Message, StringComparison.Ordinal);
        CUResult.Success.ThrowIfFailed();
    }

    [Fact]
    public void Blas_messages_name_the_call_and_the_error()
    {
        static CublasStatus cublasFails() => (CublasStatus)15;
        CudaBlasException failure = Assert.Throws<CudaBlasException>(() => cublasFails().ThrowIfFailed());
        Assert.Equal(15, (int)failure.CudaBlasError);
        // The library knows the name, where there is one.
        Assert.Equal(CudaBlas.CudaBlas.TryLoad() ? "cublasFails failed: CUBLAS_STATUS_NOT_SUPPORTED" : "cublasFails failed: cuBLAS status 15", failure.Message);
    }

    // Where a driver is installed these two say nothing; Dia.Cuda.Tests do.
    [Fact]
    public void A_missing_driver_is_an_error_that_says_so()
    {
        if (CudaContext.TryLoad())
            return;
        foreach (Action use in new Action[] { () => new CudaContext(0).Dispose(), () => CudaContext.GetDeviceCount(), () =>
            CudaContext.GetDriverVersion(), () => CudaContext.GetDeviceName(0) })
        {
            CudaException failure = Assert.Throws<CudaException>(use);
            Assert.Equal(CUResult.ErrorSharedObjectInitFailed, failure.CudaError);
            Assert.Contains("libcuda.so.1", failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_missing_blas_is_an_error_that_says_so()
    {
        if (CudaBlas.CudaBlas.TryLoad())
            return;
        DllNotFoundException failure = Assert.Throws<DllNotFoundException>(() => CudaBlasNativeMethods.cublasCreate_v2(out _));
        Assert.Contains("libcublas.so.12", failure.Message, StringComparison.Ordinal);
    }
}
