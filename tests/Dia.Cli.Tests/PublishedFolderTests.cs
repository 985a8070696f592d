using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>What `dotnet publish` makes.</summary>
public sealed class PublishedFolderTests
{
    [Fact]
    public void It_is_one_file()
    {
        foreach (Executable executable in new[] { Executable.Dia, Executable.WithFixtures })
        {
            string folder = Path.GetDirectoryName(executable.Path)!;
            if (folder.StartsWith(Path.Combine(Repository.Root, "out"), StringComparison.Ordinal)) // Another's folder may hold what it likes.
                Assert.Equal(["dia"], Directory.EnumerateFileSystemEntries(folder).Select(f => Path.GetFileName(f)));
        }
    }
}
