namespace ManagedCuda.CudaBlas;

/// <summary>What a call of cuBLAS returns.</summary>
public enum CublasStatus
{
    /// <summary>The call did what it should.</summary>
    Success = 0,

    /// <summary>The handle was not made, or cuBLAS could not start.</summary>
    NotInitialized = 1,

    /// <summary>Memory does not suffice.</summary>
    AllocFailed = 3,

    /// <summary>An argument is outside the accepted range.</summary>
    InvalidValue = 7,

    /// <summary>The device does not have what the call needs.</summary>
    ArchMismatch = 8,

    /// <summary>Memory of the device could not be reached.</summary>
    MappingError = 11,

    /// <summary>A kernel failed.</summary>
    ExecutionFailed = 13,

    /// <summary>cuBLAS failed.</summary>
    InternalError = 14,

    /// <summary>This combination of arguments is not supported.</summary>
    NotSupported = 15,

    /// <summary>The licence does not allow the call.</summary>
    LicenseError = 16,
}

/// <summary>What is done to a matrix, stored by columns, before it is multiplied.</summary>
public enum Operation
{
    /// <summary>Nothing.</summary>
    NonTranspose = 0,

    /// <summary>It is transposed.</summary>
    Transpose = 1,

    /// <summary>It is transposed and conjugated.</summary>
    ConjugateTranspose = 2,
}

/// <summary>Which arithmetic cuBLAS may use.</summary>
public enum Math
{
    /// <summary>The fastest of the types asked for.</summary>
    DefaultMath = 0,

    /// <summary>The same; not used since CUDA 11.</summary>
    TensorOpMath = 1,

    /// <summary>Every product and sum in the precision asked for.</summary>
    PedanticMath = 2,

    /// <summary>float32 products may be rounded to TF32 (10 bits of fraction).</summary>
    TF32TensorOpMath = 3,

    /// <summary>With DefaultMath: sums of 16-bit products stay in float32.</summary>
    DisallowReducedPrecisionReduction = 16,
}

/// <summary>Where alpha and beta lie.</summary>
public enum PointerMode
{
    /// <summary>In host memory.</summary>
    Host = 0,

    /// <summary>In device memory.</summary>
    Device = 1,
}

/// <summary>The format of a matrix's elements.</summary>
public enum DataType
{
    /// <summary>float32</summary>
    CUDA_R_32F = 0,

    /// <summary>float64</summary>
    CUDA_R_64F = 1,

    /// <summary>float16</summary>
    CUDA_R_16F = 2,

    /// <summary>bfloat16</summary>
    CUDA_R_16BF = 14,
}

/// <summary>The arithmetic of a product, of those whose alpha and beta are float32.</summary>
public enum ComputeType
{
    /// <summary>float32</summary>
    Compute32F = 68,

    /// <summary>float32, never rounded to less in between.</summary>
    Compute32FPedantic = 69,

    /// <summary>float32 sums of products rounded to float16.</summary>
    Compute32FFast16F = 74,

    /// <summary>float32 sums of products rounded to bfloat16.</summary>
    Compute32FFast16BF = 75,

    /// <summary>float32 sums of products rounded to TF32.</summary>
    Compute32FFastTF32 = 77,
}

/// <summary>Which of its algorithms cuBLAS uses.</summary>
public enum GemmAlgo
{
    /// <summary>It chooses.</summary>
    Default = -1,

    /// <summary>It chooses; not different from Default since CUDA 11.</summary>
    DefaultTensorOp = 99,
}

/// <summary>A handle of cuBLAS.</summary>
public struct CudaBlasHandle
{
    /// <summary>The library's handle; zero: none.</summary>
    public nint Pointer;
}
