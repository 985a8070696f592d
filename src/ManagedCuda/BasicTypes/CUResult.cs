namespace ManagedCuda.BasicTypes;

/// <summary>What a call of the driver returns: the codes that are treated in a way of their own. <see cref="CudaException"/> has the name of any.</summary>
public enum CUResult
{
    /// <summary>The call did what it should.</summary>
    Success = 0,

    /// <summary>Memory of the device or the host does not suffice.</summary>
    ErrorOutOfMemory = 2,

    /// <summary>There is no device of that ordinal.</summary>
    ErrorInvalidDevice = 101,

    /// <summary>No context is current, or it is not valid.</summary>
    ErrorInvalidContext = 201,

    /// <summary>A shared library could not be initialised.</summary>
    ErrorSharedObjectInitFailed = 303,

    /// <summary>The name is not in the module.</summary>
    ErrorNotFound = 500,

    /// <summary>The work is still under way: an answer, not a failure.</summary>
    ErrorNotReady = 600,

    /// <summary>The driver does not say what happened.</summary>
    ErrorUnknown = 999,
}
