using System.Runtime.InteropServices;
using Dia.SoftGpu.Driver;
using Dia.SoftGpu.Execution;

namespace Dia.SoftGpu.Blas;

/// <summary>Statuses of cuBLAS, with its names.</summary>
internal enum BlasStatus
{
    SUCCESS = 0, NOT_INITIALIZED = 1, ALLOC_FAILED = 3, INVALID_VALUE = 7, ARCH_MISMATCH = 8, MAPPING_ERROR = 11, EXECUTION_FAILED = 13,
    INTERNAL_ERROR = 14, NOT_SUPPORTED = 15, LICENSE_ERROR = 16,
}

internal sealed class BlasError(BlasStatus status) : Exception(status.ToString())
{
    public BlasStatus Status { get; } = status;
}

internal sealed class BlasHandle(Context context) : DriverObject
{
    public Context Context { get; } = context;

    public CudaStream Stream { get; set; } = context.Default;

    /// <summary>0 default, 2 pedantic, 3 TF32.</summary>
    public int MathMode { get; set; }
}

/// <summary>Entry points of the stand-in for cuBLAS 12: checks handles, streams, layouts, life times; multiplies plainly.</summary>
internal static unsafe class BlasApi
{
    private static int Run(string name, Action body)
    {
        var result = BlasStatus.SUCCESS;
        int status = Machine.Call(name, () =>
        {
            try
            {
                body();
            }
            catch (BlasError e)
            {
                result = e.Status;
            }
            catch (CudaError e) when (e.Status == Status.INVALID_HANDLE)
            {
                result = BlasStatus.NOT_INITIALIZED;
            }
        });
        // A status that was asked for by DIA_SOFTGPU_FAIL is one of cuBLAS.
        return result != BlasStatus.SUCCESS ? (int)result : status == 0 ? 0 : Enum.IsDefined((BlasStatus)status) ? status : (int)BlasStatus.EXECUTION_FAILED;
    }

    private static BlasHandle HandleOf(nint handle)
    {
        BlasHandle h = DriverObject.Get<BlasHandle>(handle);
        if (h.Context != Machine.Current)
            Machine.Misuse("a cuBLAS handle of another context is used", Status.INVALID_CONTEXT);
        if (h.Stream.Destroyed)
            Machine.Misuse("the stream of a cuBLAS handle was destroyed", Status.INVALID_HANDLE);
        return h;
    }

    private static void Require(bool good, string what)
    {
        if (good)
            return;
        Violations.Report("cuBLAS: " + what, Fault.Misuse);
        throw new BlasError(BlasStatus.INVALID_VALUE);
    }

    [UnmanagedCallersOnly(EntryPoint = "cublasCreate_v2")]
    public static int Create(nint* handle) => Run("cublasCreate_v2", () =>
    {
        Machine.RefuseWhileCapturing();
        // cuBLAS 12 needs a driver of CUDA 12 (R525).
        if (Settings.Current.DriverVersion < 12000)
            throw new BlasError(BlasStatus.NOT_INITIALIZED);
        *handle = new BlasHandle(Machine.Current).Handle;
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasDestroy_v2")]
    public static int Destroy(nint handle) => Run("cublasDestroy_v2", () =>
    {
        BlasHandle h = DriverObject.Get<BlasHandle>(handle);
        Machine.RefuseWhileCapturing();
        h.Destroyed = true;
        Machine.FinishAll(h.Context); // it gives back its memory, so it waits
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasSetStream_v2")]
    public static int SetStream(nint handle, nint stream) => Run("cublasSetStream_v2", () => HandleOf(handle).Stream = Machine.StreamOf(stream));

    [UnmanagedCallersOnly(EntryPoint = "cublasGetVersion_v2")]
    public static int GetVersion(nint handle, int* version) => Run("cublasGetVersion_v2", () => *version = 120000);

    [UnmanagedCallersOnly(EntryPoint = "cublasSetMathMode")]
    public static int SetMathMode(nint handle, int mode) => Run("cublasSetMathMode", () =>
    {
        Require((mode & ~16) is 0 or 1 or 2 or 3, $"there is no math mode {mode}");
        HandleOf(handle).MathMode = mode;
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasGetMathMode")]
    public static int GetMathMode(nint handle, int* mode) => Run("cublasGetMathMode", () => *mode = HandleOf(handle).MathMode);

    [UnmanagedCallersOnly(EntryPoint = "cublasSetWorkspace_v2")]
    public static int SetWorkspace(nint handle, ulong memory, nuint bytes) => Run("cublasSetWorkspace_v2", () =>
    {
        HandleOf(handle);
        if (bytes == 0)
            return;
        Allocation* a = DeviceMemory.Find(memory);
        Require(a != null && !a->Freed && memory % 256 == 0
            && memory - a->Base + bytes <= a->Size, "the workspace is no device memory, or not aligned to 256 bytes");
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasSgemm_v2")]
    public static int Sgemm(nint handle, int opA, int opB, int m, int n, int k, float* alpha, ulong a, int lda, ulong b, int ldb, float* beta,
        ulong c, int ldc) =>
        Run("cublasSgemm_v2", () => Enqueue(HandleOf(handle), "cublasSgemm", new Product
        {
            TransposeA = Op(opA), TransposeB = Op(opB), M = m, N = n, K = k, Alpha = Scalar(alpha), Beta = Scalar(beta),
            A = new Matrix(a, lda, 0), B = new Matrix(b, ldb, 0), C = new Matrix(c, ldc, 0),
        }));

    [UnmanagedCallersOnly(EntryPoint = "cublasGemmEx")]
    public static int GemmEx(nint handle, int opA, int opB, int m, int n, int k, float* alpha, ulong a, int typeA, int lda, ulong b, int typeB, int ldb,
        float* beta, ulong c, int typeC, int ldc, int compute, int algorithm) => Run("cublasGemmEx", () =>
    {
        _ = algorithm;
        // 68 and 69: float32, plain and pedantic; 74 to 77: with faster formats, which nothing here may ask for.
        if (compute is not (68 or 69 or 74 or 75 or 77) || typeA != typeB || typeA is not (0 or 2 or 14) || (typeC != 0 && typeC != typeA))
            throw new BlasError(BlasStatus.NOT_SUPPORTED);
        Enqueue(HandleOf(handle), "cublasGemmEx", new Product
        {
            TransposeA = Op(opA), TransposeB = Op(opB), M = m, N = n, K = k, Alpha = Scalar(alpha), Beta = Scalar(beta),
            A = new Matrix(a, lda, typeA), B = new Matrix(b, ldb, typeB), C = new Matrix(c, ldc, typeC), Tf32 = compute == 77,
        });
    });

    private static bool Op(int op)
    {
        Require(op is 0 or 1 or 2, $"there is no operation {op}");
        return op != 0;
    }

    private static float Scalar(float* p)
    {
        Require(p != null, "a scalar is null");
        Require((ulong)p < 1ul << 47, "a scalar lies in device memory, but the pointer mode is host");
        return *p;
    }

    private static void Enqueue(BlasHandle h, string name, Product p)
    {
        Require(p.M >= 0 && p.N >= 0 && p.K >= 0, $"{name}: m {p.M}, n {p.N}, k {p.K}");
        Require(p.A.Leading >= Math.Max(1, p.TransposeA ? p.K : p.M), $"{name}: lda {p.A.Leading} is less than the rows of A, {(p.TransposeA ? p.K : p.M)}");
        Require(p.B.Leading >= Math.Max(1, p.TransposeB ? p.N : p.K), $"{name}: ldb {p.B.Leading} is less than the rows of B, {(p.TransposeB ? p.N : p.K)}");
        Require(p.C.Leading >= Math.Max(1, p.M), $"{name}: ldc {p.C.Leading} is less than the rows of C, {p.M}");
        if (p.M == 0 || p.N == 0)
            return;
        if (h.MathMode == 3)
            p.Tf32 = true;
        Machine.Enqueue(h.Stream, () =>
        {
            if (!p.Run(name))
                h.Context.Sticky = Status.ILLEGAL_ADDRESS;
        });
    }

    [UnmanagedCallersOnly(EntryPoint = "cublasGetStatusName")]
    public static byte* GetStatusName(int status) =>
        NativeText.Of("CUBLAS_STATUS_" + (Enum.IsDefined((BlasStatus)status) ? ((BlasStatus)status).ToString() : "UNKNOWN"));

    [UnmanagedCallersOnly(EntryPoint = "cublasGetStatusString")]
    public static byte* GetStatusString(int status) => NativeText.Of(((BlasStatus)status).ToString().ToLowerInvariant().Replace('_', ' '));
}
