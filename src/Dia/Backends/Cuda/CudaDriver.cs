using ManagedCuda;

namespace Dia.Backends.Cuda;

/// <summary>NVIDIA's driver.</summary>
public static class CudaDriver
{
    /// <summary>Whether there is one.</summary>
    public static bool IsThere => CudaContext.TryLoad();

    /// <summary>How many GPUs it has; 0 without it.</summary>
    /// <exception cref="DiaException">It does not start (Device).</exception>
    public static int Count() => Ask(static () => CudaContext.GetDeviceCount());

    /// <summary>The name of a GPU that is not taken.</summary>
    /// <param name="ordinal">Which one, from 0.</param>
    /// <exception cref="DiaException">It does not start (Device).</exception>
    public static string NameOf(int ordinal) => Ask(() => CudaContext.GetDeviceName(ordinal));

    /// <summary>The newest CUDA version that the driver supports.</summary>
    /// <exception cref="DiaException">There is no driver, or it is too old or does not start (Device).</exception>
    internal static Version Check()
    {
        if (!CudaContext.TryLoad())
            throw new DiaException(DiaErrorKind.Device, "libcuda.so.1 was not found: install the NVIDIA driver or use --device cpu.");
        try
        {
            Version version = CudaContext.GetDriverVersion();
            if (version < new Version(11, 4))
                throw new DiaException(DiaErrorKind.Device,
                    $"The NVIDIA driver supports CUDA {version}; 11.4 or later is needed (driver 470). Update the driver, or use --device cpu.");
            return version;
        }
        catch (CudaException e)
        {
            throw new DiaException(DiaErrorKind.Device,
                $"The NVIDIA driver does not start: {e.Message.TrimEnd('.', ' ')}. Check that the machine has an NVIDIA GPU (nvidia-smi lists it), or use --device cpu.", e);
        }
    }

    /// <summary>What the driver says; its own words where it fails.</summary>
    private static T Ask<T>(Func<T> question)
    {
        try
        {
            return CudaContext.TryLoad() ? question() : default!;
        }
        catch (CudaException e)
        {
            throw new DiaException(DiaErrorKind.Device, e.Message, e);
        }
    }
}
