using System.Diagnostics;

namespace Dia.Cli.Tests.Support;

/// <summary>A test that mounts a file system in a namespace of its own, and is skipped, saying so, where it may not.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MountFactAttribute : FactAttribute
{
    private static readonly Lazy<bool> MayMount = new(Try);

    /// <summary>Tries it.</summary>
    public MountFactAttribute()
    {
        if (!MayMount.Value)
            Skip = "mounting a tmpfs needs root, and is not allowed here";
    }

    private static bool Try()
    {
        try
        {
            using Process process =
                Process.Start(new ProcessStartInfo("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"]) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
