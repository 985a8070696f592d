using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Dia.Cli.Tests.Support;

/// <summary>
/// A root file system with the executable, libc, libm and the loader, and nothing else: no /proc, no /dev, no shell. The loader notes which
/// libraries are looked for.
/// </summary>
public sealed partial class BareRoot
{
    // Where a process with no rights may not change its root, it may in a namespace in which it has them.
    private static readonly Lazy<string?> Chroot = new(() => new[] { "chroot", "unshare -r chroot" }.FirstOrDefault(Works));

    private readonly string _folder;

    /// <summary>Makes it.</summary>
    /// <param name="folder">An empty folder.</param>
    public BareRoot(string folder)
    {
        _folder = folder;
        Directory.CreateDirectory(In("/log"));
        foreach (Match library in Library().Matches(Output("ldd", Executable.Dia.Path)))
            Copy(library.Value);
        File.Copy(Executable.Dia.Path, In("/dia"));
    }

    /// <summary>Whether a root can be changed here.</summary>
    public static bool IsPossible => Chroot.Value is not null;

    /// <summary>A path of the root as the rest of the system sees it.</summary>
    public string In(string path) => _folder + path;

    /// <summary>The libraries that were put there.</summary>
    public string[] Libraries() =>
        [.. Directory.EnumerateFiles(_folder, "*.so*", SearchOption.AllDirectories).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    /// <summary>Runs a program in it.</summary>
    public Outcome Run(params string[] call) =>
        Executable.Dia.Shell($"cd $1 && LD_DEBUG=libs LD_DEBUG_OUTPUT=log/libraries exec {Chroot.Value} \"$@\"", [_folder, .. call]);

    /// <summary>All libraries that were looked for or loaded since the last call, however it went.</summary>
    public string[] Sought()
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string log in Directory.EnumerateFiles(In("/log")))
        {
            foreach (Match match in SoughtLibrary().Matches(OfTheProgram(File.ReadAllText(log))))
                names.Add(Path.GetFileName(match.Groups[1].Value));
            File.Delete(log);
        }

        return [.. names];
    }

    /// <summary>What follows the start of chroot, which the loader served too, in the same process.</summary>
    private static string OfTheProgram(string log)
    {
        const string start = "transferring control: ";
        int own = log.LastIndexOf(start, StringComparison.Ordinal), before = log.LastIndexOf(start, own, StringComparison.Ordinal);
        return log[(before + 1)..];
    }

    private static bool Works(string chroot)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("sh", ["-c", $"exec {chroot} / true"]) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static string Output(string program, string argument)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, [argument]) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    private void Copy(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(In(path))!);
        File.Copy(File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path, In(path));
    }

    [GeneratedRegex(@"/\S*\.so[.0-9]*")]
    private static partial Regex Library();

    [GeneratedRegex(@"(?:find library=|calling init: )(\S+)")]
    private static partial Regex SoughtLibrary();
}
