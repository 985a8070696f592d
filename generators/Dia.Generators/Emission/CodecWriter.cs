using Dia.Configuration;
using Dia.Generators.Graph;
using Dia.Generators.Models;
using Dia.Generators.Planning;
using Dia.Graph;

namespace Dia.Generators.Emission;

/// <summary>
/// Writes the codec of a configuration. Each direction works on a window: the rows that every value must hold there are the pass's to find
/// (Dia.Networks.CodecLayout), so any window of a long sound comes out as if all of it had been computed.
/// </summary>
internal sealed class CodecWriter
{
    /// <summary>
    /// Frames of one window: enough that weights are seldom read (with 16 decoding took 17% longer) and that what a window by itself makes of its neighbours'
    /// rows is little beside its own; few enough for a hundred megabytes.
    /// </summary>
    private const int WindowFrames = 128;

    private readonly string _name;
    private readonly DacConfig _config;
    private readonly DacGraph _graph;
    private readonly ParameterTable _parameters;
    private readonly Plan _encoder, _decoder;

    public CodecWriter(string name, DacConfig config, DacGraph graph, ParameterTable parameters)
    {
        (_name, _config, _graph, _parameters) = (name, config, graph, parameters);
        _encoder = PlanOf(graph.Encoder, WindowFrames);
        _decoder = PlanOf(graph.Decoder, (long)WindowFrames * config.HopLength);
    }

    /// <summary>NAMECodec.Operations.g.cs.</summary>
    public string WriteOperations(string about) => OperationTable.Write(
        about, _name + "Operations", _parameters, _graph.Encoder.Select(f => (_encoder, f)).Concat(_graph.Decoder.Select(f => (_decoder, f))), numbered: true);

    /// <summary>NAME.Codec.g.cs.</summary>
    public string Write(string about)
    {
        var code = new CodeWriter(about, ("EncoderPlan", _name + "EncoderPlan"), ("DecoderPlan", _name + "DecoderPlan"), _parameters.Alias);
        WritePlan(code, "Encoder", _encoder);
        code.Line();
        WritePlan(code, "Decoder", _decoder);
        code.Line();
        code.Summary($"The codec: {_config.NCodebooks} codebooks of {_config.CodebookSize} entries, hop {_config.HopLength}, {_config.SamplingRate} Hz.");
        using (code.Open(ModelEmitter.NetworkClass(_name, "DacNetwork")))
        {
            code.Line($"public override CodecLayout Layout => {_name}Layout.Layout;");
            code.Line();
            foreach (FunctionGraph function in _graph.Encoder)
                Write(code, function, "EncoderPlan", _encoder);
            foreach (FunctionGraph function in _graph.Decoder)
                Write(code, function, "DecoderPlan", _decoder);
            ModelEmitter.WriteBackend(code);
        }

        code.Line();
        code.Summary("How the codec's rows follow from each other, and how large its windows are.");
        using (code.Open($"internal static class {_name}Layout"))
        {
            code.Line($"public static CodecLayout Layout {{ get; }} = new(");
            code.Line(
                $"    {_name}Operations.All(), hopLength: {_config.HopLength}, windowFrames: {WindowFrames}, arenaSize: Math.Max(EncoderPlan.Total, DecoderPlan.Total));");
        }

        return code.ToString();
    }

    private static Plan PlanOf(IReadOnlyList<FunctionGraph> functions, long outputRows)
    {
        Dictionary<Value, long> rows = MostRows(functions, outputRows);
        return Plan.Of(functions, [], v => rows[v], 16);
    }

    /// <summary>The most rows that each value can need where the last has so many.</summary>
    private static Dictionary<Value, long> MostRows(IReadOnlyList<FunctionGraph> functions, long count)
    {
        var need = new Dictionary<Value, long>();
        foreach (Operation operation in functions.SelectMany(f => f.Operations).Reverse().Where(o => o is not Observe))
        {
            long rows = operation.Window.MostCovered(operation.Outputs.Where(need.ContainsKey).Select(y => need[y]).DefaultIfEmpty(count).Max());
            foreach (Value y in operation.Outputs)
                need[y] = rows;
            foreach (Value x in operation.Inputs)
            {
                long read = x == operation.InPlace ? rows : operation.Window.MostRead(rows);
                need[x] = Math.Max(read, need.TryGetValue(x, out long other) ? other : 0);
            }
        }

        return need;
    }

    private void WritePlan(CodeWriter code, string part, Plan plan)
    {
        string[] notes =
        [
            "shape: [rows, channels], the most rows a window can need. VN is vN of the code below and what continues in its memory.",
            "offset: in float32 values. operations: the first and last that need the value; values needed at different times share memory.",
        ];
        PlanWriter.Write(code, $"{_name}{part}Plan", plan,
            $"Where the values of the codec's {part.ToLowerInvariant()} lie for a window of {WindowFrames} frames.", notes);
    }

    private void Write(CodeWriter code, FunctionGraph function, string planName, Plan plan)
    {
        string summary = function.Function switch
        {
            Function.CodecEncode => "Samples of the pass's window to latents.",
            Function.CodecQuantize => "Latents of the pass's window to codes.",
            _ => "Codes to the samples of the pass's window.",
        };
        new FunctionWriter(plan, (v, name) => Declare(v, name, plan, planName))
            .Write(code, function, NameOf(function.Function), new Method(summary, "CodecPass p", "p", Names(_parameters)));
    }

    /// <summary>The method of a codec's function: CodecEncode's is Encode.</summary>
    public static string NameOf(Function function) => function.ToString().Substring("Codec".Length);

    /// <summary>What a codec's functions call things.</summary>
    public static Scope Names(ParameterTable parameters) => new(parameters, "", "", _ => null) { HasCodecRows = true };

    private static (string, string) Declare(Value value, string name, Plan plan, string planName)
    {
        Value root = plan.Root(value);
        string code = $"CodecRows {name} = p.Rows({value.Number}, place: {root.Number}, {planName}.{plan.Name(value)}, channels: {value.Width});";
        return (code, root == value ? $"[rows, {CodeWriter.Number(value.Width)}]" : $"in place of {root.Name}");
    }
}
