namespace ManagedCuda.BasicTypes;

/// <summary>What a call of the driver returns. The numbers are the driver's; the driver's own names are in <see cref="CudaException.CudaInternalErrorName"/>.</summary>
public enum CUResult
{
    /// <summary>The call did what it should.</summary>
    Success = 0,

    /// <summary>An argument is outside the accepted range.</summary>
    ErrorInvalidValue = 1,

    /// <summary>Memory of the device or the host does not suffice.</summary>
    ErrorOutOfMemory = 2,

    /// <summary>cuInit was not called, or failed.</summary>
    ErrorNotInitialized = 3,

    /// <summary>The driver is shutting down.</summary>
    ErrorDeinitialized = 4,

    /// <summary>A profiling tool prevents the use of the profiler.</summary>
    ErrorProfilerDisabled = 5,

    /// <summary>Not used since CUDA 5.0.</summary>
    ErrorProfilerNotInitialized = 6,

    /// <summary>Not used since CUDA 5.0.</summary>
    ErrorProfilerAlreadyStarted = 7,

    /// <summary>Not used since CUDA 5.0.</summary>
    ErrorProfilerAlreadyStopped = 8,

    /// <summary>The library is the toolkit's stub for linking, not a driver.</summary>
    ErrorStubLibrary = 34,

    /// <summary>The device is in exclusive or prohibited use.</summary>
    ErrorDeviceUnavailable = 46,

    /// <summary>The driver found no device.</summary>
    ErrorNoDevice = 100,

    /// <summary>There is no device of that ordinal.</summary>
    ErrorInvalidDevice = 101,

    /// <summary>The virtual device has no licence.</summary>
    DeviceNotLicensed = 102,

    /// <summary>The module's image is not valid.</summary>
    ErrorInvalidImage = 200,

    /// <summary>No context is current, or it is not valid.</summary>
    ErrorInvalidContext = 201,

    /// <summary>Not used since CUDA 3.2.</summary>
    ErrorContextAlreadyCurrent = 202,

    /// <summary>Mapping or registering memory failed.</summary>
    ErrorMapFailed = 205,

    /// <summary>Unmapping or unregistering memory failed.</summary>
    ErrorUnmapFailed = 206,

    /// <summary>The array is mapped and cannot be destroyed.</summary>
    ErrorArrayIsMapped = 207,

    /// <summary>The resource is mapped already.</summary>
    ErrorAlreadyMapped = 208,

    /// <summary>The image holds no code for this device.</summary>
    ErrorNoBinaryForGPU = 209,

    /// <summary>The resource is in use already.</summary>
    ErrorAlreadyAcquired = 210,

    /// <summary>The resource is not mapped.</summary>
    ErrorNotMapped = 211,

    /// <summary>The resource is not mapped as an array.</summary>
    ErrorNotMappedAsArray = 212,

    /// <summary>The resource is not mapped as a pointer.</summary>
    ErrorNotMappedAsPointer = 213,

    /// <summary>Device memory had an error that its code cannot correct.</summary>
    ErrorECCUncorrectable = 214,

    /// <summary>The device does not know this limit.</summary>
    ErrorUnsupportedLimit = 215,

    /// <summary>The context is bound to another thread.</summary>
    ErrorContextAlreadyInUse = 216,

    /// <summary>These devices cannot read each other's memory.</summary>
    ErrorPeerAccessUnsupported = 217,

    /// <summary>The PTX did not compile.</summary>
    ErrorInvalidPtx = 218,

    /// <summary>The graphics context is not valid.</summary>
    ErrorInvalidGraphicsContext = 219,

    /// <summary>The link between devices had an error.</summary>
    NVLinkUncorrectable = 220,

    /// <summary>The driver's PTX compiler library is missing.</summary>
    JITCompilerNotFound = 221,

    /// <summary>The PTX is newer than the driver.</summary>
    UnsupportedPTXVersion = 222,

    /// <summary>Compiling PTX is switched off.</summary>
    JITCompilationDisabled = 223,

    /// <summary>The device does not know this affinity.</summary>
    UnsupportedExecAffinity = 224,

    /// <summary>The code synchronises on the device, which is not supported.</summary>
    UnsupportedDeviceSync = 225,

    /// <summary>The device contained an error; the process must end.</summary>
    Contained = 226,

    /// <summary>The source of the kernel is not valid.</summary>
    ErrorInvalidSource = 300,

    /// <summary>The file is missing.</summary>
    ErrorFileNotFound = 301,

    /// <summary>A symbol of a shared library is missing.</summary>
    ErrorSharedObjectSymbolNotFound = 302,

    /// <summary>A shared library could not be initialised.</summary>
    ErrorSharedObjectInitFailed = 303,

    /// <summary>A call of the operating system failed.</summary>
    ErrorOperatingSystem = 304,

    /// <summary>The handle is not valid.</summary>
    ErrorInvalidHandle = 400,

    /// <summary>The object is not in the state that the call needs.</summary>
    ErrorIllegalState = 401,

    /// <summary>The answer would leave out something that matters.</summary>
    LossyQuery = 402,

    /// <summary>The name is not in the module.</summary>
    ErrorNotFound = 500,

    /// <summary>The work is still under way: an answer, not a failure.</summary>
    ErrorNotReady = 600,

    /// <summary>A kernel touched memory that is not its own; the context is lost.</summary>
    ErrorIllegalAddress = 700,

    /// <summary>The launch needs more registers, threads or parameters than there are.</summary>
    ErrorLaunchOutOfResources = 701,

    /// <summary>The kernel ran too long for a device that drives a display; the context is lost.</summary>
    ErrorLaunchTimeout = 702,

    /// <summary>The kernel's texture mode does not fit.</summary>
    ErrorLaunchIncompatibleTexturing = 703,

    /// <summary>Access to the peer is enabled already.</summary>
    ErrorPeerAccessAlreadyEnabled = 704,

    /// <summary>Access to the peer is not enabled.</summary>
    ErrorPeerAccessNotEnabled = 705,

    /// <summary>The device's primary context is in use.</summary>
    ErrorPrimaryContextActive = 708,

    /// <summary>The current context was destroyed.</summary>
    ErrorContextIsDestroyed = 709,

    /// <summary>An assertion in a kernel failed; the context is lost.</summary>
    ErrorAssert = 710,

    /// <summary>There is no room for another peer.</summary>
    ErrorTooManyPeers = 711,

    /// <summary>The host memory is registered already.</summary>
    ErrorHostMemoryAlreadyRegistered = 712,

    /// <summary>The host memory is not registered.</summary>
    ErrorHostMemoryNotRegistered = 713,

    /// <summary>A kernel's stack overflowed; the context is lost.</summary>
    ErrorHardwareStackError = 714,

    /// <summary>A kernel met an illegal instruction; the context is lost.</summary>
    ErrorIllegalInstruction = 715,

    /// <summary>A kernel used a misaligned address; the context is lost.</summary>
    ErrorMisalignedAddress = 716,

    /// <summary>A kernel used an address of the wrong space; the context is lost.</summary>
    ErrorInvalidAddressSpace = 717,

    /// <summary>A kernel's program counter left its code; the context is lost.</summary>
    ErrorInvalidPC = 718,

    /// <summary>The kernel failed; the context is lost.</summary>
    ErrorLaunchFailed = 719,

    /// <summary>A cooperative launch has more blocks than the device holds at once.</summary>
    ErrorCooperativeLaunchTooLarge = 720,

    /// <summary>A kernel ended with tensor memory still allocated.</summary>
    TensorMemoryLeak = 721,

    /// <summary>The call is not permitted here.</summary>
    ErrorNotPermitted = 800,

    /// <summary>The device or the driver does not support this.</summary>
    ErrorNotSupported = 801,

    /// <summary>The system is not ready: a daemon of the driver is not running.</summary>
    ErrorSystemNotReady = 802,

    /// <summary>Kernel module and driver library are of different versions.</summary>
    ErrorSystemDriverMismatch = 803,

    /// <summary>Forward compatibility is not supported on this device.</summary>
    ErrorCompatNotSupportedOnDevice = 804,

    /// <summary>The MPS server did not answer.</summary>
    MpsConnectionFailed = 805,

    /// <summary>A call to the MPS server failed.</summary>
    MpsRpcFailure = 806,

    /// <summary>The MPS server takes no clients now.</summary>
    MpsServerNotReady = 807,

    /// <summary>The MPS server has too many clients.</summary>
    MpsMaxClientsReached = 808,

    /// <summary>The device has too many connections.</summary>
    MpsMaxConnectionsReached = 809,

    /// <summary>The MPS server ended this client.</summary>
    ErrorMPSClinetTerminated = 810,

    /// <summary>Kernels that launch kernels are not supported here.</summary>
    ErrorCDPNotSupported = 811,

    /// <summary>Two versions of kernels that launch kernels do not work together.</summary>
    ErrorCDPVersionMismatch = 812,

    /// <summary>The call is not permitted while a stream captures.</summary>
    ErrorStreamCaptureUnsupported = 900,

    /// <summary>An earlier error spoiled the capture.</summary>
    ErrorStreamCaptureInvalidated = 901,

    /// <summary>The call would join two captures.</summary>
    ErrorStreamCaptureMerge = 902,

    /// <summary>The capture did not begin in this stream.</summary>
    ErrorStreamCaptureUnmatched = 903,

    /// <summary>A stream that joined the capture did not return to it.</summary>
    ErrorStreamCaptureUnjoined = 904,

    /// <summary>The work would depend on work outside the capture.</summary>
    ErrorStreamCaptureIsolation = 905,

    /// <summary>The null stream would join the capture.</summary>
    ErrorStreamCaptureImplicit = 906,

    /// <summary>The event was last recorded in a capture.</summary>
    ErrorCapturedEvent = 907,

    /// <summary>The capture began in another thread.</summary>
    ErrorStreamCaptureWrongThread = 908,

    /// <summary>The wait took too long.</summary>
    ErrorTimeOut = 909,

    /// <summary>The executable graph cannot be changed like this.</summary>
    ErrorGraphExecUpdateFailure = 910,

    /// <summary>A device outside CUDA signalled an error.</summary>
    ErrorExternalDevice = 911,

    /// <summary>The cluster size is not valid.</summary>
    ErrorInvalidClusterSize = 912,

    /// <summary>The function is not loaded.</summary>
    ErrorFunctionNotLoaded = 913,

    /// <summary>The resource is of the wrong type.</summary>
    ErrorInvalidResourceType = 914,

    /// <summary>The resource does not suffice.</summary>
    ErrorInvalidResourceConfiguration = 915,

    /// <summary>An error happened while keys were changed.</summary>
    KeyRotation = 916,

    /// <summary>The driver does not say what happened.</summary>
    ErrorUnknown = 999,
}
