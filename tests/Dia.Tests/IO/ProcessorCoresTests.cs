using Dia.IO;
using Xunit;

namespace Dia.Tests.IO;

public sealed class ProcessorCoresTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_thread_for_each_core_and_none_for_its_second_hardware_thread()
    {
        for (int i = 0; i < 16; i++)
            Processor(i, siblings: $"{i % 8},{i % 8 + 8}");
        ProcessorCores cores = Read(16, most: 16);
        Assert.Equal(8, cores.Count);
        Assert.Equal("one for each of 8 cores; without their second hardware threads", cores.Reason);

        // Of four cores both threads, of one the second alone: five cores.
        Assert.Equal(5, ProcessorCores.Read(_folder.Path, [0, 1, 2, 3, 8, 9, 10, 11, 15], 9).Count);
    }

    [Fact]
    public void Time_that_a_control_group_gives_is_a_limit()
    {
        for (int i = 0; i < 8; i++)
            Processor(i, siblings: $"{i}");
        ProcessorCores cores = Read(8, most: 3);
        Assert.Equal(3, cores.Count);
        Assert.Equal("one for each processor whose time it may use; it has 8 cores", cores.Reason);
    }

    [Fact]
    public void Small_cores_beside_Intels_large_ones_are_left_alone()
    {
        for (int i = 0; i < 8; i++)
            Processor(i, siblings: $"{i / 2 * 2}-{i / 2 * 2 + 1}");
        for (int i = 8; i < 16; i++)
            Processor(i, siblings: $"{i}");
        File(_folder.Path + "/cpu_core/cpus", "0-7\n");
        ProcessorCores cores = Read(16, most: 16);
        Assert.Equal(4, cores.Count);
        Assert.Equal("one for each of 4 cores; without their second hardware threads and 8 cores that are small", cores.Reason);

        // A process that has nothing but small ones uses them.
        Assert.Equal(3, ProcessorCores.Read(_folder.Path, [9, 11, 12], 3).Count);
    }

    [Theory]
    [InlineData("cpu_capacity", "325", "870", "1024", 4)]
    [InlineData("cpufreq/cpuinfo_max_freq", "1200000", "2850000", "3200000", 4)]
    [InlineData("cpufreq/cpuinfo_max_freq", "5100000", "5100000", "5500000", 8)]
    [InlineData("cpu_capacity", "many", "870", "1024", 8)]
    public void Small_cores_are_told_by_capacity_or_clock(string name, string first, string second, string third, int count)
    {
        // A telephone's: four small, three of the middle, a large one.
        for (int i = 0; i < 8; i++)
        {
            Processor(i, siblings: $"{i}");
            File($"{_folder.Path}/system/cpu/cpu{i}/{name}", $"{(i < 4 ? first : i < 7 ? second : third)}\n");
        }

        Assert.Equal(count, Read(8, most: 8).Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("1-0")]
    [InlineData("0-99999999")]
    [InlineData("5")]
    [InlineData("0-1-2")]
    public void Where_nothing_can_be_read_there_is_a_thread_for_each_processor(string siblings)
    {
        Processor(0, siblings);
        Assert.Equal((6, "one for each processor"), Values(Read(6, most: 6)));
        Assert.Equal((6, "one for each processor"), Values(ProcessorCores.Read(_folder.Path, [], 6)));
        Assert.Equal((1, "one for each processor"), Values(ProcessorCores.Read(_folder.Path + "/nothing", [0], 0)));
    }

    [Fact]
    public void This_process_has_a_core_and_no_more_threads_than_processors() =>
        Assert.InRange(ProcessorCores.Default.Count, 1, Environment.ProcessorCount);

    private static (int Count, string Reason) Values(ProcessorCores cores) => (cores.Count, cores.Reason);

    private ProcessorCores Read(int processors, int most) => ProcessorCores.Read(_folder.Path, [.. Enumerable.Range(0, processors)], most);

    private void Processor(int number, string siblings) => File($"{_folder.Path}/system/cpu/cpu{number}/topology/thread_siblings_list", siblings + "\n");

    private static void File(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        System.IO.File.WriteAllText(path, text);
    }
}
