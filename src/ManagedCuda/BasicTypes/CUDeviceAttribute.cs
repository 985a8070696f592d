namespace ManagedCuda.BasicTypes;

/// <summary>What can be asked about a device.</summary>
public enum CUDeviceAttribute
{
    /// <summary>Multiprocessors.</summary>
    MultiProcessorCount = 16,

    /// <summary>Compute capability, the number before the point.</summary>
    ComputeCapabilityMajor = 75,

    /// <summary>Compute capability, the number after the point.</summary>
    ComputeCapabilityMinor = 76,
}
