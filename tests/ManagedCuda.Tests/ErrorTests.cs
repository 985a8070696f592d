using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;

namespace ManagedCuda.Tests;

public class ErrorTests
{
    [Theory]
    [InlineData(CUResult.Success, "CUDA_SUCCESS", 0)]
    [InlineData(CUResult.ErrorOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", 2)]
    [InlineData(CUResult.ErrorNotInitialized, "CUDA_ERROR_NOT_INITIALIZED", 3)]
    [InlineData(CUResult.ErrorNoDevice, "CUDA_ERROR_NO_DEVICE", 100)]
    [InlineData(CUResult.ErrorNoBinaryForGPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", 209)]
    [InlineData(CUResult.ErrorECCUncorrectable, "CUDA_ERROR_ECC_UNCORRECTABLE", 214)]
    [InlineData(CUResult.ErrorInvalidPtx, "CUDA_ERROR_INVALID_PTX", 218)]
    [InlineData(CUResult.UnsupportedDeviceSync, "CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC", 225)]
    [InlineData(CUResult.ErrorInvalidHandle, "CUDA_ERROR_INVALID_HANDLE", 400)]
    [InlineData(CUResult.ErrorNotReady, "CUDA_ERROR_NOT_READY", 600)]
    [InlineData(CUResult.ErrorIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS", 700)]
    [InlineData(CUResult.ErrorLaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", 701)]
    [InlineData(CUResult.ErrorLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED", 719)]
    [InlineData(CUResult.ErrorStreamCaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", 900)]
    [InlineData(CUResult.ErrorTimeOut, "CUDA_ERROR_TIMEOUT", 909)]
    [InlineData(CUResult.ErrorUnknown, "CUDA_ERROR_UNKNOWN", 999)]
    [InlineData((CUResult)12345, "CUDA error 12345", 12345)]
    public void CodesHaveTheDriversNames(CUResult result, string name, int code)
    {
        Assert.Equal(code, (int)result);
        Assert.Equal(name, CUResultNames.Of(result));
    }

    [Fact]
    public void EveryCodeHasAName()
    {
        string[] names = [.. Enum.GetValues<CUResult>().Select(CUResultNames.Of)];
        Assert.All(names, name => Assert.StartsWith("CUDA_", name, StringComparison.Ordinal));
        Assert.Equal(names.Length, names.Distinct().Count());
    }

    [Fact]
    public void TheMessageNamesTheCallAndTheError()
    {
        static CUResult cuFails(int number) => (CUResult)number;
        CudaException failure = Assert.Throws<CudaException>(() => cuFails(2).ThrowIfFailed());
        Assert.Equal(CUResult.ErrorOutOfMemory, failure.CudaError);
        Assert.Equal("CUDA_ERROR_OUT_OF_MEMORY", failure.CudaInternalErrorName);
        Assert.StartsWith("cuFails failed: CUDA_ERROR_OUT_OF_MEMORY", failure.Message, StringComparison.Ordinal);
        CUResult.Success.ThrowIfFailed();
    }

    [Fact]
    public void BlasMessagesNameTheCallAndTheError()
    {
        static CublasStatus cublasFails() => CublasStatus.NotSupported;
        CudaBlasException failure = Assert.Throws<CudaBlasException>(() => cublasFails().ThrowIfFailed());
        Assert.Equal(CublasStatus.NotSupported, failure.CudaBlasError);
        Assert.Equal("cublasFails failed: CUBLAS_STATUS_NOT_SUPPORTED", failure.Message);
    }

    [Theory]
    [InlineData(0ul, 16ul, 16ul, true)]
    [InlineData(16ul, 0ul, 16ul, true)]
    [InlineData(1ul, 16ul, 16ul, false)]
    [InlineData(17ul, 0ul, 16ul, false)]
    [InlineData(8ul, ulong.MaxValue, 16ul, false)]
    public void CopiesStayInside(ulong offset, ulong bytes, ulong size, bool inside)
    {
        Exception? failure = Record.Exception(() => CopyRange.Check(offset, bytes, size, "name"));
        Assert.Equal(inside, failure == null);
        Assert.True(inside || failure is ArgumentOutOfRangeException);
    }

    // Where a driver is installed these two say nothing; DriverTests do.
    [Fact]
    public void AMissingDriverIsAnErrorThatSaysSo()
    {
        if (CudaContext.TryLoad())
            return;
        foreach (Action use in new Action[] { () => new CudaContext(0).Dispose(), () => CudaContext.GetDeviceCount(), () => CudaContext.GetDriverVersion(), () => CudaContext.GetDeviceName(0), () => new PrimaryContext().Dispose() })
        {
            CudaException failure = Assert.Throws<CudaException>(use);
            Assert.Equal(CUResult.ErrorSharedObjectInitFailed, failure.CudaError);
            Assert.Contains("libcuda.so.1", failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AMissingBlasIsAnErrorThatSaysSo()
    {
        if (CudaBlas.CudaBlas.TryLoad())
            return;
        CudaBlasHandle handle = default;
        DllNotFoundException failure = Assert.Throws<DllNotFoundException>(() => CudaBlasNativeMethods.cublasCreate_v2(ref handle));
        Assert.Contains("libcublas.so.12", failure.Message, StringComparison.Ordinal);
    }
}
