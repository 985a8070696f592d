using Xunit;

namespace Dia.Cuda.Tests;

/// <summary>Which of several cuBLAS libraries is used: one that does not start on this driver is passed over.</summary>
public sealed class BlasLibraryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dia-blas-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("12", "cublasCreate_v2:9=1", "cuBLAS 12.")]
    [InlineData("12 13 11", "cublasCreate_v2:1=1", "cuBLAS 12.")]
    [InlineData("12 13 11", "cublasCreate_v2:1=1,cublasCreate_v2:2=1", "cuBLAS 12.")]
    [InlineData("12 11", "cublasCreate_v2:1=8", "cuBLAS 12.")]
    [InlineData("12", "cublasCreate_v2:1=1", "cuBLAS is not used")]
    [InlineData("12 13", "cublasCreate_v2:1=1,cublasCreate_v2:2=1", "cuBLAS is not used")]
    public void A_library_that_does_not_start_is_passed_over(string libraries, string failures, string says)
    {
        // All of them are the software GPU's, which says that it is 12.
        string gpu = Repository.At("out", "softgpu", "libsoftgpu.so");
        foreach (string name in libraries.Split(' ').Select(version => "libcublas.so." + version).Append("libcuda.so.1"))
            File.CreateSymbolicLink(Path.Combine(_folder, name), gpu);
        (int exitCode, string[] lines) = GpuProcess.Run("blas", _folder, ["DIA_SOFTGPU_DRIVER=12000", "DIA_SOFTGPU_FAIL=" + failures]);
        Assert.Equal(0, exitCode);
        Assert.StartsWith("PASS\t" + says, Assert.Single(lines), StringComparison.Ordinal);
    }
}
