using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>A call of the driver failed. The message names the call and the driver's name and description of the error.</summary>
public class CudaException : Exception
{
    /// <summary>An error of the driver.</summary>
    /// <param name="error">The driver's code.</param>
    public CudaException(CUResult error)
        : this(error, NameOf(error) + ": " + DescriptionOf(error), null)
    {
    }

    /// <summary>An error of the driver.</summary>
    /// <param name="error">The driver's code.</param>
    /// <param name="message">What happened.</param>
    /// <param name="exception">What caused it.</param>
    public CudaException(CUResult error, string message, Exception? exception)
        : base(message, exception) => CudaError = error;

    /// <summary>The driver's code.</summary>
    public CUResult CudaError { get; }

    private static string NameOf(CUResult error) =>
        CudaContext.TryLoad() && DriverAPINativeMethods.cuGetErrorName(error, out nint text) == CUResult.Success && text != 0
            ? Marshal.PtrToStringUTF8(text)!
            : string.Create(CultureInfo.InvariantCulture, $"CUDA error {(int)error}");

    private static string DescriptionOf(CUResult error) =>
        CudaContext.TryLoad() && DriverAPINativeMethods.cuGetErrorString(error, out nint text) == CUResult.Success && text != 0
            ? Marshal.PtrToStringUTF8(text)!
            : "";

    /// <summary>The error of a call, with its name in the message.</summary>
    /// <param name="error">The driver's code.</param>
    /// <param name="call">The call as it is in the source.</param>
    internal static CudaException Of(CUResult error, string call)
    {
        string name = NameOf(error), description = DescriptionOf(error);
        return new CudaException(error, $"{FunctionOf(call)} failed: {name}{(description.Length > 0 ? $" ({description})" : "")}", null);
    }

    /// <summary>The function's name in a call: "cuMemAlloc_v2" of "DriverAPINativeMethods.MemoryManagement.cuMemAlloc_v2(ref p, n)".</summary>
    /// <param name="call">The call as it is in the source.</param>
    internal static string FunctionOf(string call)
    {
        int end = call.IndexOf('(', StringComparison.Ordinal);
        string path = end < 0 ? call : call[..end];
        return path[(path.LastIndexOf('.') + 1)..];
    }
}

/// <summary>Checks of statuses.</summary>
internal static class CUResultExtensions
{
    /// <summary>Throws where a call failed.</summary>
    /// <param name="result">Its status.</param>
    /// <param name="call">The call as it is in the source, which the compiler fills in.</param>
    /// <exception cref="CudaException">It failed.</exception>
    public static void ThrowIfFailed(this CUResult result, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != CUResult.Success)
            throw CudaException.Of(result, call);
    }
}
