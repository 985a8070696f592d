using System.Collections.Generic;
using System.Globalization;

namespace Dia.SoftGpu.Ptx;

/// <summary>Reads a module: variables and kernels, each instruction with its operands and scope.</summary>
internal sealed partial class Parser
{
    private readonly List<Token> _tokens;
    private int _at;

    private Parser(string text) => _tokens = Lexer.Split(text);

    public int Version { get; private set; }

    public int Target { get; private set; }

    public Scope Scope { get; } = new(null);

    public List<Function> Functions { get; } = [];

    public List<Variable> Variables { get; } = [];

    public static Parser Parse(string text)
    {
        var parser = new Parser(text);
        parser.ParseModule();
        return parser;
    }

    private Token Here => _at < _tokens.Count ? _tokens[_at] : new Token("end of text", _tokens.Count == 0 ? 1 : _tokens[^1].Line);

    private Token Next()
    {
        Token t = Here;
        _at++;
        return t;
    }

    private bool Accept(string text)
    {
        if (!Here.Is(text))
            return false;
        _at++;
        return true;
    }

    private void Expect(string text)
    {
        if (!Accept(text))
            throw new PtxException(Here.Line, $"'{text}' expected, found '{Here.Text}'");
    }

    private void ParseModule()
    {
        Expect(".version");
        string[] version = Next().Text.Split('.');
        if (version.Length != 2 || !int.TryParse(version[0], out int major) || !int.TryParse(version[1], out int minor))
            throw new PtxException(Here.Line, ".version wants a number like 7.0");
        Version = major * 10 + minor;
        Expect(".target");
        Token target = Next();
        if (!target.Text.StartsWith("sm_", StringComparison.Ordinal) || !int.TryParse(target.Text.AsSpan(3), out int sm))
            throw new PtxException(target.Line, $"target {target.Text} is not supported by the software GPU");
        Target = sm;
        while (Accept(","))
            Next();
        while (_at < _tokens.Count)
            ParseTopLevel();
    }

    private void ParseTopLevel()
    {
        Token t = Next();
        switch (t.Text)
        {
            case ".address_size":
                if (!Next().Is("64"))
                    throw new PtxException(t.Line, "only 64-bit addresses are supported");
                break;
            case ".visible" or ".extern" or ".weak":
                break;
            case ".entry":
                ParseKernel();
                break;
            case ".func":
                SkipFunction(t.Line);
                break;
            case ".global" or ".const" or ".shared":
                ParseVariable(t, Scope, null);
                break;
            default:
                throw new PtxException(t.Line, $"'{t.Text}' is not supported by the software GPU");
        }
    }

    // A device function that the optimiser left beside its inlined copies is harmless until something calls it.
    private void SkipFunction(int line)
    {
        while (!Here.Is("{") && !Here.Is(";"))
            if (Next().Text == "end of text")
                throw new PtxException(line, "function without body");
        if (Accept(";"))
            return;
        int depth = 0;
        do
        {
            Token t = Next();
            depth += t.Is("{") ? 1 : t.Is("}") ? -1 : 0;
            if (t.Text == "end of text")
                throw new PtxException(line, "function without end");
        }
        while (depth > 0);
    }

    private void ParseKernel()
    {
        Token name = Next();
        var function = new Function { Name = name.Text, Line = name.Line, Scope = new Scope(Scope) };
        if (Accept("("))
        {
            while (!Accept(")"))
            {
                Expect(".param");
                Variable v = ParseDeclaration(Space.Param);
                v.Address = (ulong)Align(function.ParameterBytes, v.Align);
                function.ParameterBytes = (int)(v.Address + (ulong)v.Size);
                function.Parameters.Add(v);
                function.Scope.Variables[v.Name] = v;
                Accept(",");
            }
        }
        while (!Accept("{"))
        {
            Token t = Next();
            if (t.Text is ".maxntid" or ".reqntid")
            {
                int threads = ParseInt();
                while (Accept(","))
                    threads *= ParseInt();
                function.MaxThreads = threads;
            }
            else if (t.Text is ".minnctapersm" or ".maxnreg" or ".maxnctapersm")
                ParseInt();
            else if (t.Text is not ".noreturn")
                throw new PtxException(t.Line, $"'{t.Text}' is not supported by the software GPU");
        }
        ParseBody(function, function.Scope);
        Functions.Add(function);
    }

    private int ParseInt()
    {
        Token t = Next();
        return int.TryParse(t.Text, CultureInfo.InvariantCulture, out int value) ? value : throw new PtxException(t.Line, $"number expected, found '{t.Text}'");
    }

    private void ParseBody(Function function, Scope scope)
    {
        while (!Accept("}"))
        {
            Token t = Next();
            switch (t.Text)
            {
                case "{":
                    ParseBody(function, new Scope(scope));
                    break;
                case ";":
                    break;
                case ".reg":
                    ParseRegisters(function, scope);
                    break;
                case ".shared" or ".local" or ".param":
                    ParseVariable(t, scope, function);
                    break;
                case ".pragma" or ".loc" or ".file":
                    if (t.Is(".pragma"))
                        while (!Accept(";")) Next();
                    else
                        while (Here.Line == t.Line) Next();
                    break;
                case "end of text":
                    throw new PtxException(t.Line, "function without end");
                default:
                    if (Accept(":"))
                        scope.Labels[t.Text] = function.Body.Count;
                    else
                        ParseInstruction(function, scope, t);
                    break;
            }
        }
    }

    private void ParseRegisters(Function function, Scope scope)
    {
        PtxType type = TypeOf(Next());
        int bits = type == PtxType.Pred ? 1 : 8 * Bytes(type);
        do
        {
            string name = Next().Text;
            if (Accept("<"))
            {
                int count = ParseInt();
                Expect(">");
                for (int i = 0; i < count; i++)
                    Add(name + i.ToString(CultureInfo.InvariantCulture));
            }
            else
                Add(name);
        }
        while (Accept(","));
        Expect(";");

        void Add(string name)
        {
            var register = new Register(type, bits);
            scope.Registers[name] = register;
            function.Registers.Add(register);
        }
    }

    private void ParseVariable(Token space, Scope scope, Function? function)
    {
        Space kind = space.Text switch
        {
            ".global" => Space.Global,
            ".const" => Space.Const,
            ".shared" => Space.Shared,
            ".local" => Space.Local,
            _ => throw new PtxException(space.Line, "calls of functions are not supported by the software GPU: have everything inlined"),
        };
        Variable v = ParseDeclaration(kind);
        if (Accept("="))
            v.Initial = ParseInitial(v);
        Expect(";");
        scope.Variables[v.Name] = v;
        if (function == null)
            Variables.Add(v);
        else if (kind == Space.Shared)
        {
            v.Address = (ulong)Align(function.SharedBytes, v.Align);
            function.SharedBytes = (int)v.Address + (int)v.Size;
        }
        else
        {
            v.Address = (ulong)Align(function.LocalBytes, v.Align);
            function.LocalBytes = (int)v.Address + (int)v.Size;
        }
    }

    private Variable ParseDeclaration(Space space)
    {
        int align = 0;
        Token t = Next();
        while (t.Text is ".align" or ".ptr" or ".global" or ".shared" or ".const" or ".local")
        {
            if (t.Is(".align"))
                align = Math.Max(align, ParseInt());
            t = Next();
        }
        int element = Bytes(TypeOf(t));
        _elementBytes = element;
        // ".param .u64 .ptr .global .align 4 name": attributes may follow the type; they speak of what it points to.
        while (Here.Text is ".ptr" or ".global" or ".shared" or ".const" or ".local" or ".align")
            if (Next().Is(".align"))
                ParseInt();
        string name = Next().Text;
        long size = element;
        while (Accept("["))
        {
            size = Here.Is("]") ? 0 : size * ParseInt();
            Expect("]");
        }
        return new Variable { Name = name, Space = space, Align = Math.Max(align, align == 0 ? element : 1), Size = size };
    }

    private int _elementBytes;

    private byte[] ParseInitial(Variable v)
    {
        int element = _elementBytes;
        var bytes = new byte[v.Size];
        int at = 0;
        if (!Accept("{"))
        {
            Put(ParseOperand());
            return bytes;
        }
        while (!Accept("}"))
        {
            Put(ParseOperand());
            Accept(",");
        }
        return bytes;

        void Put(Operand o)
        {
            if (o.Kind is not (OperandKind.Integer or OperandKind.Float32 or OperandKind.Float64))
                throw new PtxException(Here.Line, $"the initial value of '{v.Name}' holds an address: not supported by the software GPU");
            for (int i = 0; i < element && at < bytes.Length; i++)
                bytes[at++] = (byte)(o.Bits >> (8 * i));
        }
    }

    private void ParseInstruction(Function function, Scope scope, Token first)
    {
        string? guard = null;
        bool negated = false;
        Token opcode = first;
        if (first.Is("@"))
        {
            negated = Accept("!");
            guard = Next().Text;
            opcode = Next();
        }
        if (!char.IsAsciiLetter(opcode.Text[0]))
            throw new PtxException(opcode.Line, $"instruction expected, found '{opcode.Text}'");
        if (opcode.Text.StartsWith("call", StringComparison.Ordinal))
            throw new PtxException(opcode.Line, "calls of functions are not supported by the software GPU: have everything inlined");
        var operands = new List<Operand>();
        while (!Accept(";"))
        {
            operands.Add(ParseOperand());
            if (!Here.Is(";"))
                Expect(",");
        }
        function.Body.Add(new Statement
        {
            Line = opcode.Line, Opcode = opcode.Text, Operands = [.. operands], Scope = scope, Guard = guard, GuardNegated = negated,
        });
    }

    public static PtxType TypeOf(Token t) =>
        TypeNamed(t.Text.TrimStart('.')) is var type && type != PtxType.None ? type : throw new PtxException(t.Line, $"type expected, found '{t.Text}'");

    public static PtxType TypeNamed(string name) => name switch
    {
        "b8" => PtxType.B8, "u8" => PtxType.U8, "s8" => PtxType.S8,
        "b16" => PtxType.B16, "u16" => PtxType.U16, "s16" => PtxType.S16, "f16" => PtxType.F16, "bf16" => PtxType.BF16,
        "b32" => PtxType.B32, "u32" => PtxType.U32, "s32" => PtxType.S32, "f32" => PtxType.F32, "f16x2" => PtxType.F16X2, "bf16x2" => PtxType.BF16X2,
        "b64" => PtxType.B64, "u64" => PtxType.U64, "s64" => PtxType.S64, "f64" => PtxType.F64,
        "pred" => PtxType.Pred,
        _ => PtxType.None,
    };

    public static int Bytes(PtxType type) => type switch
    {
        PtxType.B8 or PtxType.U8 or PtxType.S8 => 1,
        PtxType.B16 or PtxType.U16 or PtxType.S16 or PtxType.F16 or PtxType.BF16 => 2,
        PtxType.B64 or PtxType.U64 or PtxType.S64 or PtxType.F64 => 8,
        _ => 4,
    };

    public static long Align(long at, long align) => (at + align - 1) / align * align;
}
