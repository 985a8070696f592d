using System.Collections.Generic;
using System.Runtime.InteropServices;
using Dia.SoftGpu.Execution;
using unsafe Handler = delegate*<Dia.SoftGpu.Execution.Warp, Dia.SoftGpu.Execution.Instruction*, uint, void>;

namespace Dia.SoftGpu.Ptx;

/// <summary>
/// Turns the instructions of a kernel into what runs: handlers and places in the register file. Whatever is not known is refused with
/// its line: an unknown modifier too, since ignoring one would be wrong silently.
/// </summary>
internal sealed unsafe partial class Decoder
{
    private readonly Function _function;
    private readonly Parser _module;
    private readonly Dictionary<(int Bytes, ulong Value), int> _constants = [];
    private readonly Dictionary<Special, int> _specials = [];
    private readonly int _predicateBytes;
    private int _predicates;
    private int _bytes;
    private int _cellShift = 2;
    private bool _dynamicShared;

    private Statement _statement;
    private List<string> _modifiers = [];
    private Instruction _out;

    private Decoder(Function function, Parser module)
    {
        _function = function;
        _module = module;
        _statement = null!;
        int predicates = 1;
        foreach (Register r in function.Registers)
            predicates += r.Bits == 1 ? 1 : 0;
        _predicateBytes = predicates * 4;
        _bytes = (int)Parser.Align(_predicateBytes, 128);
        _predicates = 4; // the first is the sink "_"
    }

    /// <summary>Decodes a kernel. Variables have their addresses by now.</summary>
    public static Kernel Decode(Function function, Parser module, string[] source) => new Decoder(function, module).Run(source);

    private Kernel Run(string[] source)
    {
        List<Statement> body = _function.Body;
        PlaceSharedVariables(body);
        int before = _bytes;
        _bytes = RegisterPlaces.Assign(body, _bytes);
        int registers = Math.Clamp((_bytes - before) / 128 + 16, 16, 255);
        var steps = new ControlFlow.Step[body.Count + 1];
        var decoded = new Instruction[body.Count + 1];
        for (int k = 0; k < body.Count; k++)
        {
            _statement = body[k];
            int target = -1;
            bool ends = false;
            Begin();
            string opcode = _statement.Opcode.Split('.')[0];
            if (opcode == "bra")
            {
                Take("uni");
                target = _statement.Scope.FindLabel(_statement.Operands[0].Name);
                if (target < 0)
                    throw Error($"there is no label '{_statement.Operands[0].Name}'");
                _out.Handler = &Warp.Branch;
                // A jump to a bare return is a return: lanes that are done must not be waited for there.
                if (target == body.Count || body[target] is { Guard: null, Opcode: "ret" or "exit" })
                {
                    (target, ends) = (-1, true);
                    _out.Handler = &Warp.Exit;
                }
            }
            else if (opcode is "ret" or "exit")
            {
                Take("uni");
                ends = true;
                _out.Handler = &Warp.Exit;
            }
            else
                DecodeOne(opcode);
            if (_modifiers.Count > 0)
                throw Error($"'.{_modifiers[0]}' of {_statement.Opcode} is not supported by the software GPU");
            decoded[k] = _out;
            bool guarded = _statement.Guard != null;
            steps[k] = new ControlFlow.Step(target, guarded || (target < 0 && !ends), ends);
        }
        // Running off the end is a return.
        decoded[^1] = new Instruction { Handler = &Warp.Exit, Guard = -1, Line = body.Count > 0 ? body[^1].Line : _function.Line };
        steps[^1] = new ControlFlow.Step(-1, false, true);
        return Finish(decoded, steps, source, registers);
    }

    // Lays the code out with an instruction before each place where paths meet, and corrects the targets.
    private Kernel Finish(Instruction[] decoded, ControlFlow.Step[] steps, string[] source, int registers)
    {
        int[] joins = ControlFlow.JoinsOf(steps);
        var meets = new bool[decoded.Length];
        foreach (int j in joins)
            if (j >= 0)
                meets[j] = true;
        var place = new int[decoded.Length];
        int count = 0;
        for (int k = 0; k < decoded.Length; k++)
        {
            place[k] = count;
            count += meets[k] ? 2 : 1;
        }
        var code = (Instruction*)NativeMemory.AlignedAlloc((nuint)(count * sizeof(Instruction)), 64);
        for (int k = 0; k < decoded.Length; k++)
        {
            int at = place[k];
            if (meets[k])
                code[at++] = new Instruction { Handler = &Warp.Meet, Guard = -1, Line = decoded[k].Line };
            code[at] = decoded[k];
            if (steps[k].Target >= 0)
            {
                code[at].Imm = place[steps[k].Target];
                code[at].E = joins[k] >= 0 ? place[joins[k]] : -1;
            }
        }
        var constants = new List<(int, int, ulong)>();
        foreach (((int bytes, ulong value), int offset) in _constants)
            constants.Add((offset, bytes, value));
        var specials = new List<(int, Special)>();
        foreach ((Special kind, int offset) in _specials)
            specials.Add((offset, kind));
        var parameters = new List<(int, int)>();
        foreach (Variable v in _function.Parameters)
            parameters.Add(((int)v.Address, (int)v.Size));
        return new Kernel
        {
            Name = _function.Name, Code = code, Count = count, Parameters = [.. parameters], ParameterBytes = _function.ParameterBytes,
            SharedBytes = _function.SharedBytes, DynamicShared = _dynamicShared, LocalBytes = _function.LocalBytes, MaxThreads = _function.MaxThreads,
            RegisterBytes = _bytes, Registers = registers, Constants = [.. constants], Specials = [.. specials],
            CellShift = _cellShift, Source = source, PtxVersion = _module.Version, Target = _module.Target,
        };
    }

    // Shared variables of the module: each kernel that names one has its own.
    private void PlaceSharedVariables(List<Statement> body)
    {
        foreach (Statement s in body)
            foreach (Operand o in s.Operands)
                if (o.Name != "" && _module.Scope.Variables.TryGetValue(o.Name, out Variable? v) && v is { Space: Space.Shared, Size: > 0 }
                    && s.Scope.FindVariable(o.Name) == v && s.Scope.FindRegister(o.Name) == null)
                {
                    int at = (int)Parser.Align(_function.SharedBytes, v.Align);
                    _function.SharedBytes = at + (int)v.Size;
                    _function.Scope.Variables[v.Name] = new Variable { Name = v.Name, Space = v.Space, Align = v.Align, Size = v.Size, Address = (ulong)at };
                }
    }

    private void Begin()
    {
        string[] parts = _statement.Opcode.Split('.');
        _modifiers = [.. parts[1..]];
        _out = new Instruction { Line = _statement.Line, Guard = -1, E = -1 };
        if (_statement.Guard != null)
        {
            _out.Guard = Predicate(_statement.Guard);
            _out.GuardFlip = _statement.GuardNegated ? uint.MaxValue : 0;
        }
    }

    private PtxException Error(string message) => new(_statement.Line, message);

    private PtxException Unsupported() => Error($"{_statement.Opcode} is not supported by the software GPU");

    /// <summary>Something younger than the module's own version, or the target's chip.</summary>
    private void Need(int version, int target, string what)
    {
        if (_module.Version < version)
            throw Error($"{what} needs PTX {version / 10}.{version % 10}, the module says {_module.Version / 10}.{_module.Version % 10}");
        if (_module.Target < target)
            throw Error($"{what} needs sm_{target}, the module says sm_{_module.Target}");
    }

    private bool Take(string modifier) => _modifiers.Remove(modifier);

    private PtxType TakeType()
    {
        for (int k = 0; k < _modifiers.Count; k++)
        {
            PtxType type = Parser.TypeNamed(_modifiers[k]);
            if (type == PtxType.None)
                continue;
            _modifiers.RemoveAt(k);
            return type;
        }
        throw Error($"{_statement.Opcode}: no type");
    }

    private Operand At(int index) =>
        index < _statement.Operands.Length ? _statement.Operands[index] : throw Error($"{_statement.Opcode}: operand {index + 1} is missing");

    private void Count(int least, int most)
    {
        if (_statement.Operands.Length < least || _statement.Operands.Length > most)
            throw Error($"{_statement.Opcode}: {_statement.Operands.Length} operands");
    }

    private int Predicate(string name)
    {
        if (name == "_")
            return 0;
        Register r = _statement.Scope.FindRegister(name) ?? throw Error($"there is no register '{name}'");
        if (r.Bits != 1)
            throw Error($"'{name}' is no predicate");
        return Place(r);
    }

    private int Place(Register r)
    {
        if (r.Offset >= 0)
            return r.Offset;
        if (r.Bits == 1)
        {
            r.Offset = _predicates;
            _predicates += 4;
        }
        else
            r.Offset = Room(r.Bits == 64 ? 8 : 4);
        return r.Offset;
    }

    private int Room(int bytes)
    {
        int at = _bytes;
        _bytes += 32 * bytes;
        return at;
    }

    private int Constant(int bytes, ulong value)
    {
        if (bytes < 4)
        {
            value &= (1ul << (8 * bytes)) - 1;
            bytes = 4;
        }
        if (bytes == 4)
            value = (uint)value;
        if (!_constants.TryGetValue((bytes, value), out int offset))
            _constants[(bytes, value)] = offset = Room(bytes);
        return offset;
    }

    /// <summary>A source of a number of bits: a register of that size, a special one, a number, or the address of a variable.</summary>
    private int Read(Operand o, int bits, bool wider = false) => Read(o, bits, wider, out _);

    private int Read(Operand o, int bits, bool wider, out int actual)
    {
        actual = bits;
        switch (o.Kind)
        {
            case OperandKind.Integer:
                return Constant(bits / 8, (ulong)o.Bits);
            case OperandKind.Float32:
                return bits == 64 ? Constant(8, BitConverter.DoubleToUInt64Bits(BitConverter.UInt32BitsToSingle((uint)o.Bits))) : Constant(4, (ulong)o.Bits);
            case OperandKind.Float64:
                return bits == 64 ? Constant(8, (ulong)o.Bits) : Constant(4, BitConverter.SingleToUInt32Bits((float)BitConverter.Int64BitsToDouble(o.Bits)));
            case OperandKind.Name when !o.Negated:
                Register? r = _statement.Scope.FindRegister(o.Name);
                if (r != null)
                {
                    if (r.Bits == 1 || (r.Bits != bits && !(wider && r.Bits > bits)))
                        throw Error($"register '{o.Name}' has {r.Bits} bits, {_statement.Opcode} wants {bits}");
                    actual = r.Bits;
                    return Place(r);
                }
                if (o.Name == "WARP_SZ")
                    return Constant(bits / 8, 32);
                if (o.Name.StartsWith('%'))
                {
                    if (bits > 32)
                        throw Error($"'{o.Name}' has 32 bits, {_statement.Opcode} wants {bits}");
                    return SpecialRegister(o.Name);
                }
                return Constant(bits / 8, AddressOf(o.Name) + (ulong)o.Bits);
            default:
                throw Error($"{_statement.Opcode}: wrong kind of operand");
        }
    }

    private ulong AddressOf(string name)
    {
        Variable v = _statement.Scope.FindVariable(name) ?? throw Error($"there is no '{name}'");
        if (v.Space == Space.Shared && v.Size == 0)
        {
            _dynamicShared = true;
            return (ulong)Parser.Align(_function.SharedBytes, 16);
        }
        return v.Address;
    }

    private int SpecialRegister(string name)
    {
        Special kind = name switch
        {
            "%tid.x" => Special.TidX, "%tid.y" => Special.TidY, "%tid.z" => Special.TidZ,
            "%ntid.x" => Special.NTidX, "%ntid.y" => Special.NTidY, "%ntid.z" => Special.NTidZ,
            "%ctaid.x" => Special.CtaX, "%ctaid.y" => Special.CtaY, "%ctaid.z" => Special.CtaZ,
            "%nctaid.x" => Special.NCtaX, "%nctaid.y" => Special.NCtaY, "%nctaid.z" => Special.NCtaZ,
            "%laneid" => Special.Lane, "%warpid" => Special.Warp, "%nwarpid" => Special.NWarp,
            "%lanemask_eq" => Special.MaskEq, "%lanemask_lt" => Special.MaskLt, "%lanemask_le" => Special.MaskLe,
            "%lanemask_gt" => Special.MaskGt, "%lanemask_ge" => Special.MaskGe,
            "%dynamic_smem_size" => Special.DynamicShared, "%total_smem_size" => Special.TotalShared,
            _ => throw Error($"'{name}' is neither a register of this kernel nor a special one that the software GPU knows"),
        };
        if (!_specials.TryGetValue(kind, out int offset))
            _specials[kind] = offset = Room(4);
        return offset;
    }

    /// <summary>A destination of a number of bits, or wider where a load or conversion extends.</summary>
    private int Write(Operand o, int bits, bool wider, out int actual)
    {
        actual = bits;
        if (o.Kind != OperandKind.Name || o.Negated)
            throw Error($"{_statement.Opcode}: the destination is no register");
        if (o.Name == "_")
            return Room(bits == 64 ? 8 : 4);
        Register r = _statement.Scope.FindRegister(o.Name) ?? throw Error($"there is no register '{o.Name}'");
        if (r.Bits == 1 || (r.Bits != bits && !(wider && r.Bits > bits)))
            throw Error($"register '{o.Name}' has {r.Bits} bits, {_statement.Opcode} wants {bits}");
        actual = r.Bits;
        return Place(r);
    }

    private int Write(Operand o, int bits) => Write(o, bits, false, out _);

    private static int* Array(params ReadOnlySpan<int> items)
    {
        // Kernels live as long as the process: modules are few.
        int* p = (int*)NativeMemory.Alloc((nuint)(items.Length * 4));
        items.CopyTo(new Span<int>(p, items.Length));
        return p;
    }

    private static int BitsOf(PtxType type) => type == PtxType.Pred ? 1 : 8 * Parser.Bytes(type);
}
