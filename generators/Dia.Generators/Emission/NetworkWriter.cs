using Dia.Generators.Graph;
using Dia.Generators.Models;
using Dia.Generators.Planning;
using Dia.Graph;

namespace Dia.Generators.Emission;

/// <summary>Writes the network of a configuration: plan, and one method a layer with every operation and its sizes.</summary>
internal sealed class NetworkWriter(string name, DiaGraph graph, ParameterTable parameters) : DiaWriter(name, graph, parameters, graph.DecoderOutput)
{
    /// <inheritdoc/>
    public override string WriteNetwork(string about)
    {
        var code = new CodeWriter(about);
        code.Summary("The network; its functions are in the other files of this class.");
        using (code.Open(ModelEmitter.NetworkClass(Name, "DiaNetwork")))
        {
            code.Line($"public override ArenaSizes Arenas => {Name}Arenas.Sizes;");
            code.Line();
            ModelEmitter.WriteBackend(code);
        }

        code.Line();
        code.Summary("What passes need to know of the plans.");
        using (code.Open($"internal static class {Name}Arenas"))
        {
            code.Line("public static ArenaSizes Sizes => new(");
            WriteSizes(code);
        }

        return code.ToString();
    }

    /// <inheritdoc/>
    protected override (string Summary, string[] Operations) PlanNotes(string part, Plan plan, IReadOnlyList<FunctionGraph> functions) =>
    (
        $"Where the {part.ToLowerInvariant()}'s activations lie in its arena.",
        ["operations: the first and last operation that need the buffer, in the first layer that has it; buffers needed at different times share memory."]);

    protected override Method MethodOf(Function function) => function switch
    {
        Function.Encode => new("The encoder over the text rows of a pass.", "EncoderPass p", "p", Names("p.Rows", "p.Phase", _ => null)),
        Function.CrossKeyValues => new(
            "Keys and values of every decoder layer's cross-attention for a text of the pass.",
            "EncoderPass p, int text, KeyValueCache cache",
            "p, text, cache",
            Names("p.Length", "p.Phase", v => v == Graph.EncoderOutput ? $"p.Output(text, {v.Width})" : null)),
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
        new(Parameters, rows, phase, v => (Text.Stored(v) ?? Audio.Stored(v)) switch
    {
        { Home: Home.CrossKeys } s => $"cache.Keys({s.Index})",
        { Home: Home.CrossValues } s => $"cache.Values({s.Index})",
        { Home: Home.UnconditionalCross } s => $"constants + {Row(s.Index, v)}",
        _ => elsewhere(v),
    });

    private static string Row(int index, Value value) => CodeWriter.Number((long)index * value.Width);
}
