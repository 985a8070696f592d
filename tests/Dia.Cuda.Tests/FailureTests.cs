using Xunit;

namespace Dia.Cuda.Tests;

/// <summary>What the user is told where the GPU cannot be used, or fails: always one error of the kind Device, never a crash.</summary>
public class FailureTests
{
    [Fact]
    public void Without_a_driver_the_message_says_how_to_get_one()
    {
        string empty = Directory.CreateTempSubdirectory().FullName;
        (int exitCode, string[] lines) = GpuProcess.Run("kernels", empty, []);
        Directory.Delete(empty);
        Assert.Equal(5, exitCode);
        Assert.Contains("libcuda.so.1 was not found: install the NVIDIA driver or use --device cpu.", Assert.Single(lines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DIA_SOFTGPU_DRIVER=11030", "11.4 or later is needed")]
    [InlineData("DIA_SOFTGPU_SM=75", "the kernels need 8.0")]
    [InlineData("DIA_SOFTGPU_OOM=3", "bytes are free")]
    [InlineData("DIA_SOFTGPU_OOM=40", "bytes are free")]
    [InlineData("DIA_SOFTGPU_FAIL=cuInit:1=100", "The NVIDIA driver does not start")]
    [InlineData("DIA_SOFTGPU_FAIL=cuModuleLoadDataEx:1=218", "could not start")]
    [InlineData("DIA_SOFTGPU_FAIL=cuLaunchKernel:17=701", "could not start the kernel")]
    [InlineData("DIA_SOFTGPU_FAIL=cuMemcpyHtoDAsync_v2:9=719", "could not copy")]
    [InlineData("DIA_SOFTGPU_FAIL=cuStreamSynchronize:12=719", "The GPU Software GPU could not")]
    [InlineData("DIA_SOFTGPU_FAIL=cuEventSynchronize:5=999", "could not finish a copy")]
    [InlineData("DIA_SOFTGPU_OOM=40 DIA_SOFTGPU_FAIL=cuMemGetInfo_v2:2=999", "could not say how much memory is free")]
    [InlineData("DIA_SOFTGPU_LOST=400", "The GPU Software GPU could not")]
    [InlineData("DIA_SOFTGPU_LOST=2000", "The GPU Software GPU could not")]
    public void A_failure_is_an_error_of_the_device(string setting, string message)
    {
        (int exitCode, string[] lines) = GpuProcess.Run("kernels", setting.Split(' '));
        Assert.Equal(5, exitCode);
        string line = Assert.Single(lines, l => l.StartsWith("FAIL\tDevice\t", StringComparison.Ordinal));
        Assert.Contains(message, line, StringComparison.Ordinal);
        Assert.DoesNotContain(lines, l => l.Contains("Unhandled exception", StringComparison.Ordinal));
    }
}
