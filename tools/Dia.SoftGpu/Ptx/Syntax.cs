using System.Collections.Generic;

namespace Dia.SoftGpu.Ptx;

/// <summary>Types of PTX.</summary>
internal enum PtxType
{
    None, B8, U8, S8, B16, U16, S16, F16, BF16, B32, U32, S32, F32, F16X2, BF16X2, B64, U64, S64, F64, Pred,
}

/// <summary>State spaces of PTX.</summary>
internal enum Space
{
    Generic, Global, Shared, Local, Const, Param,
}

internal enum OperandKind
{
    Name, Integer, Float32, Float64, List, Address, Pair,
}

/// <summary>An operand as written.</summary>
internal sealed class Operand
{
    public OperandKind Kind { get; init; }

    /// <summary>Register, symbol or label; of an address: its base, empty for a bare number.</summary>
    public string Name { get; init; } = "";

    /// <summary>A predicate with an exclamation mark.</summary>
    public bool Negated { get; init; }

    /// <summary>Bits of a number; of an address: the offset.</summary>
    public long Bits { get; init; }

    /// <summary>Members of <c>{a, b}</c> or <c>a|b</c>.</summary>
    public Operand[] Items { get; init; } = [];
}

/// <summary>Names of a pair of braces: registers, variables, labels.</summary>
internal sealed class Scope(Scope? parent)
{
    public Scope? Parent { get; } = parent;

    public Dictionary<string, Register> Registers { get; } = [];

    public Dictionary<string, int> Labels { get; } = [];

    public Dictionary<string, Variable> Variables { get; } = [];

    public Register? FindRegister(string name)
    {
        for (Scope? s = this; s != null; s = s.Parent)
            if (s.Registers.TryGetValue(name, out Register? r))
                return r;
        return null;
    }

    public Variable? FindVariable(string name)
    {
        for (Scope? s = this; s != null; s = s.Parent)
            if (s.Variables.TryGetValue(name, out Variable? v))
                return v;
        return null;
    }

    public int FindLabel(string name)
    {
        for (Scope? s = this; s != null; s = s.Parent)
            if (s.Labels.TryGetValue(name, out int at))
                return at;
        return -1;
    }
}

/// <summary>A register: its bits (1 for predicates) and, once placed, its byte offset in a warp's register file.</summary>
internal sealed class Register(PtxType type, int bits)
{
    public PtxType Type { get; } = type;

    public int Bits { get; } = bits;

    public int Offset { get; set; } = -1;
}

/// <summary>A variable of a module or function.</summary>
internal sealed class Variable
{
    public required string Name { get; init; }

    public required Space Space { get; init; }

    public required int Align { get; init; }

    /// <summary>Bytes; 0 for the array of unknown size that stands for dynamic shared memory.</summary>
    public required long Size { get; init; }

    public byte[]? Initial { get; set; }

    /// <summary>Address in its space: offset for shared, local and param, device address for global and const.</summary>
    public ulong Address { get; set; }
}

/// <summary>One instruction as written.</summary>
internal sealed class Statement
{
    public required int Line { get; init; }

    public required string Opcode { get; init; }

    public required Operand[] Operands { get; init; }

    public required Scope Scope { get; init; }

    public string? Guard { get; init; }

    public bool GuardNegated { get; init; }
}

/// <summary>A kernel as written.</summary>
internal sealed class Function
{
    public required string Name { get; init; }

    public required int Line { get; init; }

    public required Scope Scope { get; init; }

    public List<Variable> Parameters { get; } = [];

    public List<Statement> Body { get; } = [];

    public List<Register> Registers { get; } = [];

    public int MaxThreads { get; set; } = 1024;

    public int SharedBytes { get; set; }

    public int LocalBytes { get; set; }

    public int ParameterBytes { get; set; }
}
