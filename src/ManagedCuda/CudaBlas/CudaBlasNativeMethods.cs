#pragma warning disable IDE1006 // The names are the library's.
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;

namespace ManagedCuda.CudaBlas;

/// <summary>
/// The functions of cuBLAS that are used, as they are (cublas_api.h), each returning a status. Function pointers instead of
/// imports, because the library's file name has its version in it and these functions are the same in versions 11 to 13: the first
/// of them that is there and starts is taken, for good.
/// </summary>
public static unsafe class CudaBlasNativeMethods
{
    // 12 first: it is what drivers since R525 run, whatever else is installed.
    private static readonly string[] LibraryNames = ["libcublas.so.12", "libcublas.so.13", "libcublas.so.11"];

    private static readonly Lock Choice = new();

    /// <summary>Whether cuBLAS is on this machine.</summary>
    internal static bool IsThere => Library.Functions.Create != null;

    /// <summary>
    /// A new handle for the current context. The first one decides which library is used: one that does not start, as on a driver that is
    /// too old for it, is passed over.
    /// </summary>
    /// <param name="handle">The handle.</param>
    /// <returns>Where none of them starts, what the first of them says.</returns>
    /// <exception cref="DllNotFoundException">cuBLAS is not on this machine; so for every function.</exception>
    public static CublasStatus cublasCreate_v2(ref CudaBlasHandle handle)
    {
        fixed (CudaBlasHandle* p = &handle)
        {
            lock (Choice)
            {
                CublasStatus status = Required.Create(p);
                if (status != CublasStatus.Success && !Library.Started && Library.TryOthers(p))
                    status = CublasStatus.Success;
                Library.Started |= status == CublasStatus.Success;
                return status;
            }
        }
    }

    /// <summary>Destroys a handle, after its work.</summary>
    /// <param name="handle">The handle.</param>
    public static CublasStatus cublasDestroy_v2(CudaBlasHandle handle) => Required.Destroy(handle);

    /// <summary>The library's version.</summary>
    /// <param name="handle">A handle.</param>
    /// <param name="version">10000 * major + 100 * minor + patch; 1000 * major in version 11.</param>
    public static CublasStatus cublasGetVersion_v2(CudaBlasHandle handle, ref int version)
    {
        fixed (int* p = &version)
            return Required.GetVersion(handle, p);
    }

    /// <summary>Chooses the stream; also gives up a workspace of the program's.</summary>
    /// <param name="handle">A handle.</param>
    /// <param name="streamId">The stream.</param>
    public static CublasStatus cublasSetStream_v2(CudaBlasHandle handle, CUstream streamId) => Required.SetStream(handle, streamId);

    /// <summary>Gives cuBLAS memory of the program's to work in.</summary>
    /// <param name="handle">A handle.</param>
    /// <param name="workspace">The memory, a multiple of 256.</param>
    /// <param name="workspaceSizeInBytes">Its bytes.</param>
    public static CublasStatus cublasSetWorkspace_v2(CudaBlasHandle handle, CUdeviceptr workspace, SizeT workspaceSizeInBytes) =>
        Required.SetWorkspace(handle, workspace, workspaceSizeInBytes);

    /// <summary>Chooses the arithmetic.</summary>
    /// <param name="handle">A handle.</param>
    /// <param name="mode">Which.</param>
    public static CublasStatus cublasSetMathMode(CudaBlasHandle handle, Math mode) => Required.SetMathMode(handle, mode);

    /// <summary>C = alpha op(A) op(B) + beta C in float32; op(A) [m, k], op(B) [k, n], C [m, n], stored by columns.</summary>
    /// <param name="handle">A handle.</param>
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
    public static CublasStatus cublasSgemm_v2(CudaBlasHandle handle, Operation transa, Operation transb, int m, int n, int k, ref float alpha,
        CUdeviceptr a, int lda, CUdeviceptr b, int ldb, ref float beta, CUdeviceptr c, int ldc)
    {
        fixed (float* pa = &alpha, pb = &beta)
            return Required.Sgemm(handle, transa, transb, m, n, k, pa, a, lda, b, ldb, pb, c, ldc);
    }

    /// <summary>The library's name of a status.</summary>
    /// <param name="status">A status.</param>
    /// <param name="text">Address of text with a zero at the end, which is the library's.</param>
    /// <returns>False where the library is missing or too old to tell.</returns>
    internal static bool TryGetStatusName(CublasStatus status, out nint text)
    {
        text = Library.Functions.GetStatusName == null ? 0 : Library.Functions.GetStatusName(status);
        return text != 0;
    }

    private static ref readonly FunctionTable Required
    {
        get
        {
            if (!IsThere)
                throw new DllNotFoundException($"cuBLAS is not on this machine: the loader finds none of {string.Join(", ", LibraryNames)}.");
            return ref Library.Functions;
        }
    }

    private struct FunctionTable
    {
        public delegate* unmanaged<CudaBlasHandle*, CublasStatus> Create;
        public delegate* unmanaged<CudaBlasHandle, CublasStatus> Destroy;
        public delegate* unmanaged<CudaBlasHandle, int*, CublasStatus> GetVersion;
        public delegate* unmanaged<CudaBlasHandle, CUstream, CublasStatus> SetStream;
        public delegate* unmanaged<CudaBlasHandle, CUdeviceptr, SizeT, CublasStatus> SetWorkspace;
        public delegate* unmanaged<CudaBlasHandle, Math, CublasStatus> SetMathMode;
        public delegate* unmanaged<CudaBlasHandle, Operation, Operation, int, int, int, float*, CUdeviceptr, int, CUdeviceptr, int, float*, CUdeviceptr, int, CublasStatus> Sgemm;
        public delegate* unmanaged<CublasStatus, nint> GetStatusName;
    }

    // A class of its own, so that the library is looked for when someone asks.
    private static class Library
    {
        public static FunctionTable Functions;

        private static int _next;

        static Library() => FindNext();

        /// <summary>Whether a handle was made: it is of the library that stays.</summary>
        public static bool Started { get; set; }

        /// <summary>Makes a handle with the first library after this one that can; if none can, this one stays.</summary>
        public static bool TryOthers(CudaBlasHandle* handle)
        {
            (FunctionTable first, int next) = (Functions, _next);
            while (FindNext())
            {
                if (Functions.Create(handle) == CublasStatus.Success)
                    return true;
            }

            (Functions, _next) = (first, next);
            return false;
        }

        private static bool FindNext()
        {
            while (_next < LibraryNames.Length)
            {
                if (NativeLibrary.TryLoad(LibraryNames[_next++], out nint library) && TryBind(library, out FunctionTable functions))
                {
                    Functions = functions;
                    return true;
                }
            }

            return false;
        }

        private static bool TryBind(nint library, out FunctionTable f)
        {
            f = default;
            if (!NativeLibrary.TryGetExport(library, "cublasCreate_v2", out nint create)
                || !NativeLibrary.TryGetExport(library, "cublasDestroy_v2", out nint destroy)
                || !NativeLibrary.TryGetExport(library, "cublasGetVersion_v2", out nint getVersion)
                || !NativeLibrary.TryGetExport(library, "cublasSetStream_v2", out nint setStream)
                || !NativeLibrary.TryGetExport(library, "cublasSetWorkspace_v2", out nint setWorkspace)
                || !NativeLibrary.TryGetExport(library, "cublasSetMathMode", out nint setMathMode)
                || !NativeLibrary.TryGetExport(library, "cublasSgemm_v2", out nint sgemm))
            {
                return false;
            }

            f.Create = (delegate* unmanaged<CudaBlasHandle*, CublasStatus>)create;
            f.Destroy = (delegate* unmanaged<CudaBlasHandle, CublasStatus>)destroy;
            f.GetVersion = (delegate* unmanaged<CudaBlasHandle, int*, CublasStatus>)getVersion;
            f.SetStream = (delegate* unmanaged<CudaBlasHandle, CUstream, CublasStatus>)setStream;
            f.SetWorkspace = (delegate* unmanaged<CudaBlasHandle, CUdeviceptr, SizeT, CublasStatus>)setWorkspace;
            f.SetMathMode = (delegate* unmanaged<CudaBlasHandle, Math, CublasStatus>)setMathMode;
            f.Sgemm = (delegate* unmanaged<CudaBlasHandle, Operation, Operation, int, int, int, float*, CUdeviceptr, int, CUdeviceptr, int, float*, CUdeviceptr, int, CublasStatus>)sgemm;
            f.GetStatusName = NativeLibrary.TryGetExport(library, "cublasGetStatusName", out nint getStatusName) ? (delegate* unmanaged<CublasStatus, nint>)getStatusName : null;
            return true;
        }
    }
}
