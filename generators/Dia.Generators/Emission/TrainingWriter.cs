using Dia.Generators.Differentiation;
using Dia.Generators.Graph;
using Dia.Generators.Models;
using Dia.Generators.Planning;
using Dia.Graph;

namespace Dia.Generators.Emission;

/// <summary>
/// Writes what a configuration needs for training: the functions once more, by a plan that keeps what is read again, and their backward functions.
/// </summary>
internal sealed class TrainingWriter
{
    private readonly string _name;
    private readonly DiaGraph _graph;
    private readonly ParameterTable _parameters;
    private readonly long _budget;
    private readonly Plan _text, _audio;

    /// <param name="name">The class.</param>
    /// <param name="graph">The functions, differentiated.</param>
    /// <param name="parameters">The parameters, numbered as the network's.</param>
    /// <param name="budget">Bytes of a row that may be kept.</param>
    public TrainingWriter(string name, DiaGraph graph, ParameterTable parameters, long budget)
    {
        (_name, _graph, _parameters, _budget) = (name, graph, parameters, budget);
        _text = Plan.Of(graph.Text, [graph.EncoderOutput], _ => 1, 1);
        _audio = Plan.Of(graph.Audio, [graph.DecoderOutput, graph.Logits], _ => 1, 1);
    }

    /// <summary>NAME.TrainingPlan.g.cs.</summary>
    public string WritePlan(string about)
    {
        var code = new CodeWriter(about);
        WritePlan(code, "Encoder", "text", _text, _graph.Text);
        code.Line();
        WritePlan(code, "Decoder", "audio", _audio, _graph.Audio);
        return code.ToString();
    }

    /// <summary>NAME.TrainingEncoder.g.cs: what works on text rows.</summary>
    public string WriteEncoder(string about) => Write(about, "Encoder", _text, _graph.Text);

    /// <summary>NAME.TrainingDecoder.g.cs: what works on audio rows.</summary>
    public string WriteDecoder(string about) => Write(about, "Decoder", _audio, _graph.Audio);

    /// <summary>NAME.TrainingOperations.g.cs.</summary>
    public string WriteOperations(string about) => OperationTable.Write(
        about, _name + "Operations", _parameters, _graph.Text.Select(f => (_text, f)).Concat(_graph.Audio.Select(f => (_audio, f))), numbered: false);

    /// <summary>NAME.Training.g.cs: what all functions share.</summary>
    public string WriteNetwork(string about)
    {
        var code = new CodeWriter(about);
        code.Summary("Training; its functions are in the other files of this class.");
        using (code.Open(
            $"internal sealed unsafe partial class {_name}<TBackend>(TBackend b, DiaNetwork network) : TrainingNetwork(network) where TBackend : struct, ITrainingBackend"))
        {
            code.Line("public override ArenaSizes Arenas { get; } = new(");
            code.Line($"    {_name}EncoderPlan.Total, {_name}EncoderPlan.{_text.Name(_graph.EncoderOutput)},");
            code.Line($"    {_name}DecoderPlan.Total, {_name}DecoderPlan.{_audio.Name(_graph.DecoderOutput)});");
            code.Line();
            code.Line($"public override long LogitsOffset => {_name}DecoderPlan.{_audio.Name(_graph.Logits)};");
            code.Line();
            code.Line($"public override IReadOnlyList<OperationInfo> Operations() => {_name}Operations.All();");
        }

        return code.ToString();
    }

    private void WritePlan(CodeWriter code, string part, string kind, Plan plan, IReadOnlyList<FunctionGraph> functions)
    {
        int forward = functions.Where(f => !Backward.Is(f.Function)).SelectMany(f => f.Operations).Count();
        long kept = plan.Arena.Buffers.Where(b => b.First < forward && b.Last >= forward).Sum(b => b.Size);
        string[] notes =
        [
            $"offset: float32 values before the buffer for each of the arena's {kind} rows; times these rows it is where the buffer starts.",
            $"operations: those of the forward pass are 0 to {CodeWriter.Number(forward - 1)}, the backward pass follows. What lives over that border is kept:",
            $"{CodeWriter.Number(kept * sizeof(float))} bytes of a row (at most {CodeWriter.Number(_budget)} may be, but for results). The rest of what is read again is computed again.",
        ];
        PlanWriter.Write(code, $"{_name}{part}Plan", plan, $"Where the {part.ToLowerInvariant()}'s values lie in its arena while it is trained.", notes);
    }

    private string Write(string about, string part, Plan plan, IReadOnlyList<FunctionGraph> functions)
    {
        var code = new CodeWriter(about, ("Plan", $"{_name}{part}Plan"), _parameters.Alias);
        var writer = new FunctionWriter(plan, (v, name) => ($"float* {name} = p[Plan.{plan.Name(v)}];", $"[rows, {CodeWriter.Number(v.Width)}]"));
        using (code.Open($"internal sealed unsafe partial class {_name}<TBackend>"))
            foreach (FunctionGraph function in functions.Where(f => f.Function != Function.Loss))
                writer.Write(code, function, function.Function.ToString(), MethodOf(function.Function));
        return code.ToString();
    }

    private Method MethodOf(Function function) => function switch
    {
        Function.Encode => new("The encoder over the text rows of a pass.", "EncoderPass p", "p", Names()),
        Function.CrossKeyValues => new(
            "Keys and values of every decoder layer's cross-attention for a text of the pass.",
            "EncoderPass p, int text, KeyValueCache cache",
            "p, text, cache",
            Names("p.Length", v => v == _graph.EncoderOutput ? $"p.Output(text, {v.Width})" : null)),
        Function.Decode => new("The decoder over rows of each sequence of a pass.", "DecoderPass p", "p", Names()),
        Function.Logits => new("", "DecoderPass p", "p", Names()),
        Function.LossBackward => new("", "DecoderPass p, int* labels, float scale", "p, labels, scale", Names()),
        Function.LogitsBackward => new("", "DecoderPass p, ParameterGradients g", "p, g", Names()),
        Function.DecodeBackward => new(
            "From the gradient of the decoder output to those of its parameters, and of the keys and values of cross-attention.",
            "DecoderPass p, ParameterGradients g, KeyValueCache cross",
            "p, g, cross",
            Names()),
        Function.CrossKeyValuesBackward => new(
            "From the gradients of the keys and values of cross-attention to that of the encoder output.",
            "EncoderPass p, ParameterGradients g, KeyValueCache cross",
            "p, g, cross",
            Names()),
        Function.EncodeBackward => new(
            "From the gradient of the encoder output to those of its parameters.", "EncoderPass p, ParameterGradients g", "p, g", Names()),
        _ => throw new ArgumentOutOfRangeException(nameof(function)),
    };

    /// <summary>What is stored is computed where it goes.</summary>
    private Scope Names(string rows = "p.Rows", Func<Value, string?>? elsewhere = null) => new(_parameters, rows, "Phase.Prefill", v =>
    {
        Store? store = _text.Stored(v) ?? _audio.Stored(v);
        return (store?.Home ?? v.Home, store?.Index ?? v.Index) switch
        {
            (Home.CrossKeys, var layer) when store is not null => $"cache.Keys({layer})",
            (Home.CrossValues, var layer) when store is not null => $"cache.Values({layer})",
            (Home.CrossKeyGradients, var layer) => $"cross.Keys({layer})",
            (Home.CrossValueGradients, var layer) => $"cross.Values({layer})",
            _ => elsewhere?.Invoke(v),
        };
    });
}
