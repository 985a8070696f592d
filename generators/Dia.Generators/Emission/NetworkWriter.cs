using Dia.Generators.Graph;
using Dia.Generators.Models;
using Dia.Generators.Planning;
using Dia.Graph;

namespace Dia.Generators.Emission;

/// <summary>Writes the network of a configuration: plan, and one method a layer with every operation and its sizes.</summary>
internal sealed class NetworkWriter
{
    private readonly string _name;
    private readonly DiaGraph _graph;
    private readonly ParameterTable _parameters;
    private readonly Plan _text, _audio;

    public NetworkWriter(string name, DiaGraph graph, ParameterTable parameters)
    {
        (_name, _graph, _parameters) = (name, graph, parameters);
        _text = Plan.Of(graph.Text, [graph.EncoderOutput], _ => 1, 1);
        _audio = Plan.Of(graph.Audio, [graph.DecoderOutput], _ => 1, 1);
    }

    /// <summary>NAME.Plan.g.cs.</summary>
    public string WritePlan(string about)
    {
        var code = new CodeWriter(about);
        WritePlan(code, "Encoder", "text", _text);
        code.Line();
        WritePlan(code, "Decoder", "audio", _audio);
        return code.ToString();
    }

    /// <summary>NAME.Encoder.g.cs: what works on text rows.</summary>
    public string WriteEncoder(string about) => Write(about, "Encoder", _text, _graph.Text);

    /// <summary>NAME.Decoder.g.cs: what works on audio rows.</summary>
    public string WriteDecoder(string about) => Write(about, "Decoder", _audio, _graph.Audio);

    /// <summary>NAME.Operations.g.cs.</summary>
    public string WriteOperations(string about) => OperationTable.Write(
        about, _name + "Operations", _parameters, _graph.Text.Select(f => (_text, f)).Concat(_graph.Audio.Select(f => (_audio, f))), numbered: false);

    /// <summary>NAME.Network.g.cs: what all functions share.</summary>
    public string WriteNetwork(string about)
    {
        var code = new CodeWriter(about);
        code.Summary("The network; its functions are in the other files of this class.");
        using (code.Open(ModelEmitter.NetworkClass(_name, "DiaNetwork")))
        {
            code.Line($"public override ArenaSizes Arenas => {_name}Arenas.Sizes;");
            code.Line();
            ModelEmitter.WriteBackend(code);
        }

        code.Line();
        code.Summary("What passes need to know of the plans.");
        using (code.Open($"internal static class {_name}Arenas"))
        {
            code.Line("public static ArenaSizes Sizes => new(");
            code.Line($"    {_name}EncoderPlan.Total, {_name}EncoderPlan.{_text.Name(_graph.EncoderOutput)},");
            code.Line($"    {_name}DecoderPlan.Total, {_name}DecoderPlan.{_audio.Name(_graph.DecoderOutput)});");
        }

        return code.ToString();
    }

    private void WritePlan(CodeWriter code, string part, string kind, Plan plan)
    {
        string[] notes =
        [
            $"offset: float32 values before the buffer for each of the arena's {kind} rows; times these rows it is where the buffer starts.",
            "operations: the first and last operation that need the buffer, in the first layer that has it; buffers needed at different times share memory.",
        ];
        PlanWriter.Write(code, $"{_name}{part}Plan", plan, $"Where the {part.ToLowerInvariant()}'s activations lie in its arena.", notes);
    }

    private string Write(string about, string part, Plan plan, IReadOnlyList<FunctionGraph> functions)
    {
        var code = new CodeWriter(about, ("Plan", $"{_name}{part}Plan"), _parameters.Alias);
        var writer = new FunctionWriter(plan, (v, name) => ($"float* {name} = p[Plan.{plan.Name(v)}];", $"[rows, {CodeWriter.Number(v.Width)}]"));
        using (code.Open($"internal sealed unsafe partial class {_name}<TBackend>"))
            foreach (FunctionGraph function in functions)
                writer.Write(code, function, function.Function.ToString(), MethodOf(function.Function));
        return code.ToString();
    }

    private Method MethodOf(Function function) => function switch
    {
        Function.Encode => new("The encoder over the text rows of a pass.", "EncoderPass p", "p", Names("p.Rows", "Phase.Prefill", _ => null)),
        Function.CrossKeyValues => new(
            "Keys and values of every decoder layer's cross-attention for a text of the pass.",
            "EncoderPass p, int text, KeyValueCache cache",
            "p, text, cache",
            Names("p.Length", "Phase.Prefill", v => v == _graph.EncoderOutput ? $"p.Output(text, {v.Width})" : null)),
        Function.UnconditionalCross => new(
            "What cross-attention adds to a row without text in each layer, from a pass over a zero byte: constants [layers, hidden].",
            "EncoderPass p, float* constants",
            "p, constants",
            Names("p.Rows", "Phase.Decode", _ => null)),
        Function.Decode => new(
            "The decoder over rows of each sequence of a pass.",
            "DecoderPass p",
            "p",
            Names("p.Rows", "p.Phase", v => v.Home == Home.UnconditionalCross ? $"p.UnconditionalCross + {Row(v.Index, v)}" : null)),
        Function.Logits => new("", "float* logits, float* output, int rows, Phase phase", "", Names("rows", "phase", v => v.Name)),
        Function.Loss => new("", "float* logits, int* labels, int rows, ref CrossEntropy loss", "", Names("rows", "", v => v.Name)),
        _ => throw new ArgumentOutOfRangeException(nameof(function)),
    };

    /// <summary>What is stored is computed where it goes.</summary>
    private Scope Names(string rows, string phase, Func<Value, string?> elsewhere) =>
        new(_parameters, rows, phase, v => (_text.Stored(v) ?? _audio.Stored(v)) switch
    {
        { Home: Home.CrossKeys } s => $"cache.Keys({s.Index})",
        { Home: Home.CrossValues } s => $"cache.Values({s.Index})",
        { Home: Home.UnconditionalCross } s => $"constants + {Row(s.Index, v)}",
        _ => elsewhere(v),
    });

    private static string Row(int index, Value value) => CodeWriter.Number((long)index * value.Width);
}
