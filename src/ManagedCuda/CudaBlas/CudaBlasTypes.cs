namespace ManagedCuda.CudaBlas;

/// <summary>What a call of cuBLAS returns: <see cref="CudaBlasException"/> has its name of any other.</summary>
public enum CublasStatus
{
    /// <summary>The call did what it should.</summary>
    Success = 0,
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
