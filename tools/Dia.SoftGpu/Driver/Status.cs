using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace Dia.SoftGpu.Driver;

/// <summary>Statuses of the driver, with its names.</summary>
internal enum Status
{
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, DEINITIALIZED = 4, DEVICE_UNAVAILABLE = 46, NO_DEVICE = 100, INVALID_DEVICE = 101,
    INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NO_BINARY_FOR_GPU = 209, ECC_UNCORRECTABLE = 214, INVALID_PTX = 218, UNSUPPORTED_PTX_VERSION = 222,
    INVALID_SOURCE = 300, OPERATING_SYSTEM = 304, INVALID_HANDLE = 400, ILLEGAL_STATE = 401, NOT_FOUND = 500, NOT_READY = 600,
    ILLEGAL_ADDRESS = 700, LAUNCH_OUT_OF_RESOURCES = 701, LAUNCH_TIMEOUT = 702, CONTEXT_IS_DESTROYED = 709, ASSERT = 710, HARDWARE_STACK_ERROR = 714,
    ILLEGAL_INSTRUCTION = 715, MISALIGNED_ADDRESS = 716, INVALID_ADDRESS_SPACE = 717, INVALID_PC = 718, LAUNCH_FAILED = 719,
    NOT_PERMITTED = 800, NOT_SUPPORTED = 801, STREAM_CAPTURE_UNSUPPORTED = 900, STREAM_CAPTURE_INVALIDATED = 901, STREAM_CAPTURE_MERGE = 902,
    STREAM_CAPTURE_UNMATCHED = 903, STREAM_CAPTURE_UNJOINED = 904, STREAM_CAPTURE_ISOLATION = 905, STREAM_CAPTURE_IMPLICIT = 906,
    CAPTURED_EVENT = 907, STREAM_CAPTURE_WRONG_THREAD = 908, UNKNOWN = 999,
}

/// <summary>A call ends with this status.</summary>
internal sealed class CudaError(Status status) : Exception(status.ToString())
{
    public Status Status { get; } = status;

    /// <summary>After these nothing works any more in the context.</summary>
    public static bool IsSticky(Status s) =>
        s is Status.ILLEGAL_ADDRESS or Status.LAUNCH_TIMEOUT or Status.ECC_UNCORRECTABLE or Status.DEVICE_UNAVAILABLE or Status.ASSERT
        or Status.HARDWARE_STACK_ERROR or Status.ILLEGAL_INSTRUCTION or Status.MISALIGNED_ADDRESS
        or Status.INVALID_ADDRESS_SPACE or Status.INVALID_PC or Status.LAUNCH_FAILED;
}

/// <summary>Texts that stay where they are, for callers that get a pointer.</summary>
internal static unsafe class NativeText
{
    private static readonly Dictionary<string, nint> Known = [];

    public static byte* Of(string text)
    {
        lock (Known)
        {
            if (!Known.TryGetValue(text, out nint p))
            {
                byte[] bytes = Encoding.UTF8.GetBytes(text);
                p = (nint)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
                bytes.CopyTo(new Span<byte>((void*)p, bytes.Length));
                Known[text] = p;
            }
            return (byte*)p;
        }
    }
}
