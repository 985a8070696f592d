using System.Collections.Generic;
using Dia.SoftGpu.Execution;
using unsafe Handler = delegate*<Dia.SoftGpu.Execution.Warp, Dia.SoftGpu.Execution.Instruction*, uint, void>;

namespace Dia.SoftGpu.Ptx;

internal sealed unsafe partial class Decoder
{
    private static bool Signed(PtxType t) => t is PtxType.S8 or PtxType.S16 or PtxType.S32 or PtxType.S64;

    private void DecodeOne(string opcode)
    {
        switch (opcode)
        {
            case "add": Arithmetic(&Vectors.Run2<Low16<Add>, uint>, &Vectors.Run2<Add, uint>, &Vectors.Run2<Add, ulong>, Float2<FAdd, DAdd>); break;
            case "sub": Arithmetic(&Vectors.Run2<Low16<Sub>, uint>, &Vectors.Run2<Sub, uint>, &Vectors.Run2<Sub, ulong>, Float2<FSub, DSub>); break;
            case "mul": Multiply(); break;
            case "mad": MultiplyAdd(); break;
            case "fma": Fma(); break;
            case "div": Divide(); break;
            case "rem": Remainder(); break;
            case "min" or "max": MinMax(opcode == "min"); break;
            case "abs" or "neg": AbsNeg(opcode == "abs"); break;
            case "and" or "or" or "xor" or "not": Logic(opcode); break;
            case "cnot": throw Unsupported();
            case "shl" or "shr": Shift(opcode == "shl"); break;
            case "popc" or "clz" or "bfind" or "brev": Bits(opcode); break;
            case "bfe" or "bfi" or "prmt" or "lop3" or "shf": Fields(opcode); break;
            case "sqrt" or "rcp" or "rsqrt" or "ex2" or "lg2" or "sin" or "cos" or "tanh": Functions(opcode); break;
            case "copysign":
                PtxType type = TakeType();
                Operands2(BitsOf(type), BitsOf(type) == 64 ? &Vectors.Run2<CopySign, ulong> : &Vectors.Run2<CopySign, uint>);
                break;
            case "setp": SetPredicate(); break;
            case "set": throw Unsupported();
            case "selp": Select(); break;
            case "cvt": Convert(); break;
            case "mov": Move(); break;
            default: DecodeMemory(opcode); break;
        }
    }

    private void Operands1(int bits, Handler handler)
    {
        Count(2, 2);
        _out.Handler = handler;
        _out.D = Write(At(0), bits);
        _out.A = Read(At(1), bits);
    }

    private void Operands2(int bits, Handler handler)
    {
        Count(3, 3);
        _out.Handler = handler;
        _out.D = Write(At(0), bits);
        _out.A = Read(At(1), bits);
        _out.B = Read(At(2), bits);
    }

    private void Operands3(int bits, Handler handler)
    {
        Count(4, 4);
        _out.Handler = handler;
        _out.D = Write(At(0), bits);
        _out.A = Read(At(1), bits);
        _out.B = Read(At(2), bits);
        _out.C = Read(At(3), bits);
    }

    private void Arithmetic(Handler bits16, Handler bits32, Handler bits64, Action<PtxType> floats)
    {
        PtxType type = TakeType();
        switch (type)
        {
            case PtxType.U16 or PtxType.S16: Operands2(16, bits16); break;
            case PtxType.U32 or PtxType.S32: Operands2(32, bits32); break;
            case PtxType.U64 or PtxType.S64: Operands2(64, bits64); break;
            case PtxType.F32 or PtxType.F64 or PtxType.F16 or PtxType.F16X2 or PtxType.BF16 or PtxType.BF16X2: floats(type); break;
            default: throw Unsupported();
        }
    }

    private void Float2<TVector, TDouble>(PtxType type) where TVector : struct, IVector2<uint>, IVector2<ulong> where TDouble : struct, IDouble2
    {
        Take("rn");
        if (type is PtxType.BF16 or PtxType.BF16X2)
            Need(78, 90, _statement.Opcode);
        bool flush = Take("ftz"), saturate = Take("sat");
        Operands2(BitsOf(type), type switch
        {
            PtxType.F32 when flush => &Vectors.Run2<Flushed<TVector>, uint>,
            PtxType.F32 when saturate => &Vectors.Run2<Saturated<TVector>, uint>,
            PtxType.F32 => &Vectors.Run2<TVector, uint>,
            PtxType.F64 when !flush && !saturate => &Vectors.Run2<TVector, ulong>,
            PtxType.F16 when !flush && !saturate => &Vectors.Map2<Half2<TDouble, Binary16>, uint, uint, uint>,
            PtxType.F16X2 when !flush && !saturate => &Vectors.Map2<Packed2<Half2<TDouble, Binary16>>, uint, uint, uint>,
            PtxType.BF16 when !flush && !saturate => &Vectors.Map2<Half2<TDouble, Brain16>, uint, uint, uint>,
            PtxType.BF16X2 when !flush && !saturate => &Vectors.Map2<Packed2<Half2<TDouble, Brain16>>, uint, uint, uint>,
            _ => throw Unsupported(),
        });
    }

    private void Multiply()
    {
        bool wide = Take("wide"), high = Take("hi"), low = Take("lo");
        if (wide)
        {
            PtxType type = TakeType();
            Wide(type, false);
        }
        else if (high)
        {
            PtxType type = TakeType();
            Operands2(BitsOf(type), type switch
            {
                PtxType.U32 => &Vectors.Map2<MulHiU, uint, uint, uint>,
                PtxType.S32 => &Vectors.Map2<MulHiS, uint, uint, uint>,
                PtxType.U64 => &Vectors.Map2<MulHiU, ulong, ulong, ulong>,
                PtxType.S64 => &Vectors.Map2<MulHiS, ulong, ulong, ulong>,
                _ => throw Unsupported(),
            });
        }
        else
            Arithmetic(low ? &Vectors.Run2<Low16<MulLo>, uint> : null, low ? &Vectors.Run2<MulLo, uint> : null, low
                ? &Vectors.Run2<MulLo, ulong> : null, Float2<FMul, DMul>);
        if (_out.Handler == null)
            throw Unsupported();
    }

    private void Wide(PtxType type, bool add)
    {
        Count(add ? 4 : 3, add ? 4 : 3);
        int bits = BitsOf(type);
        bool signed = Signed(type);
        _out.Handler = (bits, add) switch
        {
            (32, _) => signed ? &Vectors.Wide<int> : &Vectors.Wide<uint>,
            (16, false) => signed ? &Vectors.Map2<Wide16S, uint, uint, uint> : &Vectors.Map2<Wide16U, uint, uint, uint>,
            (16, true) => signed ? &Vectors.Map3<Wide16S, uint, uint, uint, uint> : &Vectors.Map3<Wide16U, uint, uint, uint, uint>,
            _ => throw Unsupported(),
        };
        _out.D = Write(At(0), 2 * bits);
        _out.A = Read(At(1), bits);
        _out.B = Read(At(2), bits);
        _out.C = add ? Read(At(3), 2 * bits) : 0;
        _out.Aux = add ? 1 : 0;
    }

    private void MultiplyAdd()
    {
        if (Take("wide"))
        {
            Wide(TakeType(), true);
            return;
        }
        bool high = Take("hi"), low = Take("lo");
        PtxType type = TakeType();
        if (type is PtxType.F32 or PtxType.F64 && Take("rn"))
        {
            FmaOf(type);
            return;
        }
        Operands3(BitsOf(type), (type, high) switch
        {
            _ when !high && !low => throw Unsupported(),
            (PtxType.U16 or PtxType.S16, false) => &Vectors.Run3<Low16<MadLo>, uint>,
            (PtxType.U32 or PtxType.S32, false) => &Vectors.Run3<MadLo, uint>,
            (PtxType.U64 or PtxType.S64, false) => &Vectors.Run3<MadLo, ulong>,
            (PtxType.U32, true) => &Vectors.Map3<MulHiU, uint, uint, uint, uint>,
            (PtxType.S32, true) => &Vectors.Map3<MulHiS, uint, uint, uint, uint>,
            (PtxType.U64, true) => &Vectors.Map3<MulHiU, ulong, ulong, ulong, ulong>,
            (PtxType.S64, true) => &Vectors.Map3<MulHiS, ulong, ulong, ulong, ulong>,
            _ => throw Unsupported(),
        });
    }

    private void Fma()
    {
        if (!Take("rn"))
            throw Unsupported();
        FmaOf(TakeType());
    }

    private void FmaOf(PtxType type)
    {
        bool flush = Take("ftz"), saturate = Take("sat");
        Operands3(BitsOf(type), type switch
        {
            PtxType.F32 when flush => &Vectors.Run3<Flushed<FFma>, uint>,
            PtxType.F32 when saturate => &Vectors.Run3<Saturated<FFma>, uint>,
            PtxType.F32 => &Vectors.Run3<FFma, uint>,
            PtxType.F64 => &Vectors.Run3<FFma, ulong>,
            PtxType.F16 => &Vectors.Map3<Half3<Binary16>, uint, uint, uint, uint>,
            PtxType.F16X2 => &Vectors.Map3<Packed3<Half3<Binary16>>, uint, uint, uint, uint>,
            PtxType.BF16 => &Vectors.Map3<Half3<Brain16>, uint, uint, uint, uint>,
            PtxType.BF16X2 => &Vectors.Map3<Packed3<Half3<Brain16>>, uint, uint, uint, uint>,
            _ => throw Unsupported(),
        });
    }

    private void Divide()
    {
        bool rounded = Take("rn") | Take("full") | Take("approx"), flush = Take("ftz");
        PtxType type = TakeType();
        Operands2(BitsOf(type), type switch
        {
            PtxType.F32 when rounded => flush ? &Vectors.Run2<Flushed<FDiv>, uint> : &Vectors.Run2<FDiv, uint>,
            PtxType.F64 when rounded => &Vectors.Run2<FDiv, ulong>,
            PtxType.U32 or PtxType.U16 => &Vectors.Map2<DivU, uint, uint, uint>,
            PtxType.S32 => &Vectors.Map2<DivS, uint, uint, uint>,
            PtxType.U64 => &Vectors.Map2<DivU, ulong, ulong, ulong>,
            PtxType.S64 => &Vectors.Map2<DivS, ulong, ulong, ulong>,
            _ => throw Unsupported(),
        });
    }

    private void Remainder()
    {
        PtxType type = TakeType();
        Operands2(BitsOf(type), type switch
        {
            PtxType.U32 or PtxType.U16 => &Vectors.Map2<RemU, uint, uint, uint>,
            PtxType.S32 => &Vectors.Map2<RemS, uint, uint, uint>,
            PtxType.U64 => &Vectors.Map2<RemU, ulong, ulong, ulong>,
            PtxType.S64 => &Vectors.Map2<RemS, ulong, ulong, ulong>,
            _ => throw Unsupported(),
        });
    }

    private void MinMax(bool min)
    {
        PtxType type = TakeType();
        switch (type)
        {
            case PtxType.F32 or PtxType.F64 or PtxType.F16 or PtxType.F16X2:
                if (min)
                    Float2<FMin, DMin>(type);
                else
                    Float2<FMax, DMax>(type);
                break;
            case PtxType.BF16:
                Operands2(16, min ? &Vectors.Map2<Half2<DMin, Brain16>, uint, uint, uint> : &Vectors.Map2<Half2<DMax, Brain16>, uint, uint, uint>);
                break;
            case PtxType.BF16X2:
                Operands2(32, min
                    ? &Vectors.Map2<Packed2<Half2<DMin, Brain16>>, uint, uint, uint> : &Vectors.Map2<Packed2<Half2<DMax, Brain16>>, uint, uint, uint>);
                break;
            case PtxType.S16:
                Operands2(16, min ? &Vectors.Run2<Low16<MinS>, uint> : &Vectors.Run2<Low16<MaxS>, uint>);
                break;
            case PtxType.U16 or PtxType.U32:
                Operands2(BitsOf(type), min ? &Vectors.Run2<MinU, uint> : &Vectors.Run2<MaxU, uint>);
                break;
            case PtxType.S32:
                Operands2(32, min ? &Vectors.Run2<MinS, uint> : &Vectors.Run2<MaxS, uint>);
                break;
            case PtxType.U64:
                Operands2(64, min ? &Vectors.Run2<MinU, ulong> : &Vectors.Run2<MaxU, ulong>);
                break;
            case PtxType.S64:
                Operands2(64, min ? &Vectors.Run2<MinS, ulong> : &Vectors.Run2<MaxS, ulong>);
                break;
            default:
                throw Unsupported();
        }
    }

    private void AbsNeg(bool abs)
    {
        PtxType type = TakeType();
        bool flush = Take("ftz");
        Operands1(BitsOf(type), type switch
        {
            PtxType.F32 when flush => abs ? &Vectors.Run1<Flushed<FAbs>, uint> : &Vectors.Run1<Flushed<FNeg>, uint>,
            PtxType.F32 => abs ? &Vectors.Run1<FAbs, uint> : &Vectors.Run1<FNeg, uint>,
            PtxType.F64 => abs ? &Vectors.Run1<FAbs, ulong> : &Vectors.Run1<FNeg, ulong>,
            PtxType.F16 or PtxType.BF16 => abs ? &Vectors.Map1<HalfAbs, uint, uint> : &Vectors.Map1<HalfNeg, uint, uint>,
            PtxType.F16X2 or PtxType.BF16X2 => abs ? &Vectors.Map1<PackedAbs, uint, uint> : &Vectors.Map1<PackedNeg, uint, uint>,
            PtxType.S16 => abs ? &Vectors.Run1<Low16<Abs>, uint> : &Vectors.Run1<Low16<Neg>, uint>,
            PtxType.S32 => abs ? &Vectors.Run1<Abs, uint> : &Vectors.Run1<Neg, uint>,
            PtxType.S64 => abs ? &Vectors.Run1<Abs, ulong> : &Vectors.Run1<Neg, ulong>,
            _ => throw Unsupported(),
        });
    }

    private void Shift(bool left)
    {
        PtxType type = TakeType();
        int bits = BitsOf(type);
        Count(3, 3);
        _out.Handler = (bits, left, Signed(type)) switch
        {
            (16, true, _) => &Vectors.Run2<Low16<Shl>, uint>,
            (16, false, true) => &Vectors.Run2<Low16<ShrS>, uint>,
            (16 or 32, false, false) => &Vectors.Run2<ShrU, uint>,
            (32, true, _) => &Vectors.Run2<Shl, uint>,
            (32, false, true) => &Vectors.Run2<ShrS, uint>,
            (64, true, _) => &Vectors.Map2<Shl, ulong, uint, ulong>,
            (64, false, true) => &Vectors.Map2<ShrS, ulong, uint, ulong>,
            (64, false, false) => &Vectors.Map2<ShrU, ulong, uint, ulong>,
            _ => throw Unsupported(),
        };
        _out.D = Write(At(0), bits);
        _out.A = Read(At(1), bits);
        _out.B = Read(At(2), 32);
    }

    private void Functions(string opcode)
    {
        bool approx = Take("approx"), rounded = Take("rn"), flush = Take("ftz");
        PtxType type = TakeType();
        if (opcode == "tanh")
            Need(70, 75, "tanh.approx");
        Operands1(BitsOf(type), (opcode, type) switch
        {
            _ when !approx && !rounded => throw Unsupported(),
            ("sqrt", PtxType.F32) => flush ? &Vectors.Run1<Flushed<FSqrt>, uint> : &Vectors.Run1<FSqrt, uint>,
            ("sqrt", PtxType.F64) when rounded => &Vectors.Run1<FSqrt, ulong>,
            ("rcp", PtxType.F32) => flush ? &Vectors.Run1<Flushed<FRcp>, uint> : &Vectors.Run1<FRcp, uint>,
            ("rcp", PtxType.F64) when rounded => &Vectors.Run1<FRcp, ulong>,
            ("rsqrt", PtxType.F32) when approx => flush ? &Vectors.Run1<Flushed<FRsqrt>, uint> : &Vectors.Run1<FRsqrt, uint>,
            ("rsqrt", PtxType.F64) when approx => &Vectors.Run1<FRsqrt, ulong>,
            ("ex2", PtxType.F32) when approx => flush ? &Vectors.Run1<Flushed<Ex2>, uint> : &Vectors.Run1<Ex2, uint>,
            ("lg2", PtxType.F32) when approx => flush ? &Vectors.Run1<Flushed<Lg2>, uint> : &Vectors.Run1<Lg2, uint>,
            ("sin", PtxType.F32) when approx => &Vectors.Map1<SinApprox, float, float>,
            ("cos", PtxType.F32) when approx => &Vectors.Map1<CosApprox, float, float>,
            ("tanh", PtxType.F32) when approx => &Vectors.Map1<TanhApprox, float, float>,
            _ => throw Unsupported(),
        });
    }
}

internal readonly struct HalfAbs : ILane1<uint, uint>
{
    public static uint Of(uint a) => a & 0x7FFF;
}

internal readonly struct HalfNeg : ILane1<uint, uint>
{
    public static uint Of(uint a) => a ^ 0x8000;
}

internal readonly struct PackedAbs : ILane1<uint, uint>
{
    public static uint Of(uint a) => a & 0x7FFF7FFF;
}

internal readonly struct PackedNeg : ILane1<uint, uint>
{
    public static uint Of(uint a) => a ^ 0x80008000;
}
