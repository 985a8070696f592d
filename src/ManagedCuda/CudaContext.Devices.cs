using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

// What the driver says about itself and about devices.
public partial class CudaContext
{
    /// <summary>Whether the driver's library (libcuda.so.1) is on this machine. It is looked for once.</summary>
    public static bool TryLoad() => Driver.IsThere;

    /// <summary>The CUDA version of the driver; 11.4 is R470.</summary>
    /// <exception cref="CudaException">There is no driver, or it failed.</exception>
    public static Version GetDriverVersion()
    {
        Initialise();
        Native.cuDriverGetVersion(out int version).ThrowIfFailed();
        return new Version(version / 1000, version % 1000 / 10);
    }

    /// <summary>How many devices there are.</summary>
    /// <exception cref="CudaException">There is no driver, or it failed; a driver without a device may say so at once.</exception>
    public static int GetDeviceCount()
    {
        Initialise();
        Native.cuDeviceGetCount(out int count).ThrowIfFailed();
        return count;
    }

    /// <summary>A device's name.</summary>
    /// <param name="deviceId">The device's ordinal, from 0.</param>
    /// <exception cref="CudaException">There is no driver or no such device, or the driver failed.</exception>
    public static unsafe string GetDeviceName(int deviceId)
    {
        const int Bytes = 256;
        byte* name = stackalloc byte[Bytes];
        Native.cuDeviceGetName(name, Bytes, DeviceOf(deviceId)).ThrowIfFailed();
        return Marshal.PtrToStringUTF8((nint)name)!;
    }

    /// <summary>A property of the device.</summary>
    /// <param name="attribute">Which.</param>
    /// <exception cref="CudaException">The driver failed.</exception>
    public int GetDeviceAttribute(CUDeviceAttribute attribute) => AttributeOf(_device, attribute);

    /// <summary>A device's compute capability; 8.0 is sm_80.</summary>
    /// <param name="deviceId">The device's ordinal, from 0.</param>
    /// <exception cref="CudaException">There is no driver or no such device, or the driver failed.</exception>
    public static Version GetDeviceComputeCapability(int deviceId)
    {
        int device = DeviceOf(deviceId);
        return new(AttributeOf(device, CUDeviceAttribute.ComputeCapabilityMajor), AttributeOf(device, CUDeviceAttribute.ComputeCapabilityMinor));
    }

    /// <summary>The device's memory in bytes: what no one uses, and all of it. The context becomes the thread's current one.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    public (long Free, long Total) GetMemoryInfo()
    {
        SetCurrent();
        Native.cuMemGetInfo_v2(out nuint free, out nuint total).ThrowIfFailed();
        return checked(((long)free, (long)total));
    }

    private static void Initialise()
    {
        if (!TryLoad())
        {
            throw new CudaException(CUResult.ErrorSharedObjectInitFailed,
                $"The NVIDIA driver is not on this machine: the loader does not find {Native.CUDA_DRIVER_API_DLL_NAME}.", null);
        }

        Native.cuInit(0).ThrowIfFailed();
    }

    private static int DeviceOf(int deviceId)
    {
        Initialise();
        CUResult result = Native.cuDeviceGet(out int device, deviceId);
        if (result == CUResult.ErrorInvalidDevice)
            throw new CudaException(result, $"There is no CUDA device {deviceId}: this machine has {GetDeviceCount()}.", null);
        result.ThrowIfFailed(nameof(Native.cuDeviceGet));
        return device;
    }

    private static int AttributeOf(int device, CUDeviceAttribute attribute)
    {
        Native.cuDeviceGetAttribute(out int value, attribute, device).ThrowIfFailed();
        return value;
    }

    // A class of its own, so that the library is looked for when someone asks.
    private static class Driver
    {
        public static readonly bool IsThere = NativeLibrary.TryLoad(Native.CUDA_DRIVER_API_DLL_NAME, out _);
    }
}
