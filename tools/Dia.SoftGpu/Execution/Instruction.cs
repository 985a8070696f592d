namespace Dia.SoftGpu.Execution;

/// <summary>
/// A decoded instruction: the handler, and where its operands lie in a warp's register file. A register is 32 lanes of 4 or 8 bytes
/// (16-bit ones are zero-extended to 4); a predicate is one word of 32 bits. Immediates are registers that nothing writes.
/// </summary>
internal unsafe struct Instruction
{
    public delegate*<Warp, Instruction*, uint, void> Handler;

    /// <summary>Offset of an address, target of a branch, or what the handler says.</summary>
    public long Imm;

    /// <summary>The allocation that the last access of this instruction met: one instruction rarely touches two.</summary>
    public Allocation* Cache;

    /// <summary>Further operands: members of vectors, fragments of matrices.</summary>
    public int* More;

    public int D;
    public int A;
    public int B;
    public int C;
    public int E;

    /// <summary>Byte offset of the guarding predicate, or -1.</summary>
    public int Guard;

    /// <summary>All ones where the guard is negated.</summary>
    public uint GuardFlip;

    public int Line;
    public int Aux;
    public int Space;
}

/// <summary>A special register: which one, per lane.</summary>
internal enum Special
{
    TidX, TidY, TidZ, NTidX, NTidY, NTidZ, CtaX, CtaY, CtaZ, NCtaX, NCtaY, NCtaZ,
    Lane, Warp, NWarp, MaskEq, MaskLt, MaskLe, MaskGt, MaskGe, DynamicShared, TotalShared, Zero,
}

/// <summary>A kernel ready to run.</summary>
internal sealed unsafe class Kernel
{
    public required string Name { get; init; }

    public required Instruction* Code { get; init; }

    public required int Count { get; init; }

    /// <summary>Offset and size of each parameter in the block of parameters.</summary>
    public required (int Offset, int Size)[] Parameters { get; init; }

    public required int ParameterBytes { get; init; }

    public required int SharedBytes { get; init; }

    public required bool DynamicShared { get; init; }

    public required int LocalBytes { get; init; }

    public required int MaxThreads { get; init; }

    public required int RegisterBytes { get; init; }

    /// <summary>32-bit registers a thread would need: an estimate from the live values.</summary>
    public required int Registers { get; init; }

    public required (int Offset, int Bytes, ulong Value)[] Constants { get; init; }

    public required (int Offset, Special Kind)[] Specials { get; init; }

    /// <summary>Shared memory is watched in cells of 1 &lt;&lt; this bytes: the narrowest access of the kernel.</summary>
    public required int CellShift { get; init; }

    public required string[] Source { get; init; }

    public int PtxVersion { get; init; }

    public int Target { get; init; }

    /// <summary>Set by cuFuncSetAttribute: dynamic shared bytes that a launch may ask for.</summary>
    public int MaxDynamicShared { get; set; } = -1;
}
