namespace Dia.IO;

/// <summary>
/// How many threads computing is worth: one for each physical core that this process may run on and that is not a small one. A core's second
/// hardware thread shares its multipliers and caches; small cores beside large ones would be waited for.
/// </summary>
internal sealed partial class ProcessorCores
{
    // A core below this part of the largest one's capacity or clock is a small one. The middle cores of telephones have 0.7 and more, dense server
    // cores beside others 0.65, small ones 0.2 to 0.45.
    private const double SmallBelow = 0.5;

    private const int MostProcessors = 8192; // as Linux can be built for

    private static readonly Lazy<ProcessorCores> OfThisProcess = new(() => Read("/sys/devices", Allowed(), Environment.ProcessorCount));

    private ProcessorCores(int count, string reason) => (Count, Reason) = (count, reason);

    /// <summary>Those of this process.</summary>
    public static ProcessorCores Default => OfThisProcess.Value;

    /// <summary>How many threads.</summary>
    public int Count { get; }

    /// <summary>Why so many, as a phrase.</summary>
    public string Reason { get; }

    /// <summary>Reads what the system says of its processors.</summary>
    /// <param name="devices">The folder /sys/devices.</param>
    /// <param name="allowed">The numbers of the processors that this process may run on; empty: not known.</param>
    /// <param name="most">How many threads the process may run at a time: processors and time that it has.</param>
    internal static ProcessorCores Read(string devices, IReadOnlyCollection<int> allowed, int most)
    {
        // Core by core: its first processor that this process may use, and all of them.
        Dictionary<int, int[]> cores = [];
        HashSet<int> left = [.. allowed];
        foreach (int processor in allowed.Order())
        {
            if (!left.Contains(processor))
                continue;
            string topology = $"{devices}/system/cpu/cpu{processor}/topology/";
            int[]? siblings = ReadList(topology + "core_cpus_list") ?? ReadList(topology + "thread_siblings_list");
            if (siblings is null || !siblings.Contains(processor))
                return new ProcessorCores(Math.Max(1, most), "one for each processor");
            cores[processor] = siblings;
            left.ExceptWith(siblings);
        }

        if (cores.Count == 0)
            return new ProcessorCores(Math.Max(1, most), "one for each processor");
        int[] large = Large(devices, [.. cores.Keys]);
        int small = cores.Count - large.Length, count = Math.Clamp(most, 1, large.Length);
        string reason = count < large.Length
            ? $"one for each processor whose time it may use; it has {Cores(large.Length)}"
            : $"one for each of {Cores(large.Length)}";
        string[] alone = [
            .. large.Any(core => cores[core].Length > 1) ? new[] { "their second hardware threads" } : [],
            .. small > 0 ? new[] { $"{Cores(small)} that are small" } : []];
        return new ProcessorCores(count, alone.Length == 0 ? reason : $"{reason}; without {string.Join(" and ", alone)}");
    }

    /// <summary>The cores that are not small, by one processor of each.</summary>
    private static int[] Large(string devices, int[] cores)
    {
        // Intel's processors of two kinds name those of the large one.
        if (ReadList(devices + "/cpu_core/cpus") is { } listed && cores.Intersect(listed).ToArray() is { Length: > 0 } performance)
            return performance;
        foreach (string name in (ReadOnlySpan<string>)["cpu_capacity", "cpufreq/cpuinfo_max_freq"])
        {
            long[] values = [.. cores.Select(c => ReadNumber($"{devices}/system/cpu/cpu{c}/{name}"))];
            if (values.Min() > 0)
                return [.. cores.Where((_, i) => values[i] >= SmallBelow * values.Max())];
        }

        return cores;
    }

    private static string Cores(int count) => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "core" : "cores")}");

    /// <summary>A list as the kernel writes it: "0-3,8,10-11"; null: there is none, or it is malformed.</summary>
    private static int[]? ReadList(string path)
    {
        List<int> list = [];
        foreach (string range in (SystemFile.TryRead(path)?.Trim() ?? "").Split(','))
        {
            string[] ends = range.Split('-');
            if (ends.Length > 2 || !int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)
                || !int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int last) || last < first || last >= MostProcessors)
                return null;
            list.AddRange(Enumerable.Range(first, last - first + 1));
        }

        return list.Count <= MostProcessors ? [.. list] : null;
    }

    private static long ReadNumber(string path) =>
        long.TryParse(SystemFile.TryRead(path), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out long number) ? number : 0;

    /// <summary>The processors that the system lets this process run on; empty: it does not say.</summary>
    private static unsafe int[] Allowed()
    {
        if (!OperatingSystem.IsLinux())
            return [];
        byte* mask = stackalloc byte[MostProcessors / 8];
        new Span<byte>(mask, MostProcessors / 8).Clear();
        return GetAffinity(0, MostProcessors / 8, mask) != 0
            ? [] : [.. Enumerable.Range(0, MostProcessors).Where(bit => (mask[bit / 8] >> (bit % 8) & 1) != 0)];
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static unsafe partial int GetAffinity(int process, nuint bytes, byte* mask);
}
