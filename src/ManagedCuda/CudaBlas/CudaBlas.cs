using ManagedCuda.BasicTypes;
using ManagedCuda.Handles;
using Native = ManagedCuda.CudaBlas.CudaBlasNativeMethods;

namespace ManagedCuda.CudaBlas;

/// <summary>
/// cuBLAS in one context. Matrices are stored by columns, as in Fortran: a matrix stored by rows is its transpose. alpha and beta
/// are passed from host memory. Calls allocate nothing once there is a <see cref="SetWorkspace">workspace</see>.
/// </summary>
public sealed class CudaBlas : IDisposable
{
    private readonly BlasHandle _handle;

    /// <summary>cuBLAS in the current context and a stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <exception cref="DllNotFoundException">cuBLAS is not on this machine.</exception>
    /// <exception cref="CudaException">No context is current.</exception>
    /// <exception cref="CudaBlasException">cuBLAS failed.</exception>
    public CudaBlas(CUstream stream)
    {
        ContextHandle context = ContextHandle.RequireCurrent();
        CudaBlasHandle handle = default;
        Native.cublasCreate_v2(ref handle).ThrowIfFailed();
        _handle = new BlasHandle(context, handle);
        Native.cublasSetStream_v2(CublasHandle, stream).ThrowIfFailed();
    }

    /// <summary>The library's handle; valid until this object is disposed.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public CudaBlasHandle CublasHandle => new() { Pointer = _handle.Value };

    /// <summary>Which arithmetic cuBLAS may use.</summary>
    /// <exception cref="CudaBlasException">cuBLAS failed.</exception>
    public Math MathMode
    {
        set => Native.cublasSetMathMode(CublasHandle, value).ThrowIfFailed();
    }

    /// <summary>Whether cuBLAS (version 11, 12 or 13) is on this machine. It is looked for once.</summary>
    public static bool TryLoad() => Native.IsThere;

    /// <summary>The library's version.</summary>
    /// <exception cref="CudaBlasException">cuBLAS failed.</exception>
    public Version GetVersion()
    {
        int version = 0;
        Native.cublasGetVersion_v2(CublasHandle, ref version).ThrowIfFailed();
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
    public void SetWorkspace(CUdeviceptr workspace, SizeT sizeInBytes) =>
        Native.cublasSetWorkspace_v2(CublasHandle, workspace, sizeInBytes).ThrowIfFailed();

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
    public void Gemm(Operation transa, Operation transb, int m, int n, int k, float alpha, CUdeviceptr a, int lda, CUdeviceptr b, int ldb,
        float beta, CUdeviceptr c, int ldc)
    {
        Native.cublasSgemm_v2(CublasHandle, transa, transb, m, n, k, ref alpha, a, lda, b, ldb, ref beta, c, ldc).ThrowIfFailed();
        GC.KeepAlive(this);
    }

    /// <summary>Destroys the handle, after its work.</summary>
    public void Dispose() => _handle.Dispose();

    private sealed class BlasHandle(ContextHandle context, CudaBlasHandle handle) : ContextResource(context, handle.Pointer)
    {
        protected override CUResult Release(nint value) =>
            Native.cublasDestroy_v2(new CudaBlasHandle { Pointer = value }) == CublasStatus.Success ? CUResult.Success : CUResult.ErrorUnknown;
    }
}
