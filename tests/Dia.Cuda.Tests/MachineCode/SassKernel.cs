using System.Globalization;
using System.Text.RegularExpressions;

namespace Dia.Cuda.Tests.MachineCode;

/// <summary>A loop: from an instruction back to an earlier one.</summary>
/// <param name="First">Index of its first instruction.</param>
/// <param name="Last">Index of the jump back.</param>
internal readonly record struct SassLoop(int First, int Last);

/// <summary>The machine code of a kernel.</summary>
internal sealed partial class SassKernel(string name, SassInstruction[] instructions)
{
    // Registers of a lane and of a warp, and words of local memory, where registers may be kept.
    private const int LocalWords = 64, Places = SassInstruction.FirstUniform + 64 + LocalWords;

    public string Name => name;

    public SassInstruction[] Instructions => instructions;

    /// <summary>Reads what nvdisasm -c prints.</summary>
    public static List<SassKernel> ReadAll(IEnumerable<string> lines)
    {
        List<SassKernel> kernels = [];
        string? name = null;
        List<(int Address, string Text)> code = [];
        List<string> waiting = [];
        Dictionary<string, int> labels = [];
        foreach (string line in lines)
        {
            if (Function().Match(line) is { Success: true } function)
            {
                Close();
                name = function.Groups[1].Value;
            }
            else if (Label().Match(line) is { Success: true } label)
            {
                waiting.Add(label.Groups[1].Value);
            }
            else if (Instruction().Match(line) is { Success: true } instruction)
            {
                int address = int.Parse(instruction.Groups[1].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                waiting.ForEach(l => labels[l] = address);
                waiting.Clear();
                code.Add((address, Spaces().Replace(instruction.Groups[2].Value.Trim(), " ")));
            }
        }

        Close();
        return kernels;

        void Close()
        {
            if (name is not null)
                kernels.Add(new SassKernel(name, [.. code.Select(i => new SassInstruction(i.Address, i.Text, labels))]));
            code.Clear();
            labels.Clear();
        }
    }

    /// <summary>Every loop, inner ones too.</summary>
    public IEnumerable<SassLoop> Loops()
    {
        for (int i = 0; i < instructions.Length; i++)
            if (instructions[i].Target >= 0 && instructions[i].Target < instructions[i].Address)
                yield return new SassLoop(At(instructions[i].Target), i);
    }

    /// <summary>
    /// For each instruction that reads or writes memory, from which parameters its address was computed: bit n for the parameter in the
    /// n-th eight bytes of them. What is loaded from memory counts as computed from none.
    /// </summary>
    /// <param name="parameters">Offset of the first parameter in the bank of constants.</param>
    public uint[] AddressParameters(int parameters)
    {
        uint[][] before = [.. instructions.Select(_ => new uint[Places])];
        bool[] reached = new bool[instructions.Length];
        var work = new Queue<int>([0]);
        reached[0] = true;
        while (work.TryDequeue(out int at))
        {
            uint[] after = After(before[at], instructions[at], parameters);
            foreach (int next in Next(at))
            {
                bool changed = !reached[next];
                reached[next] = true;
                for (int r = 0; r < Places; r++)
                {
                    uint joined = before[next][r] | after[r];
                    changed |= joined != before[next][r];
                    before[next][r] = joined;
                }

                if (changed)
                    work.Enqueue(next);
            }
        }

        return [.. instructions.Select((o, i) => o.Base < 0 ? 0 : before[i][o.Base] | before[i][o.Base + 1])];
    }

    private int At(int address) => Array.FindIndex(instructions, i => i.Address == address);

    private IEnumerable<int> Next(int at)
    {
        SassInstruction o = instructions[at];
        if (o.Target >= 0)
            yield return At(o.Target);
        if (at + 1 < instructions.Length && (o.Guarded || o.Kind != "EXIT")
            && (o.Guarded || o.Opcode.Contains(".DIV", StringComparison.Ordinal) || o.Target < 0))
            yield return at + 1;
    }

    private static uint[] After(uint[] before, SassInstruction o, int parameters)
    {
        uint[] after = [.. before];
        if (o.Kind == "STL" && o.LocalSlot < LocalWords)
        {
            after[Places - LocalWords + o.LocalSlot] = o.Reads.Length > 0 ? before[o.Reads[^1]] : 0;
            return after;
        }

        uint from = 0;
        if (o.Kind == "LDL")
        {
            from = o.LocalSlot < LocalWords ? before[Places - LocalWords + o.LocalSlot] : 0;
        }
        else if (o.Kind is not ("LDG" or "LDS" or "LD"))
        {
            foreach (int register in o.Reads)
                from |= before[register];
            foreach (int constant in o.Constants)
                if (constant >= parameters && constant < parameters + 8 * 32)
                    from |= 1u << ((constant - parameters) / 8);
        }

        foreach (int register in o.Writes)
            after[register] = from | (o.Guarded ? before[register] : 0);
        return after;
    }

    [GeneratedRegex(@"^\.text\.(\w+):")]
    private static partial Regex Function();

    [GeneratedRegex(@"^(\.L_\w+):")]
    private static partial Regex Label();

    [GeneratedRegex(@"^\s*/\*([0-9a-f]{4,})\*/\s+(.*?);")]
    private static partial Regex Instruction();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
