using System.Runtime.InteropServices;
using Dia.IO;

namespace Dia.Backends;

/// <summary>Aligned native memory for the backends that compute on the host.</summary>
internal static unsafe class HostMemory
{
    /// <summary>Zeroed memory for <paramref name="count"/> float32 values, aligned to 64 bytes (a cache line).</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static float* Allocate(long count) => (float*)AllocateBytes(checked(count * sizeof(float)));

    /// <summary>Zeroed memory of <paramref name="bytes"/> bytes, aligned to 64 bytes.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static void* AllocateBytes(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        try
        {
            // Large blocks come zeroed from the system, untouched: a cache takes no more memory than it is filled (by
            // large pages, if it is very large). Before what is returned lies the address to free.
            void* block = NativeMemory.AllocZeroed(checked((nuint)bytes + 128));
            void** memory = (void**)(((nuint)block + 64 + 63) & ~(nuint)63);
            memory[-1] = block;
            LargePages.Ask(memory, bytes);
            return memory;
        }
        catch (OutOfMemoryException e)
        {
            throw new DiaException(DiaErrorKind.Device, $"No memory for a block of {bytes} bytes. Free memory, or generate less at once.", e);
        }
    }

    /// <summary>Frees what <see cref="Allocate"/> or <see cref="AllocateBytes"/> gave; null is ignored.</summary>
    public static void Free(void* memory)
    {
        if (memory is not null)
            NativeMemory.Free(((void**)memory)[-1]);
    }
}
