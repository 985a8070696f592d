namespace ManagedCuda.BasicTypes;

/// <summary>What can be asked about a device; the attributes of textures, surfaces and sharing between processes are left out.</summary>
public enum CUDeviceAttribute
{
    /// <summary>Most threads of a block.</summary>
    MaxThreadsPerBlock = 1,

    /// <summary>Largest extent of a block in x.</summary>
    MaxBlockDimX = 2,

    /// <summary>Largest extent of a block in y.</summary>
    MaxBlockDimY = 3,

    /// <summary>Largest extent of a block in z.</summary>
    MaxBlockDimZ = 4,

    /// <summary>Largest extent of a grid in x.</summary>
    MaxGridDimX = 5,

    /// <summary>Largest extent of a grid in y.</summary>
    MaxGridDimY = 6,

    /// <summary>Largest extent of a grid in z.</summary>
    MaxGridDimZ = 7,

    /// <summary>Shared memory of a block in bytes, without opting in to more.</summary>
    MaxSharedMemoryPerBlock = 8,

    /// <summary>Constant memory in bytes.</summary>
    TotalConstantMemory = 9,

    /// <summary>Threads of a warp.</summary>
    WarpSize = 10,

    /// <summary>Largest pitch of a copy in bytes.</summary>
    MaxPitch = 11,

    /// <summary>Registers of 32 bits for a block.</summary>
    MaxRegistersPerBlock = 12,

    /// <summary>Highest clock in kHz.</summary>
    ClockRate = 13,

    /// <summary>Alignment of textures in bytes.</summary>
    TextureAlignment = 14,

    /// <summary>1 where copies and kernels run at the same time.</summary>
    GPUOverlap = 15,

    /// <summary>Multiprocessors.</summary>
    MultiProcessorCount = 16,

    /// <summary>1 where kernels may only run for a limited time.</summary>
    KernelExecTimeout = 17,

    /// <summary>1 where the device shares the host's memory.</summary>
    Integrated = 18,

    /// <summary>1 where kernels can read host memory.</summary>
    CanMapHostMemory = 19,

    /// <summary>Who may use the device.</summary>
    ComputeMode = 20,

    /// <summary>Alignment of surfaces in bytes.</summary>
    SurfaceAllignment = 30,

    /// <summary>1 where several kernels run at the same time.</summary>
    ConcurrentKernels = 31,

    /// <summary>1 where memory errors are corrected.</summary>
    ECCEnabled = 32,

    /// <summary>PCI bus.</summary>
    PCIBusID = 33,

    /// <summary>PCI slot.</summary>
    PCIDeviceID = 34,

    /// <summary>1 where the driver is Windows' TCC model.</summary>
    TCCDriver = 35,

    /// <summary>Highest memory clock in kHz.</summary>
    MemoryClockRate = 36,

    /// <summary>Memory bus in bits.</summary>
    GlobalMemoryBusWidth = 37,

    /// <summary>Second-level cache in bytes.</summary>
    L2CacheSize = 38,

    /// <summary>Most threads on a multiprocessor.</summary>
    MaxThreadsPerMultiProcessor = 39,

    /// <summary>Copies that run at the same time as kernels.</summary>
    AsyncEngineCount = 40,

    /// <summary>1 where host and device share one address space.</summary>
    UnifiedAddressing = 41,

    /// <summary>PCI domain.</summary>
    PCIDomainID = 50,

    /// <summary>Compute capability, the number before the point.</summary>
    ComputeCapabilityMajor = 75,

    /// <summary>Compute capability, the number after the point.</summary>
    ComputeCapabilityMinor = 76,

    /// <summary>1 where streams have priorities.</summary>
    StreamPrioritiesSupported = 78,

    /// <summary>1 where global memory is cached in the first level.</summary>
    GlobalL1CacheSupported = 79,

    /// <summary>1 where local memory is cached in the first level.</summary>
    LocalL1CacheSupported = 80,

    /// <summary>Shared memory of a multiprocessor in bytes.</summary>
    MaxSharedMemoryPerMultiprocessor = 81,

    /// <summary>Registers of 32 bits of a multiprocessor.</summary>
    MaxRegistersPerMultiprocessor = 82,

    /// <summary>1 where memory can move by itself between host and device.</summary>
    ManagedMemory = 83,

    /// <summary>1 where several devices are on one board.</summary>
    MultiGpuBoard = 84,

    /// <summary>Number of the board's group of devices.</summary>
    MultiGpuBoardGroupID = 85,

    /// <summary>1 where the link to the host has atomic operations.</summary>
    HostNativeAtomicSupported = 86,

    /// <summary>How many times faster float is than double.</summary>
    SingleToDoublePrecisionPerfRatio = 87,

    /// <summary>1 where the device can read memory that is not pinned.</summary>
    PageableMemoryAccess = 88,

    /// <summary>1 where host and device can use managed memory at the same time.</summary>
    ConcurrentManagedAccess = 89,

    /// <summary>1 where a kernel can be interrupted.</summary>
    ComputePreemptionSupported = 90,

    /// <summary>1 where registered memory has the same address on host and device.</summary>
    CanUseHostPointerForRegisteredMem = 91,

    /// <summary>1 where the blocks of a grid can wait for each other.</summary>
    CooperativeLaunch = 95,

    /// <summary>Shared memory of a block in bytes where the kernel opts in.</summary>
    MaxSharedMemoryPerBlockOptin = 97,

    /// <summary>1 where host memory can be registered.</summary>
    HostRegisterSupported = 99,

    /// <summary>1 where the device reads pageable memory through the host's page tables.</summary>
    PageableMemoryAccessUsesHostPageTables = 100,

    /// <summary>1 where the host can read managed memory on the device in place.</summary>
    DirectManagedMemAccessFromHost = 101,

    /// <summary>Most blocks on a multiprocessor.</summary>
    MaxBlocksPerMultiProcessor = 106,

    /// <summary>Second-level cache that can be reserved, in bytes.</summary>
    MaxPersistingL2CacheSize = 108,

    /// <summary>Largest window of an access policy in bytes.</summary>
    MaxAccessPolicyWindowSize = 109,

    /// <summary>Shared memory of a block that the driver takes, in bytes.</summary>
    ReservedSharedMemoryPerBlock = 111,

    /// <summary>1 where allocations can be ordered in a stream.</summary>
    MemoryPoolsSupported = 115,

    /// <summary>1 where blocks can form clusters.</summary>
    ClusterLaunch = 120,
}
