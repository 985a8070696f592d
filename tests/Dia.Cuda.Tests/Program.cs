using System.Globalization;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Cuda;
using Dia.Checks;
using Dia.Cuda.Tests.MachineCode;
using Dia.Graph;
using Dia.Networks;
using Dia.Tests.Checks;
using Dia.Weights;

namespace Dia.Cuda.Tests;

/// <summary>
/// What runs on the GPU: started by the tests with the software GPU as the driver, or by hand on a machine that has one. Prints a line per
/// check, tab-separated: PASS or FAIL, name, shapes, error, tolerance. "kernels" and "sampler" take a file with other kernels, and then end
/// with the first check that fails; "thorough" goes on from "kernels"; "mutations" runs the list of broken ones. "machine-code" needs no GPU: it
/// says what NVIDIA's assembler makes of the kernels, or of a file with others.
/// </summary>
internal static unsafe class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments[0] == "mutations")
            return Math.Min(Mutation.RunAll(arguments.ElementAtOrDefault(1) ?? ""), 1);
        if (arguments[0] == "machine-code")
            return CheckMachineCode(arguments.ElementAtOrDefault(1) ?? Path.Combine(Mutation.Sources, "kernels.ptx"));
        bool failed = false;
        byte[]? kernels = arguments is ["kernels" or "sampler", string file] ? [.. File.ReadAllBytes(file), 0] : null;
        void Report(KernelCheck check)
        {
            failed |= !check.Passed;
            if (kernels is not null && check.Passed)
                return;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{(check.Passed ? "PASS" : "FAIL")}\t{check.Name}\t{check.Shapes}\t{check.Error:g3}\t{check.Tolerance:g3}"));
            if (kernels is not null)
                Environment.Exit(1);
        }

        try
        {
            switch (arguments)
            {
                case ["leaks", string folder, string rounds, string least]:
                    CallerChecks.Leaks(folder, int.Parse(rounds, CultureInfo.InvariantCulture), int.Parse(least, CultureInfo.InvariantCulture), Report);
                    return failed ? 1 : 0;
                case ["lifetimes", string folder]:
                    CallerChecks.Lifetimes(folder, Report);
                    return failed ? 1 : 0;
                case ["picking", string folder]:
                    CallerChecks.Picking(folder, Report);
                    return failed ? 1 : 0;
                case ["threads", string folder]:
                    CallerChecks.Threads(folder, Report);
                    return failed ? 1 : 0;
            }

            using var device = new CudaDevice(0, kernels);
            var backend = new CudaBackend(device);
            switch (arguments[0])
            {
                case "kernels":
                    new KernelChecks<CudaBackend>(backend, Report).RunOdd();
                    break;
                case "thorough":
                    new ThoroughChecks<CudaBackend>(backend, new KernelChecks<CudaBackend>(backend, Report)).Run();
                    break;
                case "model":
                    var checks = new KernelChecks<CudaBackend>(backend, Report, WeightFormat.BFloat16, WeightFormat.Int8Packed, WeightFormat.Int4);
                    foreach (CompiledNetwork network in Compiled.CompiledModels.All.Where(n => n.Name == arguments[1]))
                        checks.RunCompiled(network);
                    break;
                case "integers":
                    IntegerModels.Check(device, Report);
                    break;
                case "sampler":
                    SamplerChecks.Run(device, Report);
                    break;
                case "blas":
                    Report(new KernelCheck($"cuBLAS {device.BlasVersion?.ToString() ?? "is not used"}", "", 0, 0));
                    break;
                case "plan":
                    PlannedJob.Check(arguments[1], Report);
                    break;
                case "allocations":
                    Report(new KernelCheck("bytes allocated by a step's launches", "", AllocatedBytes(backend), 0));
                    Report(new KernelCheck("bytes allocated by whole steps of a model", "", SteppingJob.AllocatedBytes(arguments[1]), 0));
                    break;
                default:
                    return 2;
            }
        }
        catch (DiaException e)
        {
            Console.WriteLine($"FAIL\t{e.Kind}\t{e.Message.ReplaceLineEndings(" ")}\t\t");
            return 5;
        }

        return failed ? 1 : 0;
    }

    private static int CheckMachineCode(string ptx)
    {
        if (Assembler.Find() is not { } assembler)
        {
            Console.WriteLine("ptxas and nvdisasm are missing: tests/gpu/assembler fetches them");
            return 2;
        }

        bool failed = false;
        new MachineCodeChecks(assembler, (passed, name, what) =>
        {
            failed |= !passed;
            Console.WriteLine($"{(passed ? "PASS" : "FAIL")}\t{name}\t{what}");
        }).Run(ptx);
        return failed ? 1 : 0;
    }

    private static long AllocatedBytes(CudaBackend b)
    {
        using var memory = new CheckMemory<CudaBackend>(b, 1);
        const int Width = 64;
        (_, Weight w) = memory.Weight(WeightRole.Linear, WeightFormat.BFloat16, [Width, Width]);
        (_, Weight integers) = memory.Integers(new WeightStorage(WeightFormat.Int4, WeightFormat.BFloat16, 32), Width, Width);
        (_, Weight norm) = memory.Weight(WeightRole.Vector, WeightFormat.BFloat16, [Width]);
        Mirrored<float> x = memory.Floats(2 * Width), y = memory.Floats(2 * Width), cache = memory.Floats(16 * Width);
        AttentionItem item = new() { Rows = 1, Keys = cache.OnDevice, Values = cache.OnDevice + 8 * Width, KeyCount = 5, CausalStart = 4 };
        Mirrored<AttentionItem> items = memory.Place<AttentionItem>([item]);
        AttentionBatch batch = new(items.OnDevice, 1, 1, 8);
        long before = 0;
        for (int round = 0; round < 3; round++)
        {
            // The first rounds may still make what every later one uses.
            if (round == 2)
                before = GC.GetAllocatedBytesForCurrentThread();
            b.RmsNorm(y.OnDevice, x.OnDevice, norm, 2, Width, 1e-5f);
            b.Linear(x.OnDevice, y.OnDevice, w, 2, Width, Width, Phase.Decode, true);
            b.Linear(y.OnDevice, x.OnDevice, integers, 2, Width, Width, Phase.RoundedDecode, true);
            b.Attention(y.OnDevice, x.OnDevice, batch, 0, 4, 2, Width / 2, null);
            b.GatedActivation(y.OnDevice, x.OnDevice, 1, Width, Configuration.HiddenActivation.Silu);
            b.Subtract(y.OnDevice, x.OnDevice, Width);
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
