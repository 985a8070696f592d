namespace ManagedCuda.BasicTypes;

/// <summary>Flags of cuInit.</summary>
public enum CUInitializationFlags
{
    /// <summary>There are none.</summary>
    None = 0,
}

/// <summary>How a thread waits for the device.</summary>
[Flags]
public enum CUCtxFlags
{
    /// <summary>The driver chooses by the number of contexts and processors.</summary>
    SchedAuto = 0,

    /// <summary>Spin: lowest latency, a processor busy.</summary>
    SchedSpin = 1,

    /// <summary>Spin, but let other threads run.</summary>
    SchedYield = 2,

    /// <summary>Sleep.</summary>
    BlockingSync = 4,

    /// <summary>Not needed since CUDA 11: host memory can always be mapped.</summary>
    MapHost = 8,

    /// <summary>Keep local memory at the size of the greediest kernel.</summary>
    LMemResizeToMax = 16,
}

/// <summary>Properties of pinned host memory.</summary>
[Flags]
public enum CUMemHostAllocFlags
{
    /// <summary>Pinned for the current context.</summary>
    None = 0,

    /// <summary>Pinned for every context.</summary>
    Portable = 1,

    /// <summary>Kernels can read and write it.</summary>
    DeviceMap = 2,

    /// <summary>Not cached: fast to write for the host and to read for the device, slow to read for the host.</summary>
    WriteCombined = 4,
}

/// <summary>Properties of a stream.</summary>
[Flags]
public enum CUStreamFlags
{
    /// <summary>The null stream waits for it and it waits for the null stream.</summary>
    None = 0,

    /// <summary>Independent of the null stream.</summary>
    NonBlocking = 1,
}

/// <summary>Properties of an event.</summary>
[Flags]
public enum CUEventFlags
{
    /// <summary>With a time; waiting spins.</summary>
    Default = 0,

    /// <summary>Waiting sleeps.</summary>
    BlockingSync = 1,

    /// <summary>Without a time, which makes it cheaper.</summary>
    DisableTiming = 2,

    /// <summary>Can be shared with another process; needs DisableTiming.</summary>
    InterProcess = 4,
}

/// <summary>Which calls are refused while a stream captures, because they would not be part of the graph.</summary>
public enum CUstreamCaptureMode
{
    /// <summary>Unsafe calls of every thread.</summary>
    Global = 0,

    /// <summary>Unsafe calls of the capturing thread.</summary>
    Local = 1,

    /// <summary>None.</summary>
    Relaxed = 2,
}

/// <summary>Whether a stream captures.</summary>
public enum CUstreamCaptureStatus
{
    /// <summary>It does not.</summary>
    None = 0,

    /// <summary>It does.</summary>
    Active = 1,

    /// <summary>It did, until a call spoiled the capture; it must still be ended.</summary>
    Invalidated = 2,
}

/// <summary>Properties of an executable graph.</summary>
[Flags]
public enum CUgraphInstantiate_flags
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Memory that the graph allocated and did not free is freed at its next launch.</summary>
    AutoFreeOnLaunch = 1,
}

/// <summary>What can be asked about a kernel, and set where it says so.</summary>
public enum CUFunctionAttribute
{
    /// <summary>Most threads of a block, with the registers that the kernel needs.</summary>
    MaxThreadsPerBlock = 0,

    /// <summary>Shared memory that the kernel declares, in bytes.</summary>
    SharedSizeBytes = 1,

    /// <summary>Constant memory that it declares, in bytes.</summary>
    ConstSizeBytes = 2,

    /// <summary>Local memory of a thread in bytes: spilled registers and arrays.</summary>
    LocalSizeBytes = 3,

    /// <summary>Registers of a thread.</summary>
    NumRegs = 4,

    /// <summary>Architecture of the PTX, 10 * major + minor.</summary>
    PTXVersion = 5,

    /// <summary>Architecture of the machine code, 10 * major + minor.</summary>
    BinaryVersion = 6,

    /// <summary>1 where loads are cached in the first level by a compiler option.</summary>
    CacheModeCA = 7,

    /// <summary>Most dynamic shared memory of a launch in bytes; can be set.</summary>
    MaxDynamicSharedSizeBytes = 8,

    /// <summary>Wanted share of shared memory in the first-level cache in percent; can be set.</summary>
    PreferredSharedMemoryCarveout = 9,
}

/// <summary>Options of compiling PTX. Each goes with a value in the size of a pointer.</summary>
public enum CUJITOption
{
    /// <summary>Most registers of a thread (in).</summary>
    MaxRegisters = 0,

    /// <summary>Fewest threads of a block to compile for (in), threads compiled for (out).</summary>
    ThreadsPerBlock = 1,

    /// <summary>Milliseconds that compiling took, a float (out).</summary>
    WallTime = 2,

    /// <summary>Buffer for messages that inform (in).</summary>
    InfoLogBuffer = 3,

    /// <summary>Its size in bytes (in), bytes written (out).</summary>
    InfoLogBufferSizeBytes = 4,

    /// <summary>Buffer for messages of errors (in).</summary>
    ErrorLogBuffer = 5,

    /// <summary>Its size in bytes (in), bytes written (out).</summary>
    ErrorLogBufferSizeBytes = 6,

    /// <summary>0 to 4, 4 where nothing is said (in).</summary>
    OptimizationLevel = 7,

    /// <summary>Compile for the current context's device, which is the default.</summary>
    TargetFromContext = 8,

    /// <summary>Compile for this architecture (in).</summary>
    Target = 9,

    /// <summary>What to do where no machine code fits (in).</summary>
    FallbackStrategy = 10,

    /// <summary>1: with information for debuggers (in).</summary>
    GenerateDebugInfo = 11,

    /// <summary>1: messages say more (in).</summary>
    LogVerbose = 12,

    /// <summary>1: with line numbers (in).</summary>
    GenerateLineInfo = 13,

    /// <summary>Whether loads are cached in the first level (in).</summary>
    JITCacheMode = 14,
}
