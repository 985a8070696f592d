namespace Dia;

/// <summary>What kind of thing went wrong; the command turns it into its exit code.</summary>
public enum DiaErrorKind
{
    /// <summary>An argument or option is out of its range.</summary>
    Usage,

    /// <summary>A configuration, checkpoint or weight is missing, malformed or does not fit.</summary>
    Model,

    /// <summary>Text, audio or codes given to the model are malformed or do not fit.</summary>
    Input,

    /// <summary>The device failed: no driver, no memory, a kernel error.</summary>
    Device,

    /// <summary>Output could not be written.</summary>
    Output,
}

/// <summary>
/// An error the user can act on. Its message says what happened, where (file, tensor, offset), and what to do next.
/// </summary>
public sealed class DiaException(DiaErrorKind kind, string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>What kind of thing went wrong.</summary>
    public DiaErrorKind Kind { get; } = kind;
}
