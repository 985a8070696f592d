using System.Collections.Generic;
using System.Globalization;

namespace Dia.SoftGpu.Driver;

/// <summary>Environment variables; tests set them directly.</summary>
internal sealed class Settings
{
    public static Settings Current { get; set; } = FromEnvironment();

    /// <summary>DIA_SOFTGPU_SEED: order of blocks, warps, paths, streams.</summary>
    public int Seed { get; set; } = 1;

    /// <summary>DIA_SOFTGPU_DRIVER: version of the driver, 11040 for CUDA 11.4 (R470). Later functions and PTX are refused.</summary>
    public int DriverVersion { get; set; } = 11040;

    /// <summary>DIA_SOFTGPU_SM: compute capability, 80.</summary>
    public int Sm { get; set; } = 80;

    /// <summary>DIA_SOFTGPU_MEMORY: bytes of device memory. Several numbers, "20000000,1000000000": as many devices, of so much memory each.</summary>
    public ulong[] Memory { get; set; } = [16ul << 30];

    /// <summary>DIA_SOFTGPU_SMS: multiprocessors.</summary>
    public int Multiprocessors { get; set; } = 8;

    /// <summary>DIA_SOFTGPU_FAIL: "cuLaunchKernel:17=719,cuMemAlloc_v2:3=2": the n-th call of a function returns that status.</summary>
    public List<(string Function, long Call, int Status)> Failures { get; } = [];

    /// <summary>DIA_SOFTGPU_OOM: the n-th allocation of device memory fails, and no other.</summary>
    public long OutOfMemoryAt { get; set; }

    /// <summary>DIA_SOFTGPU_LOST: every call after the n-th returns the status (719 unless "n=46" says another): the device is lost.</summary>
    public (long Call, int Status) Lost { get; set; } = (long.MaxValue, 719);

    /// <summary>DIA_SOFTGPU_ASSEMBLY: milliseconds that loading a module takes, as at a GPU's first start, when the driver assembles it.</summary>
    public int AssemblyMilliseconds { get; set; }

    /// <summary>DIA_SOFTGPU_LOG: file that collects all faults.</summary>
    public string? Log { get; set; }

    /// <summary>DIA_SOFTGPU_LEAKS=1: what is still allocated at the end of the process is a fault.</summary>
    public bool Leaks { get; set; }

    /// <summary>
    /// DIA_SOFTGPU_STATS=1: at the end of the process, warp instructions, kernels that ran, and how often each function was called, on stderr.
    /// </summary>
    public bool Statistics { get; set; }

    private static Settings FromEnvironment()
    {
        var s = new Settings();
        s.Seed = (int)Number("SEED", s.Seed);
        s.DriverVersion = (int)Number("DRIVER", s.DriverVersion);
        s.Sm = (int)Number("SM", s.Sm);
        if (Text("MEMORY") is string memory)
            s.Memory = Array.ConvertAll(memory.Split(','), n => (ulong)Parse(n, "MEMORY"));
        s.Multiprocessors = (int)Number("SMS", s.Multiprocessors);
        s.OutOfMemoryAt = Number("OOM", 0);
        s.AssemblyMilliseconds = (int)Number("ASSEMBLY", 0);
        s.Log = Text("LOG");
        s.Leaks = Number("LEAKS", 0) != 0;
        s.Statistics = Number("STATS", 0) != 0;
        if (Text("LOST") is string lost)
        {
            string[] parts = lost.Split('=');
            s.Lost = (Parse(parts[0], "LOST"), parts.Length > 1 ? (int)Parse(parts[1], "LOST") : 719);
        }
        foreach (string item in (Text("FAIL") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = item.Split(':', '=');
            if (parts.Length != 3)
                throw new ArgumentException($"DIA_SOFTGPU_FAIL: '{item}' is not like cuLaunchKernel:17=719");
            s.Failures.Add((parts[0], Parse(parts[1], "FAIL"), (int)Parse(parts[2], "FAIL")));
        }
        return s;
    }

    private static string? Text(string name) => Environment.GetEnvironmentVariable("DIA_SOFTGPU_" + name) is { Length: > 0 } text ? text : null;

    private static long Number(string name, long otherwise) => Text(name) is string text ? Parse(text, name) : otherwise;

    private static long Parse(string text, string name) =>
        long.TryParse(text, CultureInfo.InvariantCulture, out long value) ? value : throw new ArgumentException($"DIA_SOFTGPU_{name}: '{text}' is no number");
}
