using Dia.Backends;
using Dia.IO;
using Xunit;

namespace Dia.Tests.Backends;

public sealed class MemoryLimitsTests : IDisposable
{
    private const long None = long.MaxValue;
    private readonly string _folder = Directory.CreateTempSubdirectory("dia-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("0::/a/b\n", "a/b/memory.max", "1000\n", 1000)]
    [InlineData("0::/a/b\n", "a/b/memory.max", "max\n", None)]
    [InlineData("0::/a/b\n", "a/b/memory.high", "900\n", 900)]
    [InlineData("0::/a/b\n", "a/memory.max", "800\n", 800)] // A limit holds for the groups below.
    [InlineData("0::/\n", "memory.max", "700\n", 700)] // In a container its own group is the root,
    [InlineData("0::/host/path\n", "memory.max", "700\n", 700)] // or is called as the host calls it.
    [InlineData("0::/../other\n", "memory.max", "700\n", 700)]
    [InlineData("0::/a\n", "b/memory.max", "700\n", None)] // Another's.
    [InlineData("9:name=systemd:/a\n4:cpu,memory:/a/b\n", "memory/a/b/memory.limit_in_bytes", "600\n", 600)]
    [InlineData("4:memory:/docker/0123\n", "memory/memory.limit_in_bytes", "500\n", 500)]
    [InlineData("4:memory:/a\n", "memory/a/memory.limit_in_bytes", "9223372036854771712\n", None)]
    [InlineData("3:cpu:/a\n", "memory/a/memory.limit_in_bytes", "500\n", None)]
    [InlineData("0::/a\n", "a/memory.max", "-5\n", None)]
    [InlineData("0::/a\n", "a/memory.max", "99999999999999999999\n", None)]
    [InlineData("0::/a\n", "a/memory.max", "", None)]
    [InlineData("nonsense\n0:\n", "memory.max", "500\n", None)]
    [InlineData("", "memory.max", "500\n", None)]
    public void A_control_group_s_limit(string membership, string file, string content, long limit)
    {
        string root = Path.Combine(_folder, "groups"), path = Path.Combine(root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.WriteAllText(Path.Combine(_folder, "cgroup"), membership);
        Assert.Equal(limit, MemoryLimits.ReadGroups(Path.Combine(_folder, "cgroup"), root));
    }

    [Fact]
    public void The_lowest_of_several()
    {
        string root = Path.Combine(_folder, "groups");
        Directory.CreateDirectory(Path.Combine(root, "a/b"));
        File.WriteAllText(Path.Combine(root, "a/b/memory.max"), "1000\n");
        File.WriteAllText(Path.Combine(root, "a/b/memory.high"), "2000\n");
        File.WriteAllText(Path.Combine(root, "a/memory.max"), "500\n");
        File.WriteAllText(Path.Combine(_folder, "cgroup"), "1:memory:/a\n0::/a/b\n");
        Assert.Equal(500, MemoryLimits.ReadGroups(Path.Combine(_folder, "cgroup"), root));
        Assert.Equal(long.MaxValue, MemoryLimits.ReadGroups(Path.Combine(_folder, "nothing"), root));
    }

    [Fact]
    public unsafe void What_is_allocated_is_counted()
    {
        long before = HostMemory.Taken; // Other tests allocate too, but not this much.
        void* memory = HostMemory.AllocateBytes(8L << 30);
        Assert.InRange(HostMemory.Taken - before, 4L << 30, 12L << 30);
        HostMemory.Free(memory);
        Assert.InRange(HostMemory.Taken - before, -(2L << 30), 2L << 30);
    }

    [Fact]
    public unsafe void More_than_there_is_is_refused_with_the_figures()
    {
        var error = Assert.Throws<DiaException>(() => { HostMemory.AllocateBytes(long.MaxValue / 2); });
        Assert.Equal(DiaErrorKind.Device, error.Kind);
        Assert.Matches(@"takes \d+\.\d MiB\. .*\d+\.\d MiB", error.Message);
    }
}
