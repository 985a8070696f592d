namespace Dia.IO;

/// <summary>
/// Asks the system for pages of 2 MiB instead of 4 KiB. Weights and caches of gigabytes take hundreds of thousands of small ones, more than a
/// processor keeps track of, and reading waits for their addresses. Linux alone is asked: it is the one that can do it for anyone, without a
/// privilege.
/// </summary>
internal static unsafe partial class LargePages
{
    /// <summary>A block below this gains little, and would take memory that it may never fill.</summary>
    public const long LeastBytes = 1 << 25;

    private const int MadviseHugePage = 14;

    /// <summary>
    /// Asks for large pages for a block or a mapped file before it is touched. A file gets them where the kernel reads it from the disk for this
    /// mapping (Linux 6.16 on ext4, earlier on others), not where it is in memory in small pages already. Advice: refusal is not an error.
    /// </summary>
    public static void Ask(void* memory, long bytes)
    {
        if (!OperatingSystem.IsLinux() || bytes < LeastBytes)
            return;
        nuint page = (nuint)Environment.SystemPageSize, first = ((nuint)memory + page - 1) / page * page;
        _ = Madvise((void*)first, (nuint)memory + (nuint)bytes - first, MadviseHugePage);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(void* memory, nuint bytes, int advice);
}
