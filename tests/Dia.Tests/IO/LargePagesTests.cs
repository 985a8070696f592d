using Dia.IO;
using Xunit;

namespace Dia.Tests.IO;

public sealed unsafe class LargePagesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("always [madvise] never", null, true)]
    [InlineData("[always] madvise never", null, true)]
    [InlineData("always madvise [never]", null, false)]
    [InlineData("always madvise [never]", "always inherit [madvise] never", true)]
    [InlineData("[always] madvise never", "always inherit madvise [never]", false)]
    [InlineData("always [madvise] never", "always [inherit] madvise never", true)]
    [InlineData("always madvise [never]", "always [inherit] madvise never", false)]
    [InlineData("", null, false)]
    [InlineData(null, null, false)]
    public void Whether_memory_gets_them_is_read_from_the_kernels_settings(string? all, string? own, bool expected)
    {
        if (all is not null)
            File.WriteAllText(Path.Combine(_folder.Path, "enabled"), all + "\n");
        if (own is not null)
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(_folder.Path, "hugepages-2048kB")).FullName, "enabled"), own + "\n");
        Assert.Equal(expected, LargePages.AreThere(_folder.Path));
    }

    [Fact]
    public void What_is_mapped_by_large_pages_is_counted_mapping_by_mapping()
    {
        string path = Path.Combine(_folder.Path, "smaps");
        File.WriteAllText(path, """
            7f0000000000-7f0010000000 r--s 00000000 fe:00 123 /a model/model.safetensors
            Size:             262144 kB
            Rss:               65536 kB
            FilePmdMapped:     40960 kB
            VmFlags: rd mr me ms sd
            7f0020000000-7f0030000000 r--s 00000000 fe:00 124 /other
            FilePmdMapped:     99999 kB
            7f0040000000-7f0050000000 rw-p 00000000 00:00 0
            AnonHugePages:      2048 kB
            ShmemPmdMapped:        x kB
            FilePmdMapped:
            """);
        Assert.Equal(40960L << 10, LargePages.Mapped([unchecked((nint)0x7f0000000000), unchecked((nint)0x7f000fffffff)], path));
        Assert.Equal((40960L + 2048) << 10, LargePages.Mapped([unchecked((nint)0x7f0000000000), unchecked((nint)0x7f0040000000)], path));
        Assert.Equal(0, LargePages.Mapped([unchecked((nint)0x7f0010000000)], path));
        Assert.Equal(0, LargePages.Mapped([0], Path.Combine(_folder.Path, "nothing")));
    }

    /// <summary>Else what is copied from a file would be in memory twice.</summary>
    [Fact]
    public void Reading_a_mapped_file_touches_no_page_of_the_mapping()
    {
        const int Bytes = 8 << 20;
        string path = Path.Combine(_folder.Path, "file");
        byte[] written = new byte[Bytes];
        new Random(1).NextBytes(written);
        File.WriteAllBytes(path, written);
        using var range = new MappedRange(new FileRange(path, 4096, Bytes - 4096), DiaErrorKind.Model);
        File.Delete(path); // What is read is what was mapped, whatever has the name by now.
        byte[] read = new byte[Bytes - 5000];
        range.Read(904, read);
        Assert.True(read.AsSpan().SequenceEqual(written.AsSpan(5000)));
        Assert.Equal(0, Resident(range.Pointer));
        Assert.Equal(written[4096], *range.Pointer);
        Assert.NotEqual(0, Resident(range.Pointer));
        Assert.Equal(DiaErrorKind.Model, Assert.Throws<DiaException>(() => range.Read(Bytes - 5000, read)).Kind);
    }

    private static long Resident(byte* address)
    {
        string mapping = File.ReadLines("/proc/self/smaps").SkipWhile(l => !l.StartsWith($"{(nint)address:x}-", StringComparison.Ordinal))
            .First(l => l.StartsWith("Rss:", StringComparison.Ordinal));
        return long.Parse(mapping.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
    }
}
