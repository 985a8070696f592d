using Dia.SoftGpu.Execution;
using unsafe Handler = delegate*<Dia.SoftGpu.Execution.Warp, Dia.SoftGpu.Execution.Instruction*, uint, void>;

namespace Dia.SoftGpu.Ptx;

internal sealed unsafe partial class Decoder
{
    private void DecodeMemory(string opcode)
    {
        switch (opcode)
        {
            case "ld" or "ldu": LoadOrStore(true); break;
            case "st": LoadOrStore(false); break;
            case "atom" or "red": Atomic(opcode == "atom"); break;
            case "cvta": ConvertAddress(); break;
            case "cp": AsyncCopy(); break;
            case "ldmatrix": LoadMatrix(); break;
            case "mma": MultiplyMatrices(); break;
            case "prefetch" or "prefetchu":
                _modifiers.Clear();
                _out.Handler = &WarpOps.Nothing;
                break;
            default: DecodeWarp(opcode); break;
        }
    }

    private Space TakeSpace()
    {
        if (Take("global"))
            return Space.Global;
        if (Take("shared"))
            return Space.Shared;
        if (Take("local"))
            return Space.Local;
        if (Take("const"))
            return Space.Const;
        return Take("param") ? Space.Param : Space.Generic;
    }

    private void TakeCacheHints()
    {
        foreach (string hint in (string[])["ca", "cg", "cs", "lu", "cv", "wb", "wt"])
            Take(hint);
        for (int k = _modifiers.Count - 1; k >= 0; k--)
        {
            if (!_modifiers[k].Contains("::", StringComparison.Ordinal))
                continue;
            Need(74, 70, $"'.{_modifiers[k]}'");
            if (_modifiers[k]
                is not ("L1::no_allocate" or "L1::evict_normal" or "L1::evict_first" or "L1::evict_last" or "L1::evict_unchanged" or "L2::64B" or "L2::128B" or "L2::256B"))
                throw Unsupported();
            _modifiers.RemoveAt(k);
        }
    }

    private void LoadOrStore(bool load)
    {
        // A volatile or relaxed access is a plain one here: nothing runs at the same time within a warp.
        bool strong = Take("volatile") | Take("relaxed") | Take("acquire") | Take("release") | Take("weak");
        if (strong)
            _ = Take("gpu") | Take("cta") | Take("sys");
        Space space = TakeSpace();
        bool readOnly = Take("nc");
        if (readOnly && (!load || space != Space.Global))
            throw Unsupported();
        TakeCacheHints();
        int count = Take("v2") ? 2 : Take("v4") ? 4 : 1;
        PtxType type = TakeType();
        int bits = BitsOf(type);
        if (count * bits > 128)
            throw Error($"{_statement.Opcode}: vectors have at most 128 bits");
        Count(2, 2);
        Operand registers = At(load ? 0 : 1);
        Operand[] items = count == 1 ? [registers] : registers.Kind == OperandKind.List && registers.Items.Length == count ? registers.Items
            : throw Error($"{_statement.Opcode}: {count} registers in braces expected");
        var places = new int[count];
        int lane = 0;
        for (int k = 0; k < count; k++)
        {
            int least = Math.Max(bits, 16);
            places[k] = load ? Write(items[k], least, true, out int actual) : Read(items[k], least, true, out actual);
            if (k > 0 && (actual > 32) != (lane > 32))
                throw Error($"{_statement.Opcode}: registers of different sizes");
            lane = actual;
        }
        _out.D = places[0];
        if (count > 1)
            _out.More = Array(places);
        _out.Aux = count;
        _out.Space = (int)space;
        if (space == Space.Param)
        {
            if (!load)
                throw Unsupported();
            Parameter(type, count * bits / 8, lane == 64);
            return;
        }
        Address(At(load ? 1 : 0), space);
        if (space == Space.Shared)
            Narrow(count * bits / 8);
        bool wide = lane == 64;
        if (load)
        {
            _out.Handler = LoadHandler(type, wide);
            _out.E = lane == 16 ? 16 : 0;
        }
        else
            _out.Handler = StoreHandler(bits, wide);
    }

    private void Narrow(int bytes) => _cellShift = Math.Min(_cellShift, bytes >= 4 ? 2 : bytes / 2);

    private static Handler LoadHandler(PtxType type, bool wide) => type switch
    {
        PtxType.B8 or PtxType.U8 => wide ? &LoadStore.Load<byte, ulong> : &LoadStore.Load<byte, uint>,
        PtxType.S8 => wide ? &LoadStore.Load<sbyte, ulong> : &LoadStore.Load<sbyte, uint>,
        PtxType.S16 => wide ? &LoadStore.Load<short, ulong> : &LoadStore.Load<short, uint>,
        PtxType.B16 or PtxType.U16 or PtxType.F16 or PtxType.BF16 => wide ? &LoadStore.Load<ushort, ulong> : &LoadStore.Load<ushort, uint>,
        PtxType.S32 => wide ? &LoadStore.Load<int, ulong> : &LoadStore.Load<uint, uint>,
        PtxType.B64 or PtxType.U64 or PtxType.S64 or PtxType.F64 => &LoadStore.Load<ulong, ulong>,
        _ => wide ? &LoadStore.Load<uint, ulong> : &LoadStore.Load<uint, uint>,
    };

    private static Handler StoreHandler(int bits, bool wide) => bits switch
    {
        8 => wide ? &LoadStore.Store<byte, ulong> : &LoadStore.Store<byte, uint>,
        16 => wide ? &LoadStore.Store<ushort, ulong> : &LoadStore.Store<ushort, uint>,
        64 => &LoadStore.Store<ulong, ulong>,
        _ => wide ? &LoadStore.Store<uint, ulong> : &LoadStore.Store<uint, uint>,
    };

    private void Parameter(PtxType type, int bytes, bool wide)
    {
        Operand a = At(1);
        Variable? v = a.Name == "" ? null : _statement.Scope.FindVariable(a.Name);
        if (a.Kind != OperandKind.Address || v == null || v.Space != Space.Param)
            throw Error($"{_statement.Opcode}: the address is no parameter of this kernel (indexed parameters are not supported by the software GPU)");
        if (a.Bits < 0 || a.Bits + bytes > v.Size)
            throw Error($"{_statement.Opcode}: reads past the end of '{v.Name}'");
        _out.Imm = (long)v.Address + a.Bits;
        _out.Handler = type switch
        {
            PtxType.B8 or PtxType.U8 => &LoadStore.Parameter<byte, uint>,
            PtxType.S8 => &LoadStore.Parameter<sbyte, uint>,
            PtxType.S16 => wide ? &LoadStore.Parameter<short, ulong> : &LoadStore.Parameter<short, uint>,
            PtxType.B16 or PtxType.U16 or PtxType.F16 or PtxType.BF16 => wide ? &LoadStore.Parameter<ushort, ulong> : &LoadStore.Parameter<ushort, uint>,
            PtxType.S32 => wide ? &LoadStore.Parameter<int, ulong> : &LoadStore.Parameter<uint, uint>,
            PtxType.B64 or PtxType.U64 or PtxType.S64 or PtxType.F64 => &LoadStore.Parameter<ulong, ulong>,
            _ => wide ? &LoadStore.Parameter<uint, ulong> : &LoadStore.Parameter<uint, uint>,
        };
    }

    // A and Imm of an access. A bare symbol or number is a constant register.
    private void Address(Operand a, Space space)
    {
        if (a.Kind != OperandKind.Address)
            throw Error($"{_statement.Opcode}: address in brackets expected");
        _out.Imm = a.Bits;
        if (a.Name == "")
        {
            _out.A = Constant(8, 0);
            return;
        }
        Register? r = _statement.Scope.FindRegister(a.Name);
        if (r == null)
        {
            Variable v = _statement.Scope.FindVariable(a.Name) ?? throw Error($"there is no '{a.Name}'");
            if (v.Space != space && !(v.Space is Space.Global or Space.Const && space is Space.Generic))
                throw Error($"'{a.Name}' is not in the space of {_statement.Opcode}");
            _out.A = Constant(8, AddressOf(a.Name));
            return;
        }
        if (r.Bits is not (32 or 64) || (r.Bits == 32 && space is not (Space.Shared or Space.Local)))
            throw Error($"address register '{a.Name}' has {r.Bits} bits");
        _out.A = Place(r);
        if (r.Bits == 32)
            _out.Aux |= 0x100;
    }

    private void Atomic(bool result)
    {
        _ = Take("relaxed") | Take("acquire") | Take("release") | Take("acq_rel");
        _ = Take("gpu") | Take("cta") | Take("sys");
        Space space = TakeSpace();
        AtomicOp? op = Take("add") ? AtomicOp.Add : Take("min") ? AtomicOp.MinU : Take("max") ? AtomicOp.MaxU : Take("and") ? AtomicOp.And
            : Take("or") ? AtomicOp.Or : Take("xor") ? AtomicOp.Xor : Take("exch") ? AtomicOp.Exchange : Take("cas") ? AtomicOp.CompareExchange
            : Take("inc") ? AtomicOp.Increment : Take("dec") ? AtomicOp.Decrement : null;
        PtxType type = TakeType();
        int bits = BitsOf(type);
        if (op == null || bits < 32 || space is Space.Const or Space.Local or Space.Param || type is PtxType.F16X2 or PtxType.BF16X2)
            throw Unsupported();
        if (type is PtxType.F32 or PtxType.F64)
            op = op == AtomicOp.Add ? AtomicOp.AddFloat : throw Unsupported();
        if (Signed(type))
            op = op == AtomicOp.MinU ? AtomicOp.MinS : op == AtomicOp.MaxU ? AtomicOp.MaxS : op;
        int first = result ? 1 : 0;
        bool two = op == AtomicOp.CompareExchange;
        Count(first + (two ? 3 : 2), first + (two ? 3 : 2));
        _out.Handler = &Atomics.Run;
        _out.Aux = (int)op;
        _out.Space = (int)space;
        Address(At(first), space);
        _out.D = result ? Write(At(0), bits) : -1;
        _out.B = Read(At(first + 1), bits);
        _out.C = two ? Read(At(first + 2), bits) : -1;
        _out.E = bits;
    }

    // Global and constant addresses are generic ones; the windows of shared and local memory are added or taken away.
    private void ConvertAddress()
    {
        bool to = Take("to");
        Space space = TakeSpace();
        PtxType type = TakeType();
        if (BitsOf(type) != 64)
            throw Unsupported();
        ulong window = space == Space.Shared ? Warp.SharedWindow : space == Space.Local ? Warp.LocalWindow : 0;
        Count(2, 2);
        _out.D = Write(At(0), 64);
        _out.A = Read(At(1), 64);
        _out.B = Constant(8, to ? 0 - window : window);
        _out.Handler = window == 0 ? &Vectors.Run1<Execution.Move, ulong> : &Vectors.Run2<Add, ulong>;
    }

    private void AsyncCopy()
    {
        if (!Take("async"))
            throw Unsupported();
        Need(70, 80, "cp.async");
        if (Take("commit_group"))
        {
            Count(0, 0);
            _out.Handler = &AsyncCopies.Commit;
            return;
        }
        if (Take("wait_group"))
        {
            Count(1, 1);
            _out.Handler = &AsyncCopies.Wait;
            _out.Imm = At(0).Kind == OperandKind.Integer ? At(0).Bits : throw Unsupported();
            return;
        }
        if (Take("wait_all"))
        {
            Count(0, 0);
            _out.Handler = &AsyncCopies.Wait;
            _out.Imm = -1;
            return;
        }
        bool all = Take("ca"), global = Take("cg");
        TakeCacheHints();
        if (!Take("shared") || !Take("global") || all == global)
            throw Unsupported();
        Count(3, 4);
        long bytes = At(2).Kind == OperandKind.Integer ? At(2).Bits : 0;
        if (!(bytes == 16 || (all && bytes is 4 or 8)))
            throw Error($"{_statement.Opcode}: {bytes} bytes cannot be copied");
        _out.Handler = &AsyncCopies.Start;
        Address(At(0), Space.Shared);
        Operand from = At(1);
        if (from.Kind != OperandKind.Address || _statement.Scope.FindRegister(from.Name) is not { Bits: 64 } source)
            throw Error($"{_statement.Opcode}: the source is no 64-bit address register");
        _out.B = Place(source);
        _out.More = Array((int)from.Bits, (int)(from.Bits >> 32));
        _out.C = _statement.Operands.Length == 4 ? Read(At(3), 32) : -1;
        _out.E = (int)bytes;
    }

    private void LoadMatrix()
    {
        Need(65, 75, "ldmatrix");
        if (!(Take("sync") & Take("aligned") & Take("m8n8")))
            throw Unsupported();
        int count = Take("x1") ? 1 : Take("x2") ? 2 : Take("x4") ? 4 : throw Unsupported();
        bool transposed = Take("trans");
        Space space = TakeSpace();
        if (TakeType() != PtxType.B16 || space is not (Space.Shared or Space.Generic))
            throw Unsupported();
        Count(2, 2);
        Operand[] items = At(0).Kind == OperandKind.List ? At(0).Items : [At(0)];
        if (items.Length != count)
            throw Error($"{_statement.Opcode}: {count} registers expected");
        var places = new int[count];
        for (int k = 0; k < count; k++)
            places[k] = Write(items[k], 32);
        _out.Handler = &MatrixOps.LoadMatrix;
        _out.Aux = count | (transposed ? 16 : 0);
        _out.Space = (int)space;
        Address(At(1), space);
        _out.More = Array(places);
    }

    private void MultiplyMatrices()
    {
        if (!(Take("sync") & Take("aligned")))
            throw Unsupported();
        int depth = Take("m16n8k16") ? 16 : Take("m16n8k8") ? 8 : throw Unsupported();
        if (!(Take("row") & Take("col")))
            throw Unsupported();
        Need(70, 80, _statement.Opcode);
        PtxType d = TakeType(), a = TakeType(), b = TakeType(), c = TakeType();
        if (d != PtxType.F32 || c != PtxType.F32 || a != b || a is not (PtxType.F16 or PtxType.BF16))
            throw Unsupported();
        Count(4, 4);
        int[] wanted = [4, depth / 4, depth / 8, 4];
        var places = new System.Collections.Generic.List<int>();
        for (int k = 0; k < 4; k++)
        {
            Operand[] items = At(k).Kind == OperandKind.List ? At(k).Items : [At(k)];
            if (items.Length != wanted[k])
                throw Error($"{_statement.Opcode}: operand {k + 1} wants {wanted[k]} registers");
            foreach (Operand item in items)
                places.Add(k == 0 ? Write(item, 32) : Read(item, 32));
        }
        _out.Handler = a == PtxType.F16 ? &MatrixOps.Multiply<Binary16> : &MatrixOps.Multiply<Brain16>;
        _out.Aux = depth;
        _out.More = Array(places.ToArray());
    }
}
