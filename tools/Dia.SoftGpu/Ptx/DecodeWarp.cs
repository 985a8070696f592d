using Dia.SoftGpu.Execution;

namespace Dia.SoftGpu.Ptx;

internal sealed unsafe partial class Decoder
{
    private void DecodeWarp(string opcode)
    {
        switch (opcode)
        {
            case "shfl": Shuffle(); break;
            case "vote": Vote(); break;
            case "match": Match(); break;
            case "redux": Reduce(); break;
            case "activemask":
                TakeType();
                _out.Handler = &WarpOps.ActiveMask;
                _out.D = Write(At(0), 32);
                break;
            case "bar" or "barrier": Barrier(); break;
            case "membar" or "fence":
                _modifiers.Clear();
                _out.Handler = &WarpOps.Fence;
                break;
            case "nanosleep":
                TakeType();
                _out.Handler = &WarpOps.Nothing;
                break;
            case "trap":
                _out.Handler = &WarpOps.Trap;
                break;
            default:
                throw Unsupported();
        }
    }

    private void RequireSync()
    {
        if (!Take("sync"))
            throw Error($"{_statement.Opcode} without .sync is gone since sm_70");
    }

    private void Shuffle()
    {
        RequireSync();
        _out.Aux = Take("up") ? 0 : Take("down") ? 1 : Take("bfly") ? 2 : Take("idx") ? 3 : throw Unsupported();
        if (BitsOf(TakeType()) != 32)
            throw Unsupported();
        Count(5, 5);
        Operand d = At(0);
        if (d.Kind == OperandKind.Pair)
        {
            _out.E = Predicate(d.Items[1].Name);
            d = d.Items[0];
        }
        _out.Handler = &WarpOps.Shuffle;
        _out.D = Write(d, 32);
        _out.A = Read(At(1), 32);
        _out.B = Read(At(2), 32);
        _out.C = Read(At(3), 32);
        _out.More = Array(Read(At(4), 32));
    }

    private void Vote()
    {
        RequireSync();
        _out.Aux = Take("all") ? 0 : Take("any") ? 1 : Take("uni") ? 2 : Take("ballot") ? 3 : throw Unsupported();
        TakeType();
        Count(3, 3);
        _out.Handler = &WarpOps.Vote;
        _out.D = _out.Aux == 3 ? Write(At(0), 32) : Predicate(At(0).Name);
        _out.A = ReadPredicate(At(1));
        _out.Imm = Flip(At(1));
        _out.More = Array(Read(At(2), 32));
    }

    private void Match()
    {
        _out.Aux = Take("any") ? 0 : Take("all") ? 1 : throw Unsupported();
        RequireSync();
        int bits = BitsOf(TakeType());
        Count(3, 3);
        Operand d = At(0);
        if (d.Kind == OperandKind.Pair)
        {
            _out.E = Predicate(d.Items[1].Name);
            d = d.Items[0];
        }
        _out.Handler = &WarpOps.Match;
        _out.D = Write(d, 32);
        _out.A = Read(At(1), bits);
        _out.C = bits;
        _out.More = Array(Read(At(2), 32));
    }

    private void Reduce()
    {
        Need(70, 80, "redux.sync");
        RequireSync();
        string op = _modifiers[0];
        _modifiers.RemoveAt(0);
        PtxType type = TakeType();
        _out.Aux = (op, Signed(type)) switch
        {
            ("add", _) => 0, ("min", false) => 1, ("max", false) => 2, ("min", true) => 3, ("max", true) => 4,
            ("and", _) => 5, ("or", _) => 6, ("xor", _) => 7, _ => throw Unsupported(),
        };
        Count(3, 3);
        _out.Handler = &WarpOps.Reduce;
        _out.D = Write(At(0), 32);
        _out.A = Read(At(1), 32);
        _out.More = Array(Read(At(2), 32));
    }

    private void Barrier()
    {
        if (Take("warp"))
        {
            RequireSync();
            Count(1, 1);
            _out.Handler = &WarpOps.WarpBarrier;
            _out.A = Read(At(0), 32);
            return;
        }
        Take("cta");
        RequireSync();
        Take("aligned");
        if (_statement.Operands.Length != 1 || At(0).Kind != OperandKind.Integer)
            throw Error($"{_statement.Opcode}: only barriers of the whole block with a constant number are supported by the software GPU");
        if (At(0).Bits is < 0 or > 15)
            throw Error("there are barriers 0 to 15");
        _out.Handler = &WarpOps.Barrier;
        _out.Imm = At(0).Bits;
    }
}
