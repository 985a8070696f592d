using Dia.IO;
using Dia.Tests.Weights;
using Xunit;

namespace Dia.Tests.IO;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_appears_when_it_is_complete()
    {
        using var file = AtomicFile.Create(_folder["a"]);
        file.Stream.Write("new"u8);
        Assert.False(File.Exists(_folder["a"]));
        file.Commit();
        Assert.Equal("new", File.ReadAllText(_folder["a"]));
        Assert.Single(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void An_unfinished_file_leaves_nothing()
    {
        _folder.Write("a", "old");
        using (var file = AtomicFile.Create(_folder["a"]))
            file.Stream.Write("half"u8);
        Assert.Equal("old", File.ReadAllText(_folder["a"]));
        Assert.Single(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void What_a_writer_that_was_killed_left_goes_with_the_next_file_of_its_name_and_who_still_writes_is_not_disturbed()
    {
        using (var first = AtomicFile.Create(_folder["a"]))
            File.Copy(Assert.Single(Directory.GetFiles(_folder.Path)), _folder["copy"]);
        string left;
        using (var first = AtomicFile.Create(_folder["a"]))
        {
            left = Assert.Single(Directory.GetFiles(_folder.Path), p => p != _folder["copy"]);
            first.Stream.Write("first"u8);
            using var second = AtomicFile.Create(_folder["a"]);
            second.Stream.Write("second"u8);
            second.Commit();
            first.Commit();
            Assert.Equal("first", File.ReadAllText(_folder["a"]));
        }

        File.Move(_folder["copy"], left); // as if the first had been killed
        Write(_folder["b"], "another name");
        Assert.True(File.Exists(left));
        Write(_folder["a"], "next");
        Assert.Equal([_folder["a"], _folder["b"]], Directory.GetFiles(_folder.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Replacing_keeps_permissions()
    {
        File.SetUnixFileMode(_folder.Write("a", "old"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Write(_folder["a"], "new");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["a"]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_links_target_is_written(bool exists)
    {
        Directory.CreateDirectory(_folder["sub"]);
        if (exists)
            _folder.Write("sub/target", "old");
        File.CreateSymbolicLink(_folder["link"], "sub/target");
        Write(_folder["link"], "new");
        Assert.Equal("new", File.ReadAllText(_folder["sub/target"]));
        Assert.NotNull(new FileInfo(_folder["link"]).LinkTarget);
        Assert.Single(Directory.GetFileSystemEntries(_folder["sub"]));
    }

    [Fact]
    public void Devices_are_written_in_place()
    {
        Write("/dev/null", "gone");
        var e = Assert.Throws<DiaException>(() => Write("/dev/full", "no room"));
        Assert.Equal(DiaErrorKind.Output, e.Kind);
        Assert.IsAssignableFrom<IOException>(e.InnerException);
        Assert.Contains("/dev/full", e.Message);
    }

    [Fact]
    public void An_open_descriptors_file_is_written_in_place()
    {
        // As for `-o /dev/stdout` behind a redirection: the shell's file must stay the same file.
        _folder.Write("a", "old");
        using var open = File.OpenHandle(_folder["a"], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        Write($"/proc/self/fd/{open.DangerousGetHandle()}", "new");
        byte[] bytes = new byte[3];
        Assert.Equal(3, RandomAccess.Read(open, bytes, 0));
        Assert.Equal("new"u8.ToArray(), bytes);
    }

    [Fact]
    public async Task Fifos_are_written_in_place()
    {
        using (var made = System.Diagnostics.Process.Start("mkfifo", [_folder["fifo"]]))
            await made.WaitForExitAsync();
        var reader = Task.Run(() => File.ReadAllText(_folder["fifo"]));
        Write(_folder["fifo"], "through");
        Assert.Equal("through", await reader);
        Assert.Single(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void What_cannot_be_written_is_an_output_error()
    {
        foreach (string path in new[] { _folder.Path, _folder["no/such/folder"], _folder["new/"], "/proc/nothing", _folder[new string('n', 300)] })
            Assert.Equal(DiaErrorKind.Output, Assert.Throws<DiaException>(() => Write(path, "x")).Kind);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    private static void Write(string path, string text)
    {
        using var file = AtomicFile.Create(path);
        file.Stream.Write(System.Text.Encoding.UTF8.GetBytes(text));
        file.Commit();
    }
}
