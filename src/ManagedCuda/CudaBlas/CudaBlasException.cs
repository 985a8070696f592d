using System.Globalization;

namespace ManagedCuda.CudaBlas;

/// <summary>A call of cuBLAS failed. The message names the call and cuBLAS's name of the error.</summary>
public class CudaBlasException : Exception
{
    /// <summary>An error.</summary>
    /// <param name="error">cuBLAS's status.</param>
    /// <param name="message">What happened.</param>
    /// <param name="exception">What caused it.</param>
    public CudaBlasException(CublasStatus error, string message, Exception? exception)
        : base(message, exception) => CudaBlasError = error;

    /// <summary>cuBLAS's status.</summary>
    public CublasStatus CudaBlasError { get; }

    /// <summary>cuBLAS's own name of a status, where it tells.</summary>
    /// <param name="error">The status.</param>
    internal static string NameOf(CublasStatus error) =>
        CudaBlasNativeMethods.GetStatusName(error) ?? string.Create(CultureInfo.InvariantCulture, $"cuBLAS status {(int)error}");
}

/// <summary>Checks of statuses.</summary>
internal static class CublasStatusExtensions
{
    /// <summary>Throws where a call failed.</summary>
    /// <param name="status">Its status.</param>
    /// <param name="call">The call as it is in the source, which the compiler fills in.</param>
    /// <exception cref="CudaBlasException">It failed.</exception>
    public static void ThrowIfFailed(this CublasStatus status, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status != CublasStatus.Success)
            throw new CudaBlasException(status, $"{CudaException.FunctionOf(call)} failed: {CudaBlasException.NameOf(status)}", null);
    }
}
