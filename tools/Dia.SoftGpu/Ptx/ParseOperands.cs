using System.Collections.Generic;
using System.Globalization;

namespace Dia.SoftGpu.Ptx;

internal sealed partial class Parser
{
    private Operand ParseOperand()
    {
        if (Accept("{"))
        {
            var items = new List<Operand>();
            while (!Accept("}"))
            {
                items.Add(ParseOperand());
                if (!Here.Is("}"))
                    Expect(",");
            }
            return new Operand { Kind = OperandKind.List, Items = [.. items] };
        }
        if (Accept("["))
        {
            Token t = Here;
            string name = "";
            long offset = 0;
            if (t.Is("-") || char.IsAsciiDigit(t.Text[0]))
                offset = ParseNumber().Bits;
            else
            {
                name = Next().Text;
                while (Accept("+"))
                    offset += ParseNumber().Bits;
                if (Here.Is("-"))
                    offset += ParseNumber().Bits;
            }
            Expect("]");
            return new Operand { Kind = OperandKind.Address, Name = name, Bits = offset };
        }
        if (Accept("!"))
            return new Operand { Kind = OperandKind.Name, Name = Next().Text, Negated = true };
        if (Here.Is("-") || char.IsAsciiDigit(Here.Text[0]))
            return ParseNumber();
        var operand = new Operand { Kind = OperandKind.Name, Name = Next().Text };
        if (Accept("|"))
            return new Operand { Kind = OperandKind.Pair, Items = [operand, ParseOperand()] };
        if (Here.Is("+"))
        {
            Next();
            return new Operand { Kind = OperandKind.Name, Name = operand.Name, Bits = ParseNumber().Bits };
        }
        return operand;
    }

    private Operand ParseNumber()
    {
        bool minus = Accept("-");
        Token t = Next();
        string s = t.Text;
        NumberStyles hex = NumberStyles.AllowHexSpecifier;
        CultureInfo c = CultureInfo.InvariantCulture;
        if (s.Length == 10 && s.StartsWith("0f", StringComparison.OrdinalIgnoreCase) && uint.TryParse(s.AsSpan(2), hex, c, out uint f))
            return new Operand { Kind = OperandKind.Float32, Bits = f };
        if (s.Length == 18 && s.StartsWith("0d", StringComparison.OrdinalIgnoreCase) && ulong.TryParse(s.AsSpan(2), hex, c, out ulong d))
            return new Operand { Kind = OperandKind.Float64, Bits = (long)d };
        s = s.TrimEnd('U');
        ulong value;
        bool good = s.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? ulong.TryParse(s.AsSpan(2), hex, c, out value) : ulong.TryParse(s, c, out value);
        if (!good)
            throw new PtxException(t.Line, $"number expected, found '{t.Text}'");
        return new Operand { Kind = OperandKind.Integer, Bits = minus ? -(long)value : (long)value };
    }
}
