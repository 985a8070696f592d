using System.Globalization;
using System.Text.RegularExpressions;

namespace Dia.Cuda.Tests.MachineCode;

/// <summary>An instruction of a GPU's machine code, as far as its registers and jumps are concerned.</summary>
internal sealed partial class SassInstruction
{
    private static readonly string[] Stores =
        ["STG", "STS", "STL", "ST", "RED", "BAR", "BRA", "EXIT", "WARPSYNC", "MEMBAR", "BSSY", "BSYNC", "ERRBAR", "CCTL", "NOP"];

    /// <summary>Reads "@!P0 LDG.E.128 R4, [R2.64+0x10]".</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="text">What it is.</param>
    /// <param name="labels">Where jumps go.</param>
    public SassInstruction(int address, string text, Dictionary<string, int> labels)
    {
        (Address, Text) = (address, text);
        Match guard = Guard().Match(text);
        Guarded = guard.Length > 0;
        string rest = text[guard.Length..];
        int space = rest.IndexOf(' ');
        Opcode = space < 0 ? rest : rest[..space];
        string[] operands = space < 0 ? [] : rest[space..].Split(',', StringSplitOptions.TrimEntries);
        Kind = Opcode.Split('.')[0];
        if (Kind is "BRA")
            Target = labels[JumpTarget().Match(rest).Groups[1].Value];

        // Predicates that it writes come first or second and are not followed.
        int next = 0;
        while (next < operands.Length && PredicateOperand().IsMatch(operands[next]))
            next++;
        bool store = Stores.Contains(Kind);
        if (!store && next < operands.Length && RegisterOperand().Match(operands[next]) is { Success: true } written)
        {
            int first = Number(written);
            Writes = [.. Enumerable.Range(first, Width(operands[next]))];
            next++;
        }

        Reads = [.. operands.Skip(next).SelectMany((o, i) => ReadBy(o, store && i == operands.Length - next - 1))];
        Constants = [.. operands.Skip(next).SelectMany(o => ConstantOperand().Matches(o))
            .Select(m => int.Parse(m.Groups[1].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        if (Memory().Match(rest) is { Success: true } memory)
            Base = memory.Groups[1].Value.Length == 0 ? -1 : int.Parse(memory.Groups[1].Value, CultureInfo.InvariantCulture);
        if (Kind is "LDL" or "STL")
            LocalSlot = LocalOffset().Match(rest) is { Success: true } offset
                ? int.Parse(offset.Groups[1].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture) / 4 : 0;
    }

    /// <summary>Number of a register of the warp ("UR4"): behind the lanes' ("R4").</summary>
    public const int FirstUniform = 256;

    public int Address { get; }

    public string Text { get; }

    /// <summary>With its modifiers: LDG.E.128.</summary>
    public string Opcode { get; }

    /// <summary>Without: LDG.</summary>
    public string Kind { get; }

    /// <summary>It may do nothing: it has a predicate.</summary>
    public bool Guarded { get; }

    /// <summary>Where a jump goes; −1: it is none.</summary>
    public int Target { get; } = -1;

    public int[] Writes { get; } = [];

    public int[] Reads { get; } = [];

    /// <summary>Offsets in the bank of constants where the parameters lie.</summary>
    public int[] Constants { get; } = [];

    /// <summary>The register, with the next one, of the address that it reads or writes; −1: none.</summary>
    public int Base { get; } = -1;

    /// <summary>Which word of local memory it reads or writes.</summary>
    public int LocalSlot { get; } = -1;

    public bool IsGlobalLoad => Kind == "LDG";

    private static int Number(Match register) =>
        int.Parse(register.Groups[2].Value, CultureInfo.InvariantCulture) + (register.Groups[1].Value == "UR" ? FirstUniform : 0);

    private int Width(string operand)
    {
        if (Kind is "LDG" or "LDS" or "LDL" or "LDC" or "ULDC")
            return Opcode.Contains(".128", StringComparison.Ordinal) ? 4 : Opcode.Contains(".64", StringComparison.Ordinal) ? 2 : 1;
        return Kind == "HMMA" ? 4 : Opcode.Contains(".WIDE", StringComparison.Ordinal) || Kind is "CS2R" or "DFMA" or "DADD" or "DMUL"
            || operand.Contains(".64", StringComparison.Ordinal) ? 2 : 1;
    }

    private IEnumerable<int> ReadBy(string operand, bool stored)
    {
        foreach (Match register in AnyRegister().Matches(operand))
        {
            int first = Number(register), count = register.Groups[3].Length > 0 || Kind is "DFMA" or "DADD" or "DMUL" or "HMMA" ? 2 : 1;
            if (stored)
                count = Opcode.Contains(".128", StringComparison.Ordinal) ? 4 : Opcode.Contains(".64", StringComparison.Ordinal) ? 2 : 1;
            for (int i = 0; i < count; i++)
                yield return first + i;
        }
    }

    [GeneratedRegex(@"^@!?U?P\w+ ")]
    private static partial Regex Guard();

    [GeneratedRegex(@"\((\.L_\w+)\)$")]
    private static partial Regex JumpTarget();

    [GeneratedRegex(@"^!?U?P(\d+|T)$")]
    private static partial Regex PredicateOperand();

    [GeneratedRegex(@"^(U?R)(\d+)(\.\w+)*$")]
    private static partial Regex RegisterOperand();

    [GeneratedRegex(@"\b(U?R)(\d+)(?:\.reuse)?(\.64)?")]
    private static partial Regex AnyRegister();

    [GeneratedRegex(@"c\[0x0\]\[0x([0-9a-f]+)\]")]
    private static partial Regex ConstantOperand();

    [GeneratedRegex(@"\[R?(\d*)(?:\.\w+)*(?:\+UR\d+)?(?:\+-?0x[0-9a-f]+)?\]")]
    private static partial Regex Memory();

    [GeneratedRegex(@"\[R1\+0x([0-9a-f]+)\]")]
    private static partial Regex LocalOffset();
}
