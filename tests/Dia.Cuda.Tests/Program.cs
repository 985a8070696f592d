using System.Globalization;
using Dia.Backends;
using Dia.Backends.SelfTest;

namespace Dia.Cuda.Tests;

/// <summary>
/// What runs on the GPU: started by the tests with the software GPU as the driver, or by hand on a machine that has one. Prints a line per
/// check, tab-separated: PASS or FAIL, name, shapes, error, tolerance.
/// </summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        bool failed = false;
        void Report(KernelCheck check)
        {
            failed |= !check.Passed;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(check.Passed ? "PASS" : "FAIL")}\t{check.Name}\t{check.Shapes}\t{check.Error:g3}\t{check.Tolerance:g3}"));
        }

        try
        {
            using Device device = Device.CreateCuda(0);
            if (arguments is ["sampler"])
                new SamplerChecks(device.Cuda.Device, Report).Run();
            else
                new KernelChecks<CudaBackend>(device.Cuda, Report).RunOdd();
        }
        catch (DiaException e)
        {
            Console.WriteLine($"FAIL\t{e.Kind}\t{e.Message}\t\t");
            return 5;
        }

        return failed ? 1 : 0;
    }
}
