using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Dia.Cuda.Tests.MachineCode;

/// <summary>
/// What the kernels' machine code must be. The PTX says little about it: the assembler orders loads anew, and a loop whose eight loads stand
/// together in the PTX can have one of them under way.
/// </summary>
internal sealed partial class MachineCodeChecks(Assembler assembler, Action<bool, string, string> report)
{
    /// <summary>GPUs whose machine code is read: 8.0, 8.7 (Orin), 9.0.</summary>
    public static readonly int[] Capabilities = [80, 87, 90];

    // Which the assembler of Debian does not know yet: 10.0 and 12.0 (Blackwell).
    private static readonly int[] Newer = [100, 120];

    private const int MostSpilledBytes = 48, MostRegisters = 64;

    // Kernels that need more registers than others, and what they may have: 65536 of a multiprocessor give room for 65536 / (registers · threads) blocks.
    private static readonly Dictionary<string, int> Registers = new(StringComparer.Ordinal)
    {
        ["step_linear_1_f32"] = 80, ["step_linear_2_f32"] = 80, ["step_linear_4"] = 128, ["step_linear_8"] = 128, ["step_linear_8_f32"] = 255,
            ["product"] = 128, ["nearest_code_f16"] = 128, ["nearest_code_bf16"] = 128,
        ["attend_block"] = 128, ["attention_map"] = 128, ["attend_piece_4_4"] = 80,
    };

    // Loads that must be under way at once in the loop over the weights: all of a chunk, two for eight float32 values; of integers two chunks with their
    // scales. On average, half of them; a third where eight rows are multiplied with two chunks, which takes longer than a load.
    private const int ChunkLoads = 4, IntegerLoads = 16;

    // Of attend_piece the loops over keys and over values, of join_pieces that over the pieces; rms_norm has no loop for rows up to 2048 values.
    private const int LoopLoads = 8, NormLoads = 16;
    private const double MeanLoopLoads = 4;

    // Offset of the first parameter in the bank of constants, and which ones of step_linear x, w and, of integers, the scales are.
    private static int Parameters(int capability) => capability < 90 ? 0x160 : 0x210;

    private const uint X = 1 << 1, W = 1 << 2, Scales = 1 << 3;

    /// <summary>Checks a module for each kind of GPU. Reports, for each kernel, whether it is as it must be, its name, and what was found.</summary>
    /// <param name="ptx">Its file.</param>
    public void Run(string ptx)
    {
        string[] names = [.. Entry().Matches(File.ReadAllText(ptx)).Select(m => m.Groups[1].Value)];
        foreach (int capability in Capabilities)
        {
            AssembledModule module = assembler.Assemble(ptx, capability, disassemble: true);
            if (module.Error is not null)
            {
                report(false, $"sm_{capability}", $"the module is refused: {module.Error}");
                continue;
            }

            foreach (string name in names)
                Check(name, capability, module);
        }

        foreach (int capability in Newer)
        {
            if (!assembler.Knows(capability))
                report(true, $"sm_{capability}", Text($"not looked at: it needs a newer assembler (CUDA 12.8 or later), this one is {assembler.Version}"));
            else if (assembler.Assemble(ptx, capability, disassemble: false).Error is { } error)
                report(false, $"sm_{capability}", $"the module is refused: {error}");
            else
                report(true, $"sm_{capability}", "the module is taken; its machine code is not read");
        }
    }

    private void Check(string name, int capability, AssembledModule module)
    {
        if (!module.Kernels.TryGetValue(name, out AssembledKernel? assembled) || module.Code.SingleOrDefault(k => k.Name == name) is not { } kernel)
        {
            report(false, Text($"{name} sm_{capability}"), "is not in the machine code");
            return;
        }

        int registers = Registers.Where(r => name.StartsWith(r.Key, StringComparison.Ordinal)).Select(r => r.Value).DefaultIfEmpty(MostRegisters).Max();
        (bool flies, string flight) = FlightOf(kernel, capability);
        bool passed = flies && assembled.Registers <= registers && assembled.SpilledBytes <= MostSpilledBytes;
        report(passed, Text($"{name} sm_{capability}"),
            Text($"{assembled.Registers} registers of {registers}, {assembled.SpilledBytes} bytes spilled of {MostSpilledBytes}{flight}"));
    }

    private static (bool Passed, string What) FlightOf(SassKernel kernel, int capability)
    {
        if (kernel.Name.StartsWith("step_linear", StringComparison.Ordinal))
            return Weights(kernel, capability);
        if (kernel.Name.StartsWith("attend_piece", StringComparison.Ordinal))
            return Loops(kernel, 2);
        if (kernel.Name == "join_pieces")
            return Loops(kernel, 1);
        if (kernel.Name != "rms_norm")
            return (true, "");
        Flight flight = Pipeline.Run(kernel.Instructions, new SassLoop(0, kernel.Instructions.Length - 1), _ => true, 1);
        return (flight.Most >= NormLoads, Text($", {flight.Most} loads under way of {NormLoads}"));
    }

    /// <summary>The loop with the most 16-byte loads; those of x come from the cache.</summary>
    private static (bool Passed, string What) Weights(SassKernel kernel, int capability)
    {
        SassInstruction[] code = kernel.Instructions;
        SassLoop loop = kernel.Loops().MaxBy(l => code[l.First..(l.Last + 1)].Count(i => i.Opcode == "LDG.E.128"));
        bool integers = kernel.Name.Contains("_int", StringComparison.Ordinal);
        uint weights = integers ? W | Scales : W;
        uint[] from = kernel.AddressParameters(Parameters(capability));
        for (int i = loop.First; i <= loop.Last; i++)
            if (code[i].IsGlobalLoad && !BitOperations.IsPow2(from[i] & (X | weights)))
                return (false, Text($", whether the load at {code[i].Address:x} is one of x or of w cannot be told: {code[i].Text}"));
        Flight flight = Pipeline.Run(code, loop, i => (from[i] & weights) != 0, 20);
        int wanted = integers ? IntegerLoads : kernel.Name.EndsWith("f32", StringComparison.Ordinal) ? 2 * ChunkLoads : ChunkLoads;
        double mean = wanted / (kernel.Name.StartsWith("step_linear_8_int", StringComparison.Ordinal) ? 3.0 : 2);
        return (flight.Most >= wanted && flight.Mean >= mean,
            Text($", {flight.Most} of {flight.Loads} loads of weights under way, {wanted} wanted, {flight.Mean:0.0} on average of {mean:0.0}"));
    }

    /// <summary>The innermost loops that read global and shared memory: there must be so many, each with its loads under way.</summary>
    private static (bool Passed, string What) Loops(SassKernel kernel, int wanted)
    {
        SassInstruction[] code = kernel.Instructions;
        SassLoop[] all = [.. kernel.Loops()];
        bool Reads(SassLoop loop, string kind) => code[loop.First..(loop.Last + 1)].Any(i => i.Kind == kind);
        Flight[] flights =
            [.. all.Where(l => Reads(l, "LDG") && Reads(l, "LDS") && !all.Any(inner => inner != l && inner.First >= l.First && inner.Last <= l.Last))
            .Select(l => Pipeline.Run(code, l, _ => true, 20))];
        return (flights.Length == wanted && flights.All(f => f.Most >= LoopLoads && f.Mean >= MeanLoopLoads),
            Text($", loops: {flights.Length} of {wanted}{string.Concat(flights.Select(f => Text($", {f.Most} loads under way of {LoopLoads}, {f.Mean:0.0} on average of {MeanLoopLoads}")))}"));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\.entry (\w+)\(")]
    private static partial Regex Entry();
}
