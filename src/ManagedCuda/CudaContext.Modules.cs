using System.Text;
using ManagedCuda.BasicTypes;
using Native = ManagedCuda.DriverAPINativeMethods;

namespace ManagedCuda;

// Loading code.
public partial class CudaContext
{
    private const int ErrorLogBytes = 16 << 10;

    /// <summary>Loads a module from PTX. The context becomes the thread's current one.</summary>
    /// <param name="image">The PTX, which ends in a zero.</param>
    /// <returns>The module, which goes with the context.</returns>
    /// <exception cref="CudaException">The driver failed; the message holds what its compiler says.</exception>
    public unsafe nint LoadModulePTX(ReadOnlySpan<byte> image)
    {
        SetCurrent();
        byte[] log = new byte[ErrorLogBytes];
        fixed (byte* code = image, errors = log)
        {
            CUJITOption* options = stackalloc CUJITOption[] { CUJITOption.ErrorLogBufferSizeBytes, CUJITOption.ErrorLogBuffer };
            nint* values = stackalloc nint[] { log.Length, (nint)errors };
            CUResult result = Native.cuModuleLoadDataEx(out nint module, code, 2, options, values);
            if (result == CUResult.Success)
                return module;

            int length = log.AsSpan().IndexOf((byte)0);
            string said = Encoding.UTF8.GetString(log, 0, length < 0 ? log.Length : length).Trim();
            CudaException failure = CudaException.Of(result, nameof(Native.cuModuleLoadDataEx));
            throw said.Length == 0 ? failure : new CudaException(result, $"{failure.Message}\n{said}", null);
        }
    }
}
