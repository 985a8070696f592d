#pragma warning disable IDE1006 // The names are the library's.
using System.Runtime.InteropServices;

namespace ManagedCuda.CudaBlas;

/// <summary>
/// The functions of cuBLAS that are used, as they are (cublas_api.h), each returning a status. Function pointers instead of
/// imports, because the library's file name has its version in it and these functions are the same in versions 11 to 13: the first
/// of them that is there and starts is taken, for good.
/// </summary>
internal static unsafe class CudaBlasNativeMethods
{
    // 12 first: it is what drivers since R525 run, whatever else is installed.
    private static readonly string[] LibraryNames = ["libcublas.so.12", "libcublas.so.13", "libcublas.so.11"];

    private static readonly string[] FunctionNames =
    [
        nameof(cublasCreate_v2), nameof(cublasDestroy_v2), nameof(cublasGetVersion_v2), nameof(cublasSetStream_v2), nameof(cublasSetWorkspace_v2),
        nameof(cublasSetMathMode), nameof(cublasSgemm_v2),
    ];

    private static readonly Lock Choice = new();

    /// <summary>Whether cuBLAS is on this machine.</summary>
    public static bool IsThere => Library.Current.Functions is not null;

    // In the order of their names.
    private static nint[] Functions => Library.Current.Functions
        ?? throw new DllNotFoundException($"cuBLAS is not on this machine: the loader finds none of {string.Join(", ", LibraryNames)}.");

    /// <summary>
    /// A new handle for the current context. The first one decides which library is used: one that does not start, as on a driver that is
    /// too old for it, is passed over.
    /// </summary>
    /// <param name="handle">The handle.</param>
    /// <returns>Where none of them starts, what the first of them says.</returns>
    /// <exception cref="DllNotFoundException">cuBLAS is not on this machine; so for every function.</exception>
    public static CublasStatus cublasCreate_v2(out nint handle)
    {
        lock (Choice)
        {
            CublasStatus status = Create(Functions, out handle);
            var first = Library.Current;
            while (status != CublasStatus.Success && !Library.Started && Library.FindNext())
                status = Create(Functions, out handle) == CublasStatus.Success ? CublasStatus.Success : status;
            Library.Started |= status == CublasStatus.Success;
            if (!Library.Started)
                Library.Current = first;
            return status;
        }
    }

    public static CublasStatus cublasDestroy_v2(nint handle) => ((delegate* unmanaged<nint, CublasStatus>)Functions[1])(handle);

    // 10000 * major + 100 * minor + patch; 1000 * major in version 11.
    public static CublasStatus cublasGetVersion_v2(nint handle, int* version) => ((delegate* unmanaged<nint, int*, CublasStatus>)Functions[2])(handle, version);

    // Also gives up a workspace of the program's.
    public static CublasStatus cublasSetStream_v2(nint handle, nint streamId) =>
        ((delegate* unmanaged<nint, nint, CublasStatus>)Functions[3])(handle, streamId);

    public static CublasStatus cublasSetWorkspace_v2(nint handle, void* workspace, nuint workspaceSizeInBytes) =>
        ((delegate* unmanaged<nint, void*, nuint, CublasStatus>)Functions[4])(handle, workspace, workspaceSizeInBytes);

    public static CublasStatus cublasSetMathMode(nint handle, Math mode) => ((delegate* unmanaged<nint, Math, CublasStatus>)Functions[5])(handle, mode);

    public static CublasStatus cublasSgemm_v2(nint handle, Operation transa, Operation transb, int m, int n, int k, float* alpha, float* a, int lda,
        float* b, int ldb, float* beta, float* c, int ldc) =>
        ((delegate* unmanaged<nint, Operation, Operation, int, int, int, float*, float*, int, float*, int, float*, float*, int, CublasStatus>)Functions[6])(
            handle, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);

    /// <summary>The library's name of a status, where it is there and tells (11.4.2 and later).</summary>
    public static string? GetStatusName(CublasStatus status) =>
        IsThere && NativeLibrary.TryGetExport(Library.Current.Handle, "cublasGetStatusName", out nint function)
            ? Marshal.PtrToStringUTF8(((delegate* unmanaged<CublasStatus, nint>)function)(status))
            : null;

    private static CublasStatus Create(nint[] functions, out nint handle)
    {
        fixed (nint* p = &handle)
            return ((delegate* unmanaged<nint*, CublasStatus>)functions[0])(p);
    }

    // A class of its own, so that the library is looked for when someone asks.
    private static class Library
    {
        /// <summary>The library's functions (null: it is not there), its handle, and the name to go on with.</summary>
        public static (nint[]? Functions, nint Handle, int Next) Current;

        static Library() => FindNext();

        /// <summary>Whether a handle was made: it is of the library that stays.</summary>
        public static bool Started { get; set; }

        /// <summary>Goes on to the next library that is there and has every function.</summary>
        public static bool FindNext()
        {
            while (Current.Next < LibraryNames.Length)
            {
                if (!NativeLibrary.TryLoad(LibraryNames[Current.Next++], out nint library))
                    continue;
                nint[] functions = Array.ConvertAll(FunctionNames, name => NativeLibrary.TryGetExport(library, name, out nint function) ? function : 0);
                if (functions.Contains(0))
                    continue;
                (Current.Functions, Current.Handle) = (functions, library);
                return true;
            }

            return false;
        }
    }
}
