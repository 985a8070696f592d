using System.Diagnostics;

namespace Dia.Cuda.Tests;

/// <summary>This assembly's <see cref="Program"/> in a process of its own, with the software GPU as the driver.</summary>
internal static class GpuProcess
{
    /// <summary>Runs it to its end.</summary>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="settings">Environment variables "NAME=value" (tools/Dia.SoftGpu/Driver/Settings.cs).</param>
    public static (int ExitCode, string[] Lines) Run(string arguments, params string[] settings)
    {
        string library = Repository.At("out", "softgpu");
        if (!File.Exists(Path.Combine(library, "libcuda.so.1")))
            throw new FileNotFoundException($"There is no software GPU in {library}. Make it with: dotnet publish tools/Dia.SoftGpu");
        return Run(arguments, library, settings);
    }

    /// <summary>The same where the folder of the driver is given; an empty folder is a machine without one.</summary>
    public static (int ExitCode, string[] Lines) Run(string arguments, string library, string[] settings)
    {
        var start = new ProcessStartInfo("dotnet", $"\"{typeof(GpuProcess).Assembly.Location}\" {arguments}") { RedirectStandardOutput = true,
            RedirectStandardError = true };
        start.Environment["LD_LIBRARY_PATH"] = library;
        foreach (string setting in settings)
            start.Environment[setting[..setting.IndexOf('=')]] = setting[(setting.IndexOf('=') + 1)..];
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, (output + errors.Result).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
