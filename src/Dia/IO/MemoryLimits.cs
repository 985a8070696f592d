namespace Dia.IO;

/// <summary>
/// What the system lets this process have: the address space of `ulimit -v`, where an allocation over the limit fails, and the memory of its
/// control groups (a container's), where the kernel ends a process that touches more.
/// </summary>
public static unsafe partial class MemoryLimits
{
    private const int AddressSpaceLimit = 9; // RLIMIT_AS in Linux' asm-generic/resource.h
    private const string Groups = "/sys/fs/cgroup";

    private static readonly Lazy<long> OfGroups = new(() => ReadGroups("/proc/self/cgroup", Groups));

    /// <summary>Whether there is a limit.</summary>
    public static bool Any => AddressSpace < long.MaxValue || ControlGroup < long.MaxValue;

    /// <summary>Most bytes of address space; long.MaxValue: no limit.</summary>
    internal static long AddressSpace
    {
        get
        {
            ulong* limits = stackalloc ulong[2]; // soft, hard
            return OperatingSystem.IsLinux() && GetLimit(AddressSpaceLimit, limits) == 0 && limits[0] < long.MaxValue ? (long)limits[0] : long.MaxValue;
        }
    }

    /// <summary>Most bytes that this process's control groups may use together with what else is in them; long.MaxValue: no limit.</summary>
    internal static long ControlGroup => OperatingSystem.IsLinux() ? OfGroups.Value : long.MaxValue;

    /// <summary>Bytes of address space that are taken; 0 where the system does not say.</summary>
    internal static long AddressSpaceTaken
    {
        get
        {
            string? sizes = OperatingSystem.IsLinux() ? SystemFile.TryRead("/proc/self/statm") : null; // In pages; the first is all of it.
            return sizes is not null && long.TryParse(sizes.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out long pages)
                ? pages * Environment.SystemPageSize
                : 0;
        }
    }

    /// <summary>Bytes of address space that are left; long.MaxValue: no limit.</summary>
    internal static long AddressSpaceLeft => AddressSpace is < long.MaxValue and var most ? most - AddressSpaceTaken : long.MaxValue;

    /// <summary>
    /// Bytes that this process can have beside what it has: by its limits, and by what the machine has left, the files that it merely keeps included.
    /// </summary>
    internal static long Available => Math.Max(0, Math.Min(Math.Min(AddressSpaceLeft, HostMemory.Left),
        Kibibytes("/proc/meminfo", "MemAvailable:") ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - HostMemory.Taken));

    /// <summary>Most bytes of memory that this process ever had, mapped files included; 0 where the system does not say.</summary>
    public static long MostResident => Kibibytes("/proc/self/status", "VmHWM:") ?? 0;

    /// <summary>An error that says what is needed and what is there.</summary>
    /// <param name="what">What the memory is for.</param>
    /// <param name="bytes">How much it takes.</param>
    /// <param name="inner">What failed.</param>
    /// <param name="taken">How much of it is taken already, as address space.</param>
    internal static DiaException TooLittle(string what, long bytes, Exception? inner = null, long taken = 0) =>
        new(DiaErrorKind.Device,
            $"too little memory for {what}: it takes {Text(bytes)}. {Describe(taken)} Raise the limit, end other programs, or speak less at once.", inner);

    /// <summary>What is there, as a sentence.</summary>
    /// <param name="without">Address space that is left out of what is taken.</param>
    public static string Describe(long without = 0)
    {
        List<string> limits = [];
        if (AddressSpace is < long.MaxValue and var space)
            limits.Add(AddressSpaceTaken is > 0 and var taken
                ? $"{Text(Math.Min(taken - without, space))} of the {Text(space)} of address space that ulimit -v allows are taken"
                : $"ulimit -v allows {Text(space)} of address space");
        if (ControlGroup is < long.MaxValue and var group)
            limits.Add($"{Text(HostMemory.Taken)} are taken, and the control group allows {Text(group)}");
        return limits.Count > 0 ? string.Join("; ", limits)
            + "." : $"This machine has {Text(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)}, and {Text(HostMemory.Taken)} are taken.";
    }

    /// <summary>The lowest limit of the control groups that a process is in.</summary>
    /// <param name="membership">Its /proc/PID/cgroup: lines of number:controllers:path.</param>
    /// <param name="root">Where control groups are mounted.</param>
    internal static long ReadGroups(string membership, string root)
    {
        long lowest = long.MaxValue;
        foreach (string line in (SystemFile.TryRead(membership) ?? "").Split('\n'))
        {
            string[] parts = line.Split(':', 3);
            if (parts.Length < 3)
                continue;
            // Version 2 has one tree and names no controllers; in version 1 each has its own.
            if (parts[1].Length == 0)
                lowest = Math.Min(lowest, Lowest(root, parts[2], "memory.max", "memory.high"));
            else if (parts[1].Split(',').Contains("memory"))
                lowest = Math.Min(lowest, Lowest(Path.Combine(root, "memory"), parts[2], "memory.limit_in_bytes"));
        }

        return lowest;
    }

    /// <summary>
    /// A group's limit holds for those below it. A container sees its own group as the root, whatever its path is called, and not those
    /// above it.
    /// </summary>
    private static long Lowest(string root, string path, params ReadOnlySpan<string> names)
    {
        // A number above this is version 1's way to say "no limit".
        const long none = 1L << 62;
        long lowest = long.MaxValue;
        for (string group = path; ; group = group[..Math.Max(group.LastIndexOf('/'), 0)])
        {
            foreach (string name in names)
                if (long.TryParse(SystemFile.TryRead($"{root}{group.TrimEnd('/')}/{name}"), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out long limit)
                    && limit < none)
                    lowest = Math.Min(lowest, limit);
            if (group.Length == 0)
                return lowest;
        }
    }

    /// <summary>Bytes, of a line like "MemAvailable:   21234 kB"; null: there is none.</summary>
    private static long? Kibibytes(string path, string name)
    {
        string? line = OperatingSystem.IsLinux() ? SystemFile.TryRead(path)?.Split('\n').FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal)) : null;
        return long.TryParse(line?[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), NumberStyles.None, CultureInfo.InvariantCulture,
            out long kibibytes) ? kibibytes * 1024 : null;
    }

    internal static string Text(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 20):0.0} MiB");

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, ulong* limits);
}
