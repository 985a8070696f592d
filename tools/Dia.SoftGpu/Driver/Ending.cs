using System.Runtime.InteropServices;
using Dia.SoftGpu.Execution;

namespace Dia.SoftGpu.Driver;

/// <summary>What is said at the end of the process.</summary>
internal static unsafe partial class Ending
{
    private static bool _registered;

    // What atexit is inside: glibc exports only this.
    [LibraryImport("libc.so.6", EntryPoint = "__cxa_atexit")]
    private static partial int AtExit(delegate* unmanaged<nint, void> function, nint argument, nint library);

    public static void Register()
    {
        if (_registered || !(Settings.Current.Leaks || Settings.Current.Statistics))
            return;
        _registered = true;
        _ = AtExit(&AtTheEnd, 0, 0);
    }

    [UnmanagedCallersOnly]
    private static void AtTheEnd(nint argument)
    {
        if (Settings.Current.Leaks)
            ReportLeaks();
        if (Settings.Current.Statistics)
        {
            Console.Error.WriteLine(
                $"softgpu: {Launch.Instructions} warp instructions in {Launch.Launches} launches, {Launch.Seconds:0.00} s: {Launch.Instructions / Math.Max(Launch.Seconds, 1e-9) / 1e6:0.0} M/s");
            Console.Error.WriteLine($"softgpu: {Machine.CountCalls()}");
        }
    }

    /// <summary>Reports memory and objects that nobody freed, unless their context is gone.</summary>
    public static void ReportLeaks()
    {
        foreach (nint p in DeviceMemory.All)
        {
            var a = (Allocation*)p;
            if (!a->Freed && a->Kind != MemoryKind.Variable)
                Violations.Report($"never freed: {DeviceMemory.Describe(a->Base)}", Fault.Leak);
        }
        foreach (DriverObject o in DriverObject.All)
            if (!o.Destroyed && o is CudaEvent or CudaGraph or CudaGraphExec && !o.Destroyed)
                Violations.Report($"never destroyed: {o.GetType().Name}", Fault.Leak);
            else if (o is CudaStream { Destroyed: false } s && s != s.Context.Default && !s.Context.Destroyed)
                Violations.Report("never destroyed: CudaStream", Fault.Leak);
            else if (o is CudaModule { Destroyed: false } m && !m.Context.Destroyed)
                Violations.Report("never unloaded: CudaModule", Fault.Leak);
            else if (o is Context { Destroyed: false })
                Violations.Report("never destroyed: Context", Fault.Leak);
    }
}
