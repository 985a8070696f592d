using System.Collections.Generic;
using System.IO;

namespace Dia.SoftGpu.Execution;

/// <summary>What a kernel or a caller did wrong; later ones are worse.</summary>
internal enum Fault
{
    None, Uninitialised, Race, Divergence, Misuse, Leak, Trap, Timeout, Misaligned, OutOfBounds,
}

/// <summary>Reports of faults: to stderr (the first ones), to the log, and to tests.</summary>
internal static class Violations
{
    private const int MostOnStderr = 20;
    private static readonly object Sync = new();
    private static int _count;

    /// <summary>Everything reported since a test cleared it; bounded.</summary>
    public static List<(Fault Fault, string Text)> Recent { get; } = [];

    public static bool Quiet { get; set; }

    public static void Report(string text, Fault fault)
    {
        lock (Sync)
        {
            _count++;
            if (Recent.Count < 1000)
                Recent.Add((fault, text));
            if (!Quiet && _count <= MostOnStderr)
                Console.Error.WriteLine($"softgpu: {fault}: {text}");
            if (!Quiet && _count == MostOnStderr)
                Console.Error.WriteLine("softgpu: further faults are not shown");
            if (Driver.Settings.Current.Log is string log)
                File.AppendAllText(log, $"{fault}: {text}\n");
        }
    }
}
