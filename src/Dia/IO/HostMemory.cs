namespace Dia.IO;

/// <summary>Aligned native memory, counted: what the backends that compute on the host work in.</summary>
internal static unsafe class HostMemory
{
    // Before what is returned: the address to free, and the number of bytes.
    private const int HeaderBytes = 64;
    private const int Alignment = 64;

    /// <summary>
    /// What the program and its managed memory take beside this, generously: without reserve a process of the demo model has 16 to 23 MiB of its own in all.
    /// </summary>
    public const long ProgramBytes = 16 << 20;

    private static long _taken;

    /// <summary>Bytes allocated at present.</summary>
    public static long Taken => Volatile.Read(ref _taken);

    /// <summary>Zeroed memory for <paramref name="count"/> float32 values, aligned to 64 bytes (a cache line).</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static float* Allocate(long count) => (float*)AllocateBytes(checked(count * sizeof(float)));

    /// <summary>Zeroed memory of <paramref name="bytes"/> bytes, aligned to 64 bytes.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static void* AllocateBytes(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes > Left)
            throw MemoryLimits.TooLittle("the work", bytes);
        try
        {
            // Large blocks come zeroed from the system, untouched: a cache takes no more memory than it is filled (by
            // large pages, if it is very large).
            void* block = NativeMemory.AllocZeroed(checked((nuint)bytes + HeaderBytes + Alignment));
            void** memory = (void**)(((nuint)block + HeaderBytes + Alignment - 1) & ~(nuint)(Alignment - 1));
            memory[-1] = block;
            memory[-2] = (void*)bytes;
            Interlocked.Add(ref _taken, bytes);
            LargePages.Ask(memory, bytes);
            return memory;
        }
        catch (OutOfMemoryException e)
        {
            throw MemoryLimits.TooLittle("the work", bytes, e);
        }
    }

    /// <summary>
    /// Bytes more that a control group leaves room for; long.MaxValue: no limit. A kernel gives out memory that it has not, and ends the process that
    /// touches it: better said before.
    /// </summary>
    public static long Left => MemoryLimits.ControlGroup is < long.MaxValue and var limit ? limit - ProgramBytes - Taken : long.MaxValue;

    /// <summary>Frees what <see cref="Allocate"/> or <see cref="AllocateBytes"/> gave; null is ignored.</summary>
    public static void Free(void* memory)
    {
        if (memory is null)
            return;
        Interlocked.Add(ref _taken, -(long)((void**)memory)[-2]);
        NativeMemory.Free(((void**)memory)[-1]);
    }
}
