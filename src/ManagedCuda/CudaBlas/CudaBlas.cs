using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.CudaBlas.CudaBlasNativeMethods;

namespace ManagedCuda.CudaBlas;

/// <summary>
/// cuBLAS in one context. Matrices are stored by columns, as in Fortran: a matrix stored by rows is its transpose. alpha and beta
/// are passed from host memory. Calls allocate nothing once there is a <see cref="SetWorkspace">workspace</see>.
/// </summary>
public sealed unsafe class CudaBlas : IDisposable
{
    private readonly ContextResource _handle;

    /// <summary>cuBLAS in the current context and a stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <exception cref="DllNotFoundException">cuBLAS is not on this machine.</exception>
    /// <exception cref="CudaException">No context is current.</exception>
    /// <exception cref="CudaBlasException">cuBLAS failed.</exception>
    public CudaBlas(CudaStream stream)
    {
        ContextHandle context = ContextHandle.RequireCurrent();
        Native.cublasCreate_v2(out nint handle).ThrowIfFailed();
        _handle = new ContextResource(
            context, handle, static h => Native.cublasDestroy_v2(h) == CublasStatus.Success ? CUResult.Success : CUResult.ErrorUnknown);
        Native.cublasSetStream_v2(handle, stream.Stream).ThrowIfFailed();
    }

    /// <summary>Which arithmetic cuBLAS may use.</summary>
    /// <exception cref="CudaBlasException">cuBLAS failed.</exception>
    public Math MathMode
    {
        set => Native.cublasSetMathMode(_handle.Value, value).ThrowIfFailed();
    }

    /// <summary>Whether cuBLAS (version 11, 12 or 13) is on this machine. It is looked for once.</summary>
    public static bool TryLoad() => Native.IsThere;

    /// <summary>The library's version.</summary>
    /// <exception cref="CudaBlasException">cuBLAS failed.</exception>
    public Version GetVersion()
    {
        int version = 0;
        Native.cublasGetVersion_v2(_handle.Value, &version).ThrowIfFailed();
        // Version 11 counted 1000 * major + 100 * minor + patch, later ones 10000 * major.
        return version < 100_000
            ? new Version(11, (version - 11_000) / 100, version % 100)
            : new Version(version / 10_000, version % 10_000 / 100, version % 100);
    }

    /// <summary>
    /// Gives cuBLAS memory to work in instead of its own: with it the results of a stream are the same each time, and calls can be
    /// captured.
    /// </summary>
    /// <param name="workspace">The memory; it stays until this object is disposed.</param>
    /// <param name="sizeInBytes">Its bytes.</param>
    /// <exception cref="CudaBlasException">cuBLAS failed.</exception>
    public void SetWorkspace(void* workspace, int sizeInBytes) =>
        Native.cublasSetWorkspace_v2(_handle.Value, workspace, checked((nuint)sizeInBytes)).ThrowIfFailed();

    /// <summary>C = alpha op(A) op(B) + beta C in float32; op(A) [m, k], op(B) [k, n], C [m, n], stored by columns.</summary>
    /// <param name="transa">What op does to A.</param>
    /// <param name="transb">What op does to B.</param>
    /// <param name="m">Rows of C.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="k">Terms of a sum.</param>
    /// <param name="alpha">Factor.</param>
    /// <param name="a">A.</param>
    /// <param name="lda">Elements from one column of A, as stored, to the next.</param>
    /// <param name="b">B.</param>
    /// <param name="ldb">The same of B.</param>
    /// <param name="beta">Factor; where it is 0, C is not read.</param>
    /// <param name="c">C.</param>
    /// <param name="ldc">The same of C.</param>
    /// <exception cref="CudaBlasException">cuBLAS failed.</exception>
    public void Gemm(Operation transa, Operation transb, int m, int n, int k, float alpha, float* a, int lda, float* b, int ldb,
        float beta, float* c, int ldc)
    {
        Native.cublasSgemm_v2(_handle.Value, transa, transb, m, n, k, &alpha, a, lda, b, ldb, &beta, c, ldc).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Destroys the handle, after its work.</summary>
    public void Dispose() => _handle.Dispose();
}
