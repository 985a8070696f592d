using Dia.Generators.Graph;
using Dia.Generators.Models;
using Dia.Generators.Planning;
using Dia.Graph;

namespace Dia.Generators.Emission;

/// <summary>
/// Writes what a configuration needs for training: the functions once more, by a plan that keeps what is read again, and their backward functions.
/// </summary>
/// <param name="name">The class.</param>
/// <param name="graph">The functions, differentiated.</param>
/// <param name="parameters">The parameters, numbered as the network's.</param>
/// <param name="budget">Bytes of a row that may be kept.</param>
internal sealed class TrainingWriter(string name, DiaGraph graph, ParameterTable parameters, long budget)
    : DiaWriter(name, graph, parameters, graph.DecoderOutput, graph.Logits)
{
    /// <inheritdoc/>
    public override string WriteNetwork(string about)
    {
        var code = new CodeWriter(about);
        code.Summary("Training; its functions are in the other files of this class.");
        using (code.Open(
            $"internal sealed unsafe partial class {Name}<TBackend>(TBackend b, DiaNetwork network) : TrainingNetwork(network) where TBackend : struct, ITrainingBackend"))
        {
            code.Line("public override ArenaSizes Arenas { get; } = new(");
            WriteSizes(code);
            code.Line();
            code.Line($"public override long LogitsOffset => {Name}DecoderPlan.{Audio.Name(Graph.Logits)};");
            code.Line();
            code.Line($"public override IReadOnlyList<OperationInfo> Operations() => {Name}Operations.All();");
        }

        return code.ToString();
    }

    /// <summary>The loss is the network's: it is computed on the host.</summary>
    protected override bool IsWritten(Function function) => function != Function.Loss;

    /// <inheritdoc/>
    protected override (string Summary, string[] Operations) PlanNotes(string part, Plan plan, IReadOnlyList<FunctionGraph> functions) =>
    (
        $"Where the {part.ToLowerInvariant()}'s values lie in its arena while it is trained.",
        PlanWriter.Kept(plan, functions, "row", $" (at most {CodeWriter.Number(budget)} may be, but for results)"));

    protected override Method MethodOf(Function function) => function switch
    {
        Function.Encode => new("The encoder over the text rows of a pass.", "EncoderPass p", "p", Names()),
        Function.CrossKeyValues => new(
            "Keys and values of every decoder layer's cross-attention for a text of the pass.",
            "EncoderPass p, int text, KeyValueCache cache",
            "p, text, cache",
            Names("p.Length", v => v == Graph.EncoderOutput ? $"p.Output(text, {v.Width})" : null)),
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
    private Scope Names(string rows = "p.Rows", Func<Value, string?>? elsewhere = null) => new(Parameters, rows, "Phase.Prefill", v =>
    {
        Store? store = Text.Stored(v) ?? Audio.Stored(v);
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
