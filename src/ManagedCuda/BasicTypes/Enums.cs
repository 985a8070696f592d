namespace ManagedCuda.BasicTypes;

/// <summary>Properties of pinned host memory.</summary>
[Flags]
public enum CUMemHostAllocFlags
{
    /// <summary>Pinned for the current context.</summary>
    None = 0,

    /// <summary>Kernels can read and write it.</summary>
    DeviceMap = 2,
}

/// <summary>Properties of a stream.</summary>
[Flags]
public enum CUStreamFlags
{
    /// <summary>Independent of the null stream.</summary>
    NonBlocking = 1,
}

/// <summary>Properties of an event.</summary>
[Flags]
public enum CUEventFlags
{
    /// <summary>With a time; waiting spins.</summary>
    Default = 0,

    /// <summary>Without a time, which makes it cheaper.</summary>
    DisableTiming = 2,
}

/// <summary>Which calls are refused while a stream captures, because they would not be part of the graph.</summary>
public enum CUstreamCaptureMode
{
    /// <summary>Unsafe calls of the capturing thread.</summary>
    Local = 1,
}

/// <summary>What can be set of a kernel.</summary>
public enum CUFunctionAttribute
{
    /// <summary>Most dynamic shared memory of a launch in bytes.</summary>
    MaxDynamicSharedSizeBytes = 8,
}

/// <summary>Options of compiling PTX. Each goes with a value in the size of a pointer.</summary>
public enum CUJITOption
{
    /// <summary>Buffer for messages of errors (in).</summary>
    ErrorLogBuffer = 5,

    /// <summary>Its size in bytes (in), bytes written (out).</summary>
    ErrorLogBufferSizeBytes = 6,
}
