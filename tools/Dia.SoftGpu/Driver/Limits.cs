namespace Dia.SoftGpu.Driver;

/// <summary>What the stated chip and driver can do.</summary>
internal static class Limits
{
    public const int SharedPerBlock = 48 * 1024;

    /// <summary>Shared bytes of a block that opted in.</summary>
    public static int SharedOptIn => Settings.Current.Sm switch
    {
        >= 90 and < 120 => 227 * 1024,
        80 or 87 => 163 * 1024,
        75 => 64 * 1024,
        _ => 99 * 1024,
    };

    public static int SharedPerMultiprocessor => Settings.Current.Sm == 75 ? 64 * 1024 : SharedOptIn + 1024;

    /// <summary>The newest PTX that the driver reads: major * 10 + minor.</summary>
    public static int PtxVersion(int driver) => driver switch
    {
        >= 13000 => 90, >= 12080 => 87, >= 12070 => 86, >= 12050 => 85, >= 12000 => 80 + (driver - 12000) / 10, >= 11000 => 70 + (driver - 11000) / 10, _ => 65,
    };

    /// <summary>Values of CUdevice_attribute; null for numbers that do not exist in the stated driver.</summary>
    public static int? Attribute(int attribute) => attribute switch
    {
        1 => 1024, // MAX_THREADS_PER_BLOCK
        2 or 3 => 1024, 4 => 64, // MAX_BLOCK_DIM
        5 => int.MaxValue, 6 or 7 => 65535, // MAX_GRID_DIM
        8 => SharedPerBlock,
        9 => 65536, // TOTAL_CONSTANT_MEMORY
        10 => 32, // WARP_SIZE
        11 => int.MaxValue, // MAX_PITCH
        12 => 65536, // MAX_REGISTERS_PER_BLOCK
        13 => 1_000_000, // CLOCK_RATE
        14 => 512, // TEXTURE_ALIGNMENT
        15 => 1, // GPU_OVERLAP
        16 => Settings.Current.Multiprocessors,
        17 or 18 => 0, // KERNEL_EXEC_TIMEOUT, INTEGRATED
        19 => 1, // CAN_MAP_HOST_MEMORY
        20 => 0, // COMPUTE_MODE
        31 => 1, // CONCURRENT_KERNELS
        32 => 0, // ECC_ENABLED
        33 => 1, 34 => 0, 35 => 0, // PCI_BUS_ID, PCI_DEVICE_ID, TCC_DRIVER
        36 => 1_000_000, 37 => 256, 38 => 4 << 20, // MEMORY_CLOCK_RATE, GLOBAL_MEMORY_BUS_WIDTH, L2_CACHE_SIZE
        39 => 2048, // MAX_THREADS_PER_MULTIPROCESSOR
        40 => 2, // ASYNC_ENGINE_COUNT
        41 => 1, // UNIFIED_ADDRESSING
        50 => 0, // PCI_DOMAIN_ID
        75 => Settings.Current.Sm / 10, 76 => Settings.Current.Sm % 10,
        78 => 1, // STREAM_PRIORITIES_SUPPORTED
        79 or 80 => 1, // GLOBAL_L1, LOCAL_L1
        81 => SharedPerMultiprocessor, 82 => 65536,
        83 => 0, 84 => 0, 85 => 0, // MANAGED_MEMORY, MULTI_GPU_BOARD
        86 => 0, 87 => 2, 88 => 0, 89 => 0, 90 => 1, 91 =>
            1, // HOST_NATIVE_ATOMIC, SINGLE_TO_DOUBLE, PAGEABLE, CONCURRENT_MANAGED, COMPUTE_PREEMPTION, HOST_POINTER_FOR_REGISTERED
        95 => 0, // COOPERATIVE_LAUNCH: blocks cannot wait for each other here
        97 => SharedOptIn,
        106 => 32, // MAX_BLOCKS_PER_MULTIPROCESSOR
        115 => 0, // MEMORY_POOLS_SUPPORTED
        _ => null,
    };
}
