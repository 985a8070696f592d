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
}

/// <summary>Which arithmetic cuBLAS may use.</summary>
public enum Math
{
    /// <summary>Every product and sum in the precision asked for.</summary>
    PedanticMath = 2,
}

/// <summary>A handle of cuBLAS.</summary>
public struct CudaBlasHandle
{
    /// <summary>The library's handle; zero: none.</summary>
    public nint Pointer;
}
