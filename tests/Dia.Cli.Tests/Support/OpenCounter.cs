using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Dia.Cli.Tests.Support;

/// <summary>Counts how often the files of a folder are opened, by whatever process (inotify).</summary>
internal sealed partial class OpenCounter : IDisposable
{
    private const uint Opened = 0x20;
    private const uint Closed = 0x10; // Two openings without anything between would be told as one.
    private const int HeaderSize = 16;

    private readonly Dictionary<int, string> _folders = [];
    private readonly SafeFileHandle _events;

    /// <summary>Starts to count.</summary>
    public OpenCounter(string folder)
    {
        _events = new SafeFileHandle(Initialize(0), ownsHandle: true);
        foreach (string path in Directory.EnumerateDirectories(folder, "*", SearchOption.AllDirectories).Append(folder))
        {
            int watch = Add((int)_events.DangerousGetHandle(), path, Opened | Closed);
            Assert.True(watch >= 0, $"{path} cannot be watched");
            _folders[watch] = Path.GetRelativePath(folder, path);
        }
    }

    /// <summary>How often each file was opened until now; at least one was.</summary>
    public SortedDictionary<string, int> Read()
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        byte[] events = new byte[1 << 16];
        int length = RandomAccess.Read(_events, events, 0);
        for (int at = 0; at < length;)
        {
            int nameLength = BitConverter.ToInt32(events, at + 12);
            string name = Path.Combine(_folders[BitConverter.ToInt32(events, at)], Encoding.UTF8.GetString(events, at + HeaderSize, nameLength).TrimEnd('\0'));
            if ((BitConverter.ToUInt32(events, at + 4) & Opened) != 0 && nameLength > 0)
                counts[name] = counts.GetValueOrDefault(name) + 1;
            at += HeaderSize + nameLength;
        }

        return counts;
    }

    /// <inheritdoc/>
    public void Dispose() => _events.Dispose();

    [LibraryImport("libc", EntryPoint = "inotify_init1")]
    private static partial int Initialize(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Add(int events, string path, uint mask);
}
