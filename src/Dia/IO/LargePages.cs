namespace Dia.IO;

/// <summary>
/// Asks the system for pages of 2 MiB instead of 4 KiB. Weights and caches of gigabytes take hundreds of thousands of small ones, more than a
/// processor keeps track of, and reading waits for their addresses. Linux alone is asked: it is the one that can do it for anyone, without a
/// privilege.
/// </summary>
internal static unsafe partial class LargePages
{
    /// <summary>Bytes of a large page.</summary>
    public const int Bytes = 1 << 21;

    /// <summary>A block below this gains little, and would take memory that it may never fill.</summary>
    public const long LeastBytes = 1 << 25;

    private const int MadviseHugePage = 14;

    /// <summary>
    /// Asks for large pages for a block or a mapped file before it is touched. A file gets them where the kernel reads it from the disk for this
    /// mapping (Linux 6.16 on ext4, earlier on others), not where it is in memory in small pages already. Advice: refusal is not an error.
    /// </summary>
    public static void Ask(void* memory, long bytes) => Ask(memory, bytes, LeastBytes);

    /// <summary>The same for a block that is filled at once: there a single page is worth it.</summary>
    public static void AskToFill(void* memory, long bytes) => Ask(memory, bytes, Bytes);

    private static void Ask(void* memory, long bytes, long least)
    {
        if (!OperatingSystem.IsLinux() || bytes < least)
            return;
        nuint page = (nuint)Environment.SystemPageSize, first = ((nuint)memory + page - 1) / page * page;
        _ = Madvise((void*)first, (nuint)memory + (nuint)bytes - first, MadviseHugePage);
    }

    /// <summary>Whether anonymous memory gets them where it asks.</summary>
    /// <param name="settings">The folder of the kernel's settings.</param>
    internal static bool AreThere(string settings = "/sys/kernel/mm/transparent_hugepage")
    {
        if (!OperatingSystem.IsLinux())
            return false;
        // Newer kernels have a setting for each size, which may leave it to the one for all.
        string all = SystemFile.TryRead(settings + "/enabled") ?? "", own = SystemFile.TryRead($"{settings}/hugepages-{Bytes >> 10}kB/enabled") ?? "";
        string chosen = own.Length == 0 || own.Contains("[inherit]", StringComparison.Ordinal) ? all : own;
        return chosen.Contains("[always]", StringComparison.Ordinal) || chosen.Contains("[madvise]", StringComparison.Ordinal);
    }

    /// <summary>Bytes that are mapped by large pages, of the mappings that these addresses are in; 0 where the system does not say.</summary>
    /// <param name="addresses">The addresses.</param>
    /// <param name="mappings">The process's mappings as the kernel lists them.</param>
    internal static long Mapped(IReadOnlyCollection<nint> addresses, string mappings = "/proc/self/smaps")
    {
        long bytes = 0;
        bool counts = false;
        foreach (string line in (SystemFile.TryRead(mappings) ?? "").Split('\n'))
        {
            // A mapping begins with its addresses; what it has follows, as "FilePmdMapped:   2048 kB".
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length >= 5 && words[0].Split('-') is [var from, var to]
                && nint.TryParse(from, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out nint first)
                && nint.TryParse(to, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out nint end))
                counts = addresses.Any(a => a >= first && a < end);
            else if (counts && words is ["FilePmdMapped:" or "ShmemPmdMapped:" or "AnonHugePages:", var kibibytes, "kB"]
                && long.TryParse(kibibytes, NumberStyles.None, CultureInfo.InvariantCulture, out long count))
                bytes += count << 10;
        }

        return bytes;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(void* memory, nuint bytes, int advice);
}
