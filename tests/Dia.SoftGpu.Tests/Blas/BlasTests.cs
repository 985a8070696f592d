using Dia.SoftGpu.Blas;
using Dia.SoftGpu.Driver;
using Dia.SoftGpu.Execution;
using Xunit;

namespace Dia.SoftGpu.Tests.Blas;

public sealed unsafe class BlasTests
{
    private static nint Create(Gpu _)
    {
        nint h;
        Gpu.Good(((delegate* unmanaged<nint*, int>)&BlasApi.Create)(&h));
        return h;
    }

    private static Gpu NewGpu() => new(new Settings { DriverVersion = 12000 });

    [Fact]
    public void Needs_a_driver_of_Cuda12()
    {
        _ = new Gpu();
        nint h;
        Assert.Equal((int)BlasStatus.NOT_INITIALIZED, ((delegate* unmanaged<nint*, int>)&BlasApi.Create)(&h));
    }

    // Whole numbers: every sum is exact.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    public void Sgemm_multiplies(int opA, int opB)
    {
        Gpu gpu = NewGpu();
        nint h = Create(gpu);
        const int M = 5, N = 7, K = 19, Pad = 3;
        var random = new Random(1);
        int lda = (opA == 0 ? M : K) + Pad, ldb = (opB == 0 ? K : N) + Pad, ldc = M + Pad;
        float[] a = [.. Enumerable.Range(0, lda * 20).Select(_ => (float)random.Next(-9, 10))],
            b = [.. Enumerable.Range(0, ldb * 20).Select(_ => (float)random.Next(-9, 10))];
        float[] c = [.. Enumerable.Range(0, ldc * N).Select(_ => (float)random.Next(-9, 10))];
        ulong to = gpu.Upload(c);
        Gpu.Good(gpu.Sgemm(h, opA, opB, M, N, K, 2, gpu.Upload(a), lda, gpu.Upload(b), ldb, 3, to, ldc));
        float[] result = gpu.Download<float>(to, c.Length);
        for (int i = 0; i < ldc; i++)
            for (int j = 0; j < N; j++)
            {
                float sum = 0;
                for (int k = 0; k < K && i < M; k++)
                    sum += (opA == 0 ? a[k * lda + i] : a[i * lda + k]) * (opB == 0 ? b[j * ldb + k] : b[k * ldb + j]);
                Assert.Equal(i < M ? 2 * sum + 3 * c[j * ldc + i] : c[j * ldc + i], result[j * ldc + i]);
            }
    }

    [Fact]
    public void Layouts_are_checked()
    {
        Gpu gpu = NewGpu();
        nint h = Create(gpu);
        ulong a = gpu.Upload(new float[64]), c = gpu.Allocate(256);
        Assert.Equal((int)BlasStatus.INVALID_VALUE, gpu.Sgemm(h, 0, 0, 8, 8, 8, 1, a, 7, a, 8, 0, c, 8));
        Gpu.Caught(Fault.Misuse, "lda 7 is less than the rows of A, 8");
        Gpu.Good(gpu.Sgemm(h, 1, 0, 8, 8, 8, 1, a, 8, a, 8, 0, c, 8));
        Assert.Equal((int)BlasStatus.NOT_INITIALIZED, gpu.Sgemm(0, 1, 0, 8, 8, 8, 1, a, 8, a, 8, 0, c, 8));
        Gpu.Good(gpu.Synchronize());
        Gpu.Good(gpu.Sgemm(h, 0, 0, 8, 9, 8, 1, a, 8, a, 8, 0, c, 8));
        Assert.Equal((int)Status.ILLEGAL_ADDRESS, gpu.Synchronize());
    }

    [Fact]
    public void What_nothing_wrote_is_not_multiplied()
    {
        Gpu gpu = NewGpu();
        nint h = Create(gpu);
        ulong a = gpu.Upload(new float[64]), c = gpu.Allocate(256);
        Gpu.Good(gpu.Sgemm(h, 0, 0, 8, 8, 8, 1, a, 8, a, 8, 1, c, 8));
        Assert.NotEqual(0, gpu.Synchronize());
        Gpu.Caught(Fault.Uninitialised, "C holds what nothing wrote");
    }

    [Fact]
    public void Brain_floats_multiply_with_float_sums()
    {
        Gpu gpu = NewGpu();
        nint h = Create(gpu);
        ushort[] ones = [.. Enumerable.Repeat((ushort)0x3F80, 300)];
        ulong a = gpu.Upload(ones), c = gpu.Allocate(4);
        float one = 1, zero = 0;
        Gpu.Good(((delegate* unmanaged<nint, int, int, int, int, int, float*, ulong, int, int, ulong, int, int, float*, ulong, int, int, int, int,
            int>)&BlasApi.GemmEx)(
            h, 1, 0, 1, 1, 300, &one, a, 14, 300, a, 14, 300, &zero, c, 0, 1, 68, -1));
        Assert.Equal(300f, gpu.Download<float>(c, 1)[0]);
    }
}
