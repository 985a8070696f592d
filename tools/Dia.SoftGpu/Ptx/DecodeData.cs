using Dia.SoftGpu.Execution;
using unsafe Handler = delegate*<Dia.SoftGpu.Execution.Warp, Dia.SoftGpu.Execution.Instruction*, uint, void>;

namespace Dia.SoftGpu.Ptx;

internal sealed unsafe partial class Decoder
{
    private static uint Flip(Operand o) => o.Negated ? uint.MaxValue : 0;

    // A number stands for all lanes: 0, or anything else.
    private int ReadPredicate(Operand o) => o.Kind == OperandKind.Integer ? Constant(4, o.Bits == 0 ? 0 : uint.MaxValue) : Predicate(o.Name);

    private void Logic(string opcode)
    {
        PtxType type = TakeType();
        if (type == PtxType.Pred)
        {
            _out.Handler = &Vectors.Predicates;
            _out.Aux = opcode switch { "and" => 1, "or" => 2, "xor" => 3, _ => 4 };
            _out.D = Predicate(At(0).Name);
            _out.A = ReadPredicate(At(1));
            _out.Imm = Flip(At(1));
            if (opcode != "not")
            {
                _out.B = ReadPredicate(At(2));
                _out.Imm |= (long)((ulong)Flip(At(2)) << 32);
            }
            return;
        }
        int bits = BitsOf(type);
        if (opcode == "not")
        {
            Operands1(bits, bits == 64 ? &Vectors.Run1<Not, ulong> : bits == 16 ? &Vectors.Run1<Low16<Not>, uint> : &Vectors.Run1<Not, uint>);
            return;
        }
        Operands2(bits, (opcode, bits) switch
        {
            ("and", 64) => &Vectors.Run2<And, ulong>,
            ("or", 64) => &Vectors.Run2<Or, ulong>,
            ("xor", 64) => &Vectors.Run2<Xor, ulong>,
            ("and", _) => &Vectors.Run2<And, uint>,
            ("or", _) => &Vectors.Run2<Or, uint>,
            _ => &Vectors.Run2<Xor, uint>,
        });
    }

    private void Bits(string opcode)
    {
        PtxType type = TakeType();
        int bits = BitsOf(type);
        Count(2, 2);
        bool wide = bits == 64;
        _out.Handler = opcode switch
        {
            "popc" => wide ? &Vectors.Map1<Popc, ulong, uint> : &Vectors.Map1<Popc, uint, uint>,
            "clz" => wide ? &Vectors.Map1<Clz, ulong, uint> : &Vectors.Map1<Clz, uint, uint>,
            "brev" => wide ? &Vectors.Map1<BRev, ulong, ulong> : &Vectors.Map1<BRev, uint, uint>,
            _ => (wide, Signed(type)) switch
            {
                (true, true) => &Vectors.Map1<BFindS, ulong, uint>,
                (true, false) => &Vectors.Map1<BFindU, ulong, uint>,
                (false, true) => &Vectors.Map1<BFindS, uint, uint>,
                _ => &Vectors.Map1<BFindU, uint, uint>,
            },
        };
        _out.D = Write(At(0), opcode == "brev" ? bits : 32);
        _out.A = Read(At(1), bits);
    }

    private void Fields(string opcode)
    {
        bool left = Take("l");
        Take("r");
        bool wrap = Take("wrap");
        Take("clamp");
        PtxType type = TakeType();
        int bits = BitsOf(type);
        bool wide = bits == 64;
        switch (opcode)
        {
            case "bfe":
                Count(4, 4);
                _out.Handler = Signed(type)
                    ? wide ? &Vectors.Map3<BfeS, ulong, uint, uint, ulong> : &Vectors.Map3<BfeS, uint, uint, uint, uint>
                    : wide ? &Vectors.Map3<BfeU, ulong, uint, uint, ulong> : &Vectors.Map3<BfeU, uint, uint, uint, uint>;
                _out.D = Write(At(0), bits);
                _out.A = Read(At(1), bits);
                _out.B = Read(At(2), 32);
                _out.C = Read(At(3), 32);
                break;
            case "bfi":
                Count(5, 5);
                _out.Handler = wide ? &WarpOps.Insert<ulong> : &WarpOps.Insert<uint>;
                _out.D = Write(At(0), bits);
                _out.A = Read(At(1), bits);
                _out.B = Read(At(2), bits);
                _out.C = Read(At(3), 32);
                _out.More = Array(Read(At(4), 32));
                break;
            case "prmt":
                Operands3(32, &Vectors.Map3<Prmt, uint, uint, uint, uint>);
                break;
            case "shf":
                Operands3(32, left
                    ? wrap ? &Vectors.Map3<ShfLWrap, uint, uint, uint, uint> : &Vectors.Map3<ShfLClamp, uint, uint, uint, uint>
                    : wrap ? &Vectors.Map3<ShfRWrap, uint, uint, uint, uint> : &Vectors.Map3<ShfRClamp, uint, uint, uint, uint>);
                break;
            default:
                Count(5, 5);
                _out.Handler = &WarpOps.Lop3;
                _out.D = Write(At(0), 32);
                _out.A = Read(At(1), 32);
                _out.B = Read(At(2), 32);
                _out.C = Read(At(3), 32);
                _out.Imm = At(4).Kind == OperandKind.Integer ? At(4).Bits : throw Unsupported();
                break;
        }
    }

    private void SetPredicate()
    {
        string compare = _modifiers.Count > 0 ? _modifiers[0] : "";
        _modifiers.RemoveAt(0);
        _out.Aux = Take("and") ? 1 : Take("or") ? 2 : Take("xor") ? 3 : 0;
        Take("ftz");
        PtxType type = TakeType();
        Count(_out.Aux == 0 ? 3 : 4, _out.Aux == 0 ? 3 : 4);
        Operand d = At(0);
        if (d.Kind == OperandKind.Pair)
        {
            _out.E = Predicate(d.Items[1].Name);
            d = d.Items[0];
        }
        _out.D = Predicate(d.Name);
        if (_out.Aux != 0)
        {
            _out.C = ReadPredicate(At(3));
            _out.Imm = Flip(At(3));
        }
        if (type is PtxType.F16 or PtxType.BF16 or PtxType.F16X2 or PtxType.BF16X2)
            throw Unsupported();
        int bits = BitsOf(type);
        int a = Read(At(1), bits), b = Read(At(2), bits);
        bool swap = compare is "gt" or "ge" or "hi" or "hs" or "leu" or "ltu";
        if (type is PtxType.F32 or PtxType.F64)
        {
            _out.Handler = type == PtxType.F64 ? FloatCompare<ulong>(compare) : FloatCompare<uint>(compare);
        }
        else
            _out.Handler = IntegerCompare(compare, Signed(type) && compare is not ("lo" or "ls" or "hi" or "hs"), bits);
        (_out.A, _out.B) = swap ? (b, a) : (a, b);
    }

    // leu(a, b) is not gt(a, b), which is lt(b, a): hence the swap above.
    private Handler FloatCompare<T>(string compare) where T : unmanaged
    {
        bool wide = typeof(T) == typeof(ulong);
        return compare switch
        {
            "eq" => wide ? &Vectors.Compare<FEq, ulong> : &Vectors.Compare<FEq, uint>,
            "ne" => wide ? &Vectors.Compare<FNe, ulong> : &Vectors.Compare<FNe, uint>,
            "lt" or "gt" => wide ? &Vectors.Compare<FLt, ulong> : &Vectors.Compare<FLt, uint>,
            "le" or "ge" => wide ? &Vectors.Compare<FLe, ulong> : &Vectors.Compare<FLe, uint>,
            "equ" => wide ? &Vectors.Compare<Negated<FNe>, ulong> : &Vectors.Compare<Negated<FNe>, uint>,
            "neu" => wide ? &Vectors.Compare<Negated<FEq>, ulong> : &Vectors.Compare<Negated<FEq>, uint>,
            "leu" or "geu" => wide ? &Vectors.Compare<Negated<FLt>, ulong> : &Vectors.Compare<Negated<FLt>, uint>,
            "ltu" or "gtu" => wide ? &Vectors.Compare<Negated<FLe>, ulong> : &Vectors.Compare<Negated<FLe>, uint>,
            "num" => wide ? &Vectors.Compare<FNum, ulong> : &Vectors.Compare<FNum, uint>,
            "nan" => wide ? &Vectors.Compare<Negated<FNum>, ulong> : &Vectors.Compare<Negated<FNum>, uint>,
            _ => throw Unsupported(),
        };
    }

    private Handler IntegerCompare(string compare, bool signed, int bits)
    {
        bool wide = bits == 64, narrow = bits == 16;
        return compare switch
        {
            "eq" => wide ? &Vectors.Compare<Eq, ulong> : &Vectors.Compare<Eq, uint>,
            "ne" => wide ? &Vectors.Compare<Ne, ulong> : &Vectors.Compare<Ne, uint>,
            "lt" or "gt" or "lo" or "hi" => signed
                ? wide ? &Vectors.Compare<LtS, ulong> : narrow ? &Vectors.Compare<Signed16<LtS>, uint> : &Vectors.Compare<LtS, uint>
                : wide ? &Vectors.Compare<LtU, ulong> : &Vectors.Compare<LtU, uint>,
            "le" or "ge" or "ls" or "hs" => signed
                ? wide ? &Vectors.Compare<LeS, ulong> : narrow ? &Vectors.Compare<Signed16<LeS>, uint> : &Vectors.Compare<LeS, uint>
                : wide ? &Vectors.Compare<LeU, ulong> : &Vectors.Compare<LeU, uint>,
            _ => throw Unsupported(),
        };
    }

    private void Select()
    {
        int bits = BitsOf(TakeType());
        Count(4, 4);
        _out.Handler = bits == 64 ? &Vectors.Choose<ulong> : &Vectors.Choose<uint>;
        _out.D = Write(At(0), bits);
        _out.A = Read(At(1), bits);
        _out.B = Read(At(2), bits);
        _out.C = ReadPredicate(At(3));
        _out.Imm = Flip(At(3));
    }

    private void Convert()
    {
        bool saturate = Take("sat"), flush = Take("ftz");
        var rounding = Rounding.None;
        foreach ((string name, Rounding value) in new[]
        {
            ("rn", Rounding.Nearest), ("rz", Rounding.Zero), ("rm", Rounding.Down), ("rp", Rounding.Up),
            ("rni", Rounding.IntNearest), ("rzi", Rounding.IntZero), ("rmi", Rounding.IntDown), ("rpi", Rounding.IntUp),
        })
            if (Take(name))
                rounding = value;
        PtxType to = TakeType(), from = TakeType();
        if (to is PtxType.BF16X2 or PtxType.F16X2)
        {
            Count(3, 3);
            if (rounding != Rounding.Nearest || saturate || from != PtxType.F32)
                throw Unsupported();
            Need(70, 80, _statement.Opcode);
            _out.Handler = to == PtxType.BF16X2
                ? &Vectors.Map2<PackHalves<Brain16>, float, float, uint> : &Vectors.Map2<PackHalves<Binary16>, float, float, uint>;
            _out.D = Write(At(0), 32);
            _out.A = Read(At(1), 32);
            _out.B = Read(At(2), 32);
            return;
        }
        Count(2, 2);
        if (from == PtxType.BF16)
            Need(71, to == PtxType.F32 ? 80 : 90, _statement.Opcode);
        if (to == PtxType.BF16)
            Need(70, 80, _statement.Opcode);
        _out.D = Write(At(0), BitsOf(to) == 8 ? 16 : BitsOf(to), true, out int toBits);
        _out.A = Read(At(1), BitsOf(from) == 8 ? 16 : BitsOf(from), true, out int fromBits);
        _out.Handler = saturate || flush ? null : (to, from, rounding) switch
        {
            _ when toBits != BitsOf(to) || fromBits != BitsOf(from) => null,
            (PtxType.F32, PtxType.S32, Rounding.Nearest) => &Vectors.Run1<ToF32FromS32, uint>,
            (PtxType.F32, PtxType.U32, Rounding.Nearest) => &Vectors.Map1<ToF32FromU32, uint, float>,
            (PtxType.S32, PtxType.F32, Rounding.IntZero) => &Vectors.Run1<ToS32, uint>,
            (PtxType.F32, PtxType.F32, Rounding.IntDown) => &Vectors.Run1<Floor, uint>,
            (PtxType.F32, PtxType.F32, Rounding.IntNearest) => &Vectors.Run1<RoundEven, uint>,
            (PtxType.F32, PtxType.F32, Rounding.IntZero) => &Vectors.Run1<Truncate, uint>,
            (PtxType.U64 or PtxType.S64, PtxType.U32, _) => &Vectors.Map1<ZeroExtend, uint, ulong>,
            (PtxType.U64 or PtxType.S64, PtxType.S32, _) => &Vectors.Map1<SignExtend, uint, ulong>,
            (PtxType.U32 or PtxType.S32, PtxType.U64 or PtxType.S64, _) => &Vectors.Map1<Low32, ulong, uint>,
            (PtxType.U32 or PtxType.S32, PtxType.U16, _) => &Vectors.Run1<Move, uint>,
            (PtxType.F64, PtxType.F32, Rounding.None) => &Vectors.Map1<ToF64FromF32, float, double>,
            (PtxType.F32, PtxType.F64, Rounding.Nearest) => &Vectors.Map1<ToF32FromF64, double, float>,
            (PtxType.F64, PtxType.S32, Rounding.Nearest) => &Vectors.Map1<ToF64FromS32, int, double>,
            (PtxType.F32, PtxType.F16, Rounding.None) => &Vectors.Map1<ToF32FromF16, uint, float>,
            (PtxType.F16, PtxType.F32, Rounding.Nearest) => &Vectors.Map1<ToHalf<Binary16>, float, uint>,
            (PtxType.BF16, PtxType.F32, Rounding.Nearest) => &Vectors.Map1<ToHalf<Brain16>, float, uint>,
            _ => null,
        };
        if (_out.Handler != null)
            return;
        _out.Handler = &Conversions.General;
        _out.Aux = Conversions.Pack(to, from, rounding, saturate, flush);
        _out.C = fromBits;
        _out.E = toBits;
    }

    private void Move()
    {
        PtxType type = TakeType();
        Count(2, 2);
        Operand d = At(0), a = At(1);
        int bits = BitsOf(type);
        if (type == PtxType.Pred)
        {
            _out.Handler = &Vectors.Predicates;
            _out.D = Predicate(d.Name);
            _out.A = ReadPredicate(a);
            _out.Imm = Flip(a);
        }
        else if (d.Kind == OperandKind.List || a.Kind == OperandKind.List)
        {
            bool pack = a.Kind == OperandKind.List;
            Operand[] items = pack ? a.Items : d.Items;
            var places = new int[items.Length];
            for (int k = 0; k < items.Length; k++)
                places[k] = pack ? Read(items[k], bits / items.Length) : items[k].Name == "_" ? -1 : Write(items[k], bits / items.Length);
            _out.Handler = pack ? &LoadStore.Pack : &LoadStore.Unpack;
            _out.More = Array(places);
            _out.Aux = items.Length;
            _out.E = bits;
            if (pack)
                _out.D = Write(d, bits);
            else
                _out.A = Read(a, bits);
        }
        else
        {
            Handler handler = bits == 64 ? &Vectors.Run1<Move, ulong> : &Vectors.Run1<Move, uint>;
            Operands1(bits, handler);
        }
    }
}
