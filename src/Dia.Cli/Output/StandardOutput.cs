namespace Dia.Cli.Output;

/// <summary>
/// Standard output as a stream. Where it leads to a regular file it can seek, so that a header's sizes can be made true; the position is
/// the kernel's own, so that what the next program of a script writes follows. A file opened for appending counts as a pipe.
/// </summary>
internal sealed unsafe partial class StandardOutput : Stream
{
    /// <summary>errno of a write to a pipe that nobody reads any more.</summary>
    public const int BrokenPipe = 32;

    private const int Descriptor = 1;
    private const int SeekCurrent = 1;
    private const int GetFlags = 3;
    private const int Append = 0x400;
    private const int Interrupted = 4;
    private const int TryAgain = 11;

    public override bool CanRead => false;

    public override bool CanSeek { get; } = Seek(Descriptor, 0, SeekCurrent) >= 0 && (StandardDescriptors.Control(Descriptor, GetFlags) & Append) == 0;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => Seek(Descriptor, 0, SeekCurrent);
        set => Seek(Descriptor, value, 0);
    }

    public override void Write(ReadOnlySpan<byte> buffer) => Write(Descriptor, buffer);

    /// <summary>Writes all of it to a descriptor.</summary>
    /// <exception cref="IOException">It cannot be written; HResult is the errno.</exception>
    internal static void Write(int descriptor, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            for (int written = 0; written < buffer.Length;)
            {
                nint count = Write(descriptor, bytes + written, buffer.Length - written);
                int error = Marshal.GetLastPInvokeError();
                if (count >= 0)
                    written += (int)count;
                else if (error == TryAgain)
                    Thread.Sleep(1); // Somebody made the pipe non-blocking.
                else if (error != Interrupted)
                    throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // Nothing is held back.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int descriptor, byte* bytes, nint count);

    [LibraryImport("libc", EntryPoint = "lseek")]
    private static partial long Seek(int descriptor, long offset, int origin);
}
