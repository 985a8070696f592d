using System.Runtime.InteropServices;

namespace ManagedCuda;

/// <summary>A context on a device.</summary>
public class CudaContext
{
    /// <summary>Whether the driver's library (libcuda.so.1) is on this machine.</summary>
    public static bool TryLoad() => NativeLibrary.TryLoad(DriverAPINativeMethods.CUDA_DRIVER_API_DLL_NAME, out _);
}
